"""Reaction-level SBML: reactions without usable kinetics, such as Reactome's export."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...model.network import Interaction, Molecule
from ..reactions import Reaction, interactions_of

_CATALYST = frozenset((13, 19, 172, 460))
_ACTIVATOR = frozenset((21, 170, 459, 461, 462, 533, 534, 535, 636))
_INHIBITOR = frozenset((20, 169, 206, 207, 407, 536, 537, 596, 597, 639, 640))
"""Terms of the Systems Biology Ontology that state how a modifier acts."""

_KIND_OF_WORDS = (
    (re.compile(r"transloc|transport|import|export|\bmoves?\b|diffus", re.I), "transport"),
    (re.compile(r"dissoci|release|unbind|disassembl", re.I), "dissociation"),
    (re.compile(r"\bbind|associat|dimeri|assembl|complex formation", re.I), "binding"),
)


def reaction_interactions(model: Any, molecules: Mapping[str, Molecule]) -> tuple[Interaction, ...]:
    """Interactions of the reactions of a model, whose logic they state, between its molecules."""
    return interactions_of(_reaction(r, molecules) for r in model.getListOfReactions())


def sign_of_modifier(modifier: Any) -> int:
    """+1 of an activator or catalyst, -1 of an inhibitor, 0 where the file does not state it."""
    term = modifier.getSBOTerm()
    if term in _INHIBITOR:
        return -1
    return 1 if term in _ACTIVATOR or term in _CATALYST - {19} else 0


def _reaction(reaction: Any, molecules: Mapping[str, Molecule]) -> Reaction:
    def named(references: Iterable[Any]) -> tuple[str, ...]:
        names = (reference.getSpecies().strip() for reference in references)
        return tuple(name for name in dict.fromkeys(names) if name in molecules)

    modifiers = list(reaction.getListOfModifiers())
    activators = [m for m in modifiers if m.getSBOTerm() in _ACTIVATOR]
    inhibitors = [m for m in modifiers if m.getSBOTerm() in _INHIBITOR]
    inputs = named(reaction.getListOfReactants())
    outputs = named(reaction.getListOfProducts())
    return Reaction(
        inputs=inputs,
        outputs=outputs,
        catalysts=named(m for m in modifiers if m not in activators and m not in inhibitors),
        activators=named(activators),
        inhibitors=named(inhibitors),
        kind=_kind(f"{reaction.getName()} {reaction.getId()}", inputs, outputs, molecules),
    )


def _kind(
    words: str,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    molecules: Mapping[str, Molecule],
) -> str:
    """The kind of a reaction, by its shape and then by the words of its name."""
    if len(inputs) == len(outputs) == 1:
        before, after = molecules[inputs[0]], molecules[outputs[0]]
        same = before.members == after.members and (before.members or before.label == after.label)
        if same and before.compartment != after.compartment:
            return "transport"
    if len(inputs) > 1 and len(outputs) == 1 and molecules[outputs[0]].kind == "complex":
        return "binding"
    if len(inputs) == 1 and len(outputs) > 1 and molecules[inputs[0]].kind == "complex":
        return "dissociation"
    return next((kind for pattern, kind in _KIND_OF_WORDS if pattern.search(words)), "conversion")
