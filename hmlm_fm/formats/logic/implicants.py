"""Boolean functions written as interactions.

A function becomes an irredundant disjunctive normal form made of prime implicants; each implicant
is one interaction, which joins its signed sources by AND, and the interactions on one target are
joined by OR.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...model.network import Interaction
from .expression import Expression
from .normal_form import (
    Term,
    distributed_terms,
    irredundant_terms,
    is_affordable,
    polarities,
    truth_table,
)
from .rules import kind_of_signs


def interactions_of_function(
    target: str, expression: Expression
) -> tuple[tuple[Interaction, ...], bool]:
    """The interactions that a function makes on `target`, and whether they state it exactly.

    For 16 variables and, unless the text is very long, up to 20, the form is irredundant and made
    of prime implicants; beyond that, AND is distributed over OR, and what a shorter term covers is
    dropped. Where either takes more than 512 terms, every variable makes an interaction of its
    own, with its sign, or 0 if it has both: then, and only then, the logic is not exact.

    A constant is an input of weight 0 or 1. A molecule that keeps its own state is an input.
    """
    names = expression.names
    if is_affordable(expression):
        terms = irredundant_terms(truth_table(expression), len(names))
    else:
        terms = distributed_terms(expression)
    if terms is None:
        signs = polarities(expression)
        single = [_interaction(target, {name: sign}) for name, sign in signs.items()]
        return tuple(single), False
    if not terms:
        return (Interaction((), (), target, "input", weight=0.0),), True
    if (0, 0) in terms:
        return (Interaction((), (), target, "input", weight=1.0),), True
    signed = [_signs(term, names) for term in terms]
    if signed == [{target: 1}]:
        return (Interaction((), (), target, "input"),), True
    return tuple(_interaction(target, signs) for signs in signed), True


def _interaction(target: str, signs: Mapping[str, int]) -> Interaction:
    values = tuple(signs.values())
    return Interaction(tuple(signs), values, target, kind_of_signs(values))


def _signs(term: Term, names: tuple[str, ...]) -> dict[str, int]:
    plain, negated = term
    return {
        name: 1 if plain >> i & 1 else -1
        for i, name in enumerate(names)
        if (plain | negated) >> i & 1
    }
