"""Reactions as interactions: what BioPAX, reaction-level SBML and pathway databases state.

A reaction turns inputs into outputs, with catalysts and regulators. Every output follows it in
one interaction, which joins by AND what the reaction needs: all of its inputs, of unknown sign
since a conversion is no activation, one catalyst (+1), activators (+1) and inhibitors (-1). A
reaction with several catalysts can go through any of them, so that each makes an interaction of
its own, joined by OR.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..model.network import Interaction


@dataclass(frozen=True)
class Reaction:
    """One reaction, in names of molecules.

    Attributes:
        inputs, outputs: what is used up and what is made.
        catalysts: each of them alone is enough.
        activators, inhibitors: positive and negative regulators, all of which act.
        kind: of the interactions, one of `INTERACTION_KINDS`.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    catalysts: tuple[str, ...] = ()
    activators: tuple[str, ...] = ()
    inhibitors: tuple[str, ...] = ()
    kind: str = "conversion"


def interactions_of(reactions: Iterable[Reaction]) -> tuple[Interaction, ...]:
    """The interactions of reactions, in their order, each stated once."""
    return tuple(dict.fromkeys(i for reaction in reactions for i in _of_one(reaction)))


def _of_one(reaction: Reaction) -> Iterator[Interaction]:
    for output in dict.fromkeys(reaction.outputs):
        for catalyst in dict.fromkeys(reaction.catalysts) or (None,):
            signs = _signs(reaction, catalyst)
            # What comes out as it went in has no effect on itself.
            signs.pop(output, None)
            if signs:
                yield Interaction(tuple(signs), tuple(signs.values()), output, reaction.kind)


def _signs(reaction: Reaction, catalyst: str | None) -> dict[str, int]:
    signs = dict.fromkeys(reaction.inputs, 0)
    found_signs: dict[str, set[int]] = {}
    activators = reaction.activators if catalyst is None else (catalyst, *reaction.activators)
    for names, sign in ((activators, 1), (reaction.inhibitors, -1)):
        for name in names:
            found_signs.setdefault(name, set()).add(sign)
    signs.update(
        {name: found.pop() if len(found) == 1 else 0 for name, found in found_signs.items()}
    )
    return signs
