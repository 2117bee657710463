"""SBML qual written: level 3 version 1 with version 1 of the package, as text and without libsbml.

Every molecule is a species of the levels 0 and 1. A molecule with regulators gets a transition,
which sets it to 1 where one of its interactions holds. A species without transition is an input.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from xml.sax.saxutils import quoteattr

from ...common.errors import FormatError
from ...common.files import write_text
from ...model.network import SignalingNetwork
from ..lost_content import Term, is_constant, losses, losses_of_logic, warn_of, without_constants

_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"
      xmlns:qual="http://www.sbml.org/sbml/level3/version1/qual/version1" qual:required="true">"""


def write_sbml_qual(network: SignalingNetwork, path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Write the logic of a network: every target with the OR of its interactions.

    A name that SBML does not allow for an id is the `name` of its species, whose id is spelled
    with `_`; of all others that is the label. Sources of unknown sign are left out of their
    interactions, since logic has no such thing.

    Returns:
        What was lost, in words; a warning names the same.

    Raises:
        FormatError: a name, label or title has characters that XML cannot hold.
    """
    texts = (
        network.name,
        network.title,
        *(t for m in network.molecules for t in (m.name, m.label)),
    )
    for text in texts:
        if _NOT_IN_XML.search(text):
            raise FormatError(f"XML cannot hold {text[:60]!r}, which has control characters")
    ids = _Ids(network.names)
    terms = _terms(network)
    write_text(path, "\n".join(_document(network, ids, terms)) + "\n")
    lost = _lost(network, ids, terms)
    warn_of(lost, path, "SBML qual")
    return lost


class _Ids:
    """Ids of molecules, compartments and the like; no two of them have the same."""

    def __init__(self, names: Iterable[str]) -> None:
        """Ids of molecules by these names, each its name where that is one."""
        self._ids: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()
        # What is an id already must not lose it to a name that is spelled like it.
        for name in sorted(names, key=lambda name: not _is_id(name)):
            self.add("molecule", name, name)

    def __getitem__(self, name: str) -> str:
        return self._ids["molecule", name]

    def add(self, what: str, name: str, wanted: str) -> str:
        """The id of something, made of the letters that are wanted where it has none yet."""
        if (what, name) in self._ids:
            return self._ids[what, name]
        spelled = re.sub(r"[^A-Za-z0-9_]", "_", wanted)
        spelled = spelled if _is_id(spelled) else f"_{spelled}"
        free, number = spelled, 1
        while free in self._taken:
            number += 1
            free = f"{spelled}_{number}"
        self._taken.add(free)
        self._ids[what, name] = free
        return free


def _is_id(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None


def _terms(network: SignalingNetwork) -> dict[str, tuple[Term, ...]]:
    """The interactions on every molecule that has any of known sign, each once."""
    found: dict[str, dict[Term, None]] = {}
    for interaction in network.interactions:
        signed = zip(interaction.sources, interaction.signs, strict=True)
        if term := tuple((source, sign) for source, sign in signed if sign):
            found.setdefault(interaction.target, {})[term] = None
    return {target: tuple(terms) for target, terms in found.items()}


def _constants(network: SignalingNetwork) -> dict[str, int]:
    """The level of every molecule that an input of weight 0 or 1 holds; 1 where there are both."""
    levels: dict[str, int] = {}
    for interaction in filter(is_constant, network.interactions):
        level = int(interaction.weight or 0)
        levels[interaction.target] = max(level, levels.get(interaction.target, 0))
    return levels


def _document(
    network: SignalingNetwork, ids: _Ids, terms: dict[str, tuple[Term, ...]]
) -> Iterator[str]:
    own = ids.add("model", network.name, network.name)
    yield _HEAD
    yield f"<model id={quoteattr(own)} name={quoteattr(network.title or network.name)}>"
    yield "<listOfCompartments>"
    for place in dict.fromkeys(molecule.compartment for molecule in network.molecules):
        own = ids.add("compartment", place, place)
        yield f'<compartment id={quoteattr(own)} name={quoteattr(place)} constant="true"/>'
    yield "</listOfCompartments>"
    yield "<qual:listOfQualitativeSpecies>"
    for molecule in network.molecules:
        own, place = ids[molecule.name], molecule.compartment
        label = molecule.name if own != molecule.name else molecule.label or molecule.name
        yield (
            f"<qual:qualitativeSpecies qual:id={quoteattr(own)} qual:name={quoteattr(label)} "
            f"qual:compartment={quoteattr(ids.add('compartment', place, place))} "
            'qual:constant="false" qual:maxLevel="1"/>'
        )
    yield "</qual:listOfQualitativeSpecies>"
    constants = {n: level for n, level in _constants(network).items() if n not in terms}
    if terms or constants:
        yield "<qual:listOfTransitions>"
        for name in network.names:
            if name in terms or name in constants:
                own = ids.add("transition", name, f"transition_{ids[name]}")
                yield from _transition(own, name, terms.get(name, ()), constants.get(name, 0), ids)
        yield "</qual:listOfTransitions>"
    yield "</model>"
    yield "</sbml>"


def _transition(
    own: str, target: str, terms: tuple[Term, ...], default: int, ids: _Ids
) -> Iterator[str]:
    signs: dict[str, set[int]] = {}
    for source, sign in (signed for term in terms for signed in term):
        signs.setdefault(source, set()).add(sign)
    yield f"<qual:transition qual:id={quoteattr(own)}>"
    if signs:
        yield "<qual:listOfInputs>"
        for source, found in signs.items():
            word = "dual" if len(found) > 1 else "positive" if 1 in found else "negative"
            yield (
                f"<qual:input qual:qualitativeSpecies={quoteattr(ids[source])} "
                f'qual:transitionEffect="none" qual:sign="{word}"/>'
            )
        yield "</qual:listOfInputs>"
    yield "<qual:listOfOutputs>"
    yield (
        f"<qual:output qual:qualitativeSpecies={quoteattr(ids[target])} "
        'qual:transitionEffect="assignmentLevel"/>'
    )
    yield "</qual:listOfOutputs>"
    yield "<qual:listOfFunctionTerms>"
    yield f'<qual:defaultTerm qual:resultLevel="{default}"/>'
    if terms:
        yield '<qual:functionTerm qual:resultLevel="1">'
        yield '<math xmlns="http://www.w3.org/1998/Math/MathML">'
        yield _joined("or", (_joined("and", (_level(ids[s], g) for s, g in t)) for t in terms))
        yield "</math>"
        yield "</qual:functionTerm>"
    yield "</qual:listOfFunctionTerms>"
    yield "</qual:transition>"


def _joined(operation: str, parts: Iterable[str]) -> str:
    parts = list(parts)
    return parts[0] if len(parts) == 1 else f"<apply><{operation}/>{''.join(parts)}</apply>"


def _level(source: str, sign: int) -> str:
    """That a species is active, or not."""
    active = f'<apply><eq/><ci>{source}</ci><cn type="integer">1</cn></apply>'
    return active if sign > 0 else f"<apply><not/>{active}</apply>"


def _lost(
    network: SignalingNetwork, ids: _Ids, terms: dict[str, tuple[Term, ...]]
) -> tuple[str, ...]:
    respelled = [m for m in network.molecules if ids[m.name] != m.name]
    labels = sum(m.label not in ("", m.name) for m in respelled)
    unsigned = sum(interaction.signs.count(0) for interaction in network.interactions)
    driven = sum(name in terms for name in network.inputs)
    inputs = frozenset(network.inputs)
    idle = sum(name not in terms and name not in inputs for name in network.names)
    own = {
        f"the ids of {len(respelled)} molecules (their names are kept)": respelled,
        f"labels of {labels} molecules": labels,
        f"{unsigned} edges of unknown sign": unsigned,
        f"the inputs of {driven} molecules that have regulators": driven,
        f"that {idle} molecules have no regulators (they come back as inputs)": idle,
        "kinetic parameters": losses(without_constants(network), "kinetics"),
        "pathways": len(network.pathways) > 1,
        "source, licence and family": network.source
        or network.licence
        or network.family_name != network.name,
    }
    words = (words for words, is_lost in own.items() if is_lost)
    never_held = ("members", "kinds of molecules", "kinds of interactions", "unknown logic")
    return (*words, *losses_of_logic(terms), *losses(network, *never_held))
