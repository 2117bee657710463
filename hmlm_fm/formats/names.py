"""What the names that people write into diagrams are made of: tokens, families, kinds."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..model.vocabulary import Vocabulary

_MICRO_RNA = re.compile(r"MIR(LET)?\d")

FAMILIES = Path(__file__).parent.parent / "networks" / "families.tsv"


@dataclass(frozen=True)
class Meaning:
    """Kind and member tokens that a name stands for; no members where it is unknown."""

    kind: str = "unknown"
    members: tuple[str, ...] = ()


@cache
def meaning_of(name: str) -> Meaning:
    """What a name in a diagram stands for: one token, or the members of a family or complex."""
    token = Vocabulary.shipped().resolve(name)
    if token is not None:
        return Meaning(kind_of_token(token), (token,))
    return _families().get(name, Meaning())


def family_name(members: Iterable[str]) -> str | None:
    """The name of the known family or complex of exactly these members, or None."""
    return _names_of_families().get(frozenset(members))


def kind_of_token(token: str) -> str:
    """The kind of a molecule that is made of this one token."""
    if token.startswith("CHEBI:"):
        return "small molecule"
    if token.startswith("process:"):
        return "process"
    return "RNA" if _MICRO_RNA.match(token) else "protein"


@cache
def _families() -> dict[str, Meaning]:
    meanings: dict[str, Meaning] = {}
    with open(FAMILIES, encoding="utf-8") as file:
        lines = (line for line in file if not line.startswith("#"))
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            meaning = Meaning(row["kind"], tuple(row["members"].split(" | ")))
            for name in (row["name"], *row["aliases"].split(" | ")):
                if name:
                    meanings[name] = meaning
    return meanings


@cache
def _names_of_families() -> dict[frozenset[str], str]:
    names: dict[frozenset[str], str] = {}
    for name, meaning in _families().items():  # a family's name comes before its other names
        names.setdefault(frozenset(meaning.members), name)
    return names
