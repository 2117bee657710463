"""What the writers share: losses in words, warnings of them, and names that no line can hold."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..common.errors import FormatError
from ..model.network import Interaction, SignalingNetwork
from .logic.expression import Expression, ExpressionBuilder
from .logic.implicants import interactions_of_function
from .logic.rules import kind_of_signs

Term = tuple[tuple[str, int], ...]
"""Sources and their signs, +1 or -1, joined by AND."""

BEYOND_NAMES = (
    "members",
    "labels",
    "kinds of molecules",
    "kinds of interactions",
    "compartments",
    "origin",
)
"""What a format loses that holds molecules by their names alone."""


def losses(network: SignalingNetwork, *aspects: str) -> tuple[str, ...]:
    """What a network states of these aspects, in words, for a format that holds none of it.

    Args:
        network: what is written.
        aspects: keys of the table below; those of which the network states nothing are left out.
    """
    molecules, interactions = network.molecules, network.interactions
    groups = sum(len(interaction.sources) > 1 for interaction in interactions)
    labels = sum(m.label not in ("", m.name) for m in molecules)
    origin = any((network.title, network.source, network.licence))
    origin |= network.family_name != network.name
    stated: dict[str, tuple[str, object]] = {
        "groups": (f"the AND of {groups} interactions", groups),
        "inputs": (f"{len(network.inputs)} inputs", network.inputs),
        "kinetics": ("kinetic parameters", network != network.without_kinetics()),
        "pathways": (f"{len(network.pathways)} pathways", network.pathways),
        "members": ("members of molecules", any(m.members for m in molecules)),
        "labels": (f"labels of {labels} molecules", labels),
        "kinds of molecules": ("kinds of molecules", any(m.kind != "protein" for m in molecules)),
        "kinds of interactions": (
            "kinds of interactions",
            any(i.kind != kind_of_signs(i.signs) for i in interactions),
        ),
        "compartments": ("compartments", any(m.compartment != "unknown" for m in molecules)),
        "origin": ("title, source, licence and family", origin),
        "known logic": ("that the logic is known", network.logic_known),
        "unknown logic": ("that the logic is unknown (written as OR)", not network.logic_known),
    }
    return tuple(words for words, is_stated in map(stated.__getitem__, aspects) if is_stated)


def summed(of_each: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The losses of several networks as those of one: each in words once, its numbers added."""
    numbers: dict[str, list[int]] = {}
    for words in (words for lost in of_each for words in lost):
        pattern = re.sub(r"\d+", "{}", words.replace("{", "{{").replace("}", "}}"))
        found = [int(number) for number in re.findall(r"\d+", words)]
        before = numbers.get(pattern, [0] * len(found))
        numbers[pattern] = [a + b for a, b in zip(before, found, strict=True)]
    return tuple(pattern.format(*found) for pattern, found in numbers.items())


def warn_of(lost: tuple[str, ...], path: str | os.PathLike[str], format_name: str) -> None:
    """One warning of all that is lost, in the name of the caller's caller."""
    if lost:
        warnings.warn(f"{path}: {format_name} does not hold {', '.join(lost)}", stacklevel=3)


def refuse_breaks(names: Iterable[str], format_name: str) -> None:
    """Refuse names that would end the cell or the line in which they stand.

    Raises:
        FormatError: a name has a tab or line break; the message names it.
    """
    for name in names:
        if re.search(r"[\t\n\r]", name):
            raise FormatError(
                f"{format_name} cannot hold the name {name!r}, which has a tab or line break"
            )


def is_constant(interaction: Interaction) -> bool:
    """Whether it is an input that Boolean formats hold as a constant: of weight 0 or 1."""
    return interaction.is_input and interaction.weight in (0.0, 1.0)


def without_constants(network: SignalingNetwork) -> SignalingNetwork:
    """The network, the weights 0 and 1 of its inputs taken out."""
    return replace(
        network,
        interactions=tuple(
            replace(i, weight=None) if is_constant(i) else i for i in network.interactions
        ),
    )


def losses_of_logic(terms: Mapping[str, Sequence[Term]]) -> tuple[str, ...]:
    """What becomes of the interactions on each target where a format holds their Boolean function
    alone, in words: those that are read back of it may be others, or none."""
    unregulated = restated = 0
    for target, signed in terms.items():
        before = Counter(map(frozenset, signed))
        again, _ = interactions_of_function(target, _function_of(signed))
        if all(i.is_input for i in again):
            unregulated += 1
        elif before != Counter(frozenset(zip(i.sources, i.signs, strict=True)) for i in again):
            restated += 1
    words = {
        f"the regulators of {unregulated} molecules that are always on or off, or keep their own "
        "state (they come back as inputs)": unregulated,
        f"which interactions state the logic of {restated} molecules (shorter ones come back)": (
            restated
        ),
    }
    return tuple(lost for lost, is_lost in words.items() if is_lost)


def _function_of(terms: Iterable[Term]) -> Expression:
    builder = ExpressionBuilder()

    def literal(source: str, sign: int) -> int:
        variable = builder.variable(source)
        return variable if sign > 0 else builder.negation(variable)

    joined = [builder.joined("and", [literal(*signed) for signed in term]) for term in terms]
    return builder.build(builder.joined("or", joined))
