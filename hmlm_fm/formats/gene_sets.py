"""Gene sets (GMT): one named set a line, with a description and its members, separated by tabs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..common.errors import FormatError
from ..common.files import read_lines
from ..model.network import Molecule, Pathway, SignalingNetwork
from .identifiers import Identifiers, identifier_key

_REACTOME_ID = re.compile(r"R-[A-Z]{3}-\d+")
_UNIPROT = re.compile(
    r"(?:[OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9](?:[A-Z][A-Z0-9]{2}[0-9]){1,2})(?:-\d+|-PRO_\d+)?"
)
_ENSEMBL = re.compile(r"ENS[A-Z]*[GTP]\d{8,}(?:\.\d+)?")


@dataclass(frozen=True)
class GeneSet:
    """A named set. `name` is a Reactome identifier where the line has one, else its first cell."""

    name: str
    title: str
    members: tuple[str, ...]


def is_gene_set(line: str) -> bool:
    """Whether a line looks like one of a GMT file, and not like an edge of a SIF file.

    Its second cell is an address, a Reactome identifier, a description in words, or left out.
    """
    cells = [cell.strip() for cell in line.split("\t")]
    if len(cells) < 3 or not cells[0]:
        return False
    name, description = cells[:2]
    return bool(
        _REACTOME_ID.fullmatch(name)
        or _REACTOME_ID.fullmatch(description)
        or description.startswith("http")
        or description.lower() in ("", "na", "n/a", "null")
        or " " in description
    )


def read_gene_sets(path: str | os.PathLike[str]) -> tuple[GeneSet, ...]:
    """Read the sets of a GMT file.

    Raises:
        FormatError: no sets, a set without members, or one name twice; the message names the line.
    """
    sets: dict[str, GeneSet] = {}
    for number, line in enumerate(read_lines(path), start=1):
        cells = [cell.strip() for cell in line.split("\t")]
        if not any(cells):
            continue
        members = tuple(dict.fromkeys(cell for cell in cells[2:] if cell))
        if not members:
            raise FormatError(
                f"the set {cells[0]!r} has no members; expected a name, a description and members",
                path=path,
                place=f"line {number}",
            )
        name, title = cells[:2]
        if _REACTOME_ID.fullmatch(title):
            name, title = title, name
        elif title.startswith("http"):
            title = name.replace("_", " ")
        if name in sets:
            raise FormatError(f"the set {name!r} is there twice", path=path, place=f"line {number}")
        sets[name] = GeneSet(name, title, members)
    if not sets:
        raise FormatError("it holds no gene sets", path=path)
    return tuple(sets.values())


def read_gmt(
    path: str | os.PathLike[str], identifiers: Identifiers | None = None
) -> tuple[SignalingNetwork, ...]:
    """The sets of a GMT file as networks that know their molecules, but no interactions.

    Raises:
        FormatError: as `read_gene_sets`.
    """
    return tuple(
        SignalingNetwork(
            name=found.name,
            title=found.title,
            molecules=tuple(molecules_of_set(found, identifiers)),
            pathways=(Pathway(found.name, found.title),),
            logic_known=False,
        )
        for found in read_gene_sets(path)
    )


def molecules_of_set(found: GeneSet, identifiers: Identifiers | None = None) -> Iterator[Molecule]:
    """The molecules of a set: one per gene or compound, forms of one under one name."""
    identifiers = identifiers or Identifiers.shipped()
    seen: set[str] = set()
    for member in found.members:
        key = key_of_member(member)
        meaning = identifiers.meaning([key] if key else [], [member])
        names = meaning.members or (member,)
        name = names[0] if len(names) == 1 else member
        if name == key:  # which no table translates
            name = name.partition(":")[2]
        if name not in seen:
            seen.add(name)
            yield Molecule(name, kind=meaning.kind, members=meaning.members, pathways=(found.name,))


def key_of_member(member: str) -> str | None:
    """The key of a member of a set by its shape: UniProt, Ensembl, ChEBI as a bare number."""
    if _UNIPROT.fullmatch(member):
        return identifier_key("uniprot", member)
    if _ENSEMBL.fullmatch(member):
        return identifier_key("ensembl", member)
    if member.isdecimal() or member.upper().startswith("CHEBI:"):
        return identifier_key("chebi", member)
    return None
