"""Statements of databases, `source acts on target`, and the interactions they add up to.

Several statements of one source on one target make one interaction, whose sign is
unknown where the statements contradict each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ..model.network import Interaction
from .logic.rules import kind_of_signs

VAGUE_KINDS = ("unknown", "activation", "inhibition", "indirect")
"""Kinds that state how a source acts, but not by what mechanism."""


@dataclass(frozen=True)
class Statement:
    """One signed, directed statement; `kind` is empty where the database does not state how."""

    source: str
    target: str
    sign: int
    kind: str = ""


def interactions_of_statements(statements: Iterable[Statement]) -> tuple[Interaction, ...]:
    """One interaction per source and target, in the order in which they are first stated."""
    by_pair: dict[tuple[str, str], list[Statement]] = defaultdict(list)
    for statement in statements:
        by_pair[statement.source, statement.target].append(statement)
    return tuple(_merged(same) for same in by_pair.values())


def _merged(same: list[Statement]) -> Interaction:
    signs = {statement.sign for statement in same if statement.sign}
    sign = signs.pop() if len(signs) == 1 else 0
    # The first statement that agrees with the sign and names a mechanism names the kind.
    kinds = [s.kind for s in same if s.kind and s.sign in (sign, 0)]
    kind = next((k for k in kinds if k not in VAGUE_KINDS), next(iter(kinds), ""))
    return Interaction((same[0].source,), (sign,), same[0].target, kind or kind_of_signs((sign,)))
