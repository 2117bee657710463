"""Netflux workbooks: logic networks with a sheet of species and a sheet of reactions.

The headers stand in the second row. A species has ID, name, Yinit, Ymax, tau (hours here), and
often a module, a type and gene names; a reaction has a rule, a weight, n and EC50. What the two
sheets do not state stays unknown.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from ..common.errors import FormatError
from ..common.files import stem
from ..model.error_base import did_you_mean
from ..model.network import Interaction, Molecule, NetworkError, Pathway, SignalingNetwork
from ..model.vocabulary import Vocabulary
from .logic.rules import format_rule, kind_of_signs, parse_rule
from .lost_content import losses, refuse_breaks, warn_of
from .spreadsheet import Rows, SheetValue, read_sheets, write_sheets

HEADER_ROW = 2
_SPECIES = ("module", "ID", "name", "Yinit", "Ymax", "tau", "type", "gene name")
_REACTIONS = ("module", "ID", "Rule", "Weight", "n", "EC50")

KIND_OF_TYPE = {
    "protein": "protein",
    "small": "small molecule",
    "smallmolecule": "small molecule",
    "simple chemical": "small molecule",
    "phospholipid": "small molecule",
    "fdadrug": "small molecule",
    "complex": "complex",
    "mrna": "RNA",
    "transcript": "RNA",
    "geneexpr": "RNA",
    "process": "process",
    "event": "process",
    "phenotype": "phenotype",
}
_TYPE_OF_KIND = {kind: word for word, kind in reversed(KIND_OF_TYPE.items())} | {
    "family": "protein",  # which its several gene names make a family again
}
PREFIX_OF_KIND = {
    "small molecule": "CHEBI:",
    "process": "process:",
    "phenotype": "process:",
}


def read_netflux(path: str | os.PathLike[str]) -> SignalingNetwork:
    """Read a Netflux workbook, `.xlsx` or `.xls`.

    Modules become pathways and tau is taken as hours. Molecules without gene names get the
    vocabulary's token for their ID or name, where it has one.

    Raises:
        FormatError: a missing sheet or column, a cell that is not a number, a rule that does not
            parse, unknown or repeated species; the message names sheet, row and cell.
    """
    sheets = read_sheets(path)
    try:
        return _network(sheets, stem(path))
    except FormatError as error:
        raise error.at(path) from None
    except NetworkError as error:
        raise FormatError(str(error), path=path) from None


def write_netflux(network: SignalingNetwork, path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Write a Netflux workbook, `.xlsx`.

    What the network does not know stays blank, and hours are written as tau. A name with blanks or
    characters of the syntax of rules stands in double quotes, which Netflux itself does not read.

    Returns:
        What was lost, in words; a warning names the same.

    Raises:
        FormatError: a name or another text that a cell cannot hold.
    """
    refuse_breaks((*network.names, *network.pathway_index), "a Netflux workbook")
    sheets: dict[str, Rows] = {
        "species": [["Species information"], list(_SPECIES), *map(_species, network.molecules)],
        "reactions": [["Reaction information"], list(_REACTIONS), *_reactions(network)],
    }
    lost = _lost(network, _network(sheets, network.name))
    write_sheets(sheets, path)
    warn_of(lost, path, "a Netflux workbook")
    return lost


def _network(sheets: Mapping[str, Rows], name: str) -> SignalingNetwork:
    molecules = tuple(_molecules(_table(sheets, "species", ("id",))))
    interactions = tuple(
        _interactions(_table(sheets, "reactions", ("rule",)), {m.name for m in molecules})
    )
    return SignalingNetwork(
        name=name,
        molecules=molecules,
        interactions=interactions,
        pathways=tuple(
            Pathway(name) for name in dict.fromkeys(p for m in molecules for p in m.pathways)
        ),
    )


@dataclass(frozen=True)
class _Row:
    """One row of a sheet, whose cells are found by their column's header."""

    place: str
    cells: Mapping[str, SheetValue]

    def text(self, column: str) -> str:
        value = self.cells.get(column)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # an ID such as 14 must not become "14.0"
        return "" if value is None else str(value).strip()

    def number(self, column: str) -> float | None:
        text = self.text(column)
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise FormatError(
                f"found {text!r}; expected a number", place=f"{self.place}, column {column!r}"
            )
        return number


def _table(sheets: Mapping[str, Rows], name: str, required: tuple[str, ...]) -> Iterator[_Row]:
    """The rows of a sheet that hold anything in the required columns."""
    if name not in sheets:
        raise FormatError(
            f"there is no sheet {name!r}; found {', '.join(map(repr, sheets)) or 'none'}"
            + did_you_mean(name, sheets)
        )
    rows = sheets[name]
    header = rows[HEADER_ROW - 1] if len(rows) >= HEADER_ROW else []
    column_of: dict[str, int] = {}
    for position, cell in enumerate(header):
        if isinstance(cell, str) and cell.strip():
            # The first column of a name counts: notes repeat "PMID" or "species".
            column_of.setdefault(cell.strip().lower(), position)
    for column in required:
        if column not in column_of:
            raise FormatError(
                f"there is no column {column!r}; found "
                + (", ".join(map(repr, column_of)) or "no headers"),
                place=f"sheet {name!r}, row {HEADER_ROW}",
            )
    for number, cells in enumerate(rows[HEADER_ROW:], start=HEADER_ROW + 1):
        row = _Row(
            f"sheet {name!r}, row {number}",
            {c: cells[at] for c, at in column_of.items() if at < len(cells)},
        )
        if any(row.text(column) for column in required):
            yield row


def _molecules(rows: Iterator[_Row]) -> Iterator[Molecule]:
    resolve = Vocabulary.shipped().resolve
    seen: dict[str, str] = {}
    for row in rows:
        name = row.text("id")
        if name in seen:
            raise FormatError(f"the species {name!r} was already in {seen[name]}", place=row.place)
        seen[name] = row.place
        module = row.text("module")
        members = _members(row.text("gene name") or row.text("gene"), resolve)
        kind = KIND_OF_TYPE.get(row.text("type").lower(), "unknown")
        if not members:
            members = _members_by_name((name, row.text("name")), kind, resolve)
        yield Molecule(
            name=name,
            label=row.text("name"),
            kind="family" if kind == "protein" and len(members) > 1 else kind,
            members=members,
            pathways=(module,) if module else (),
            tau_hours=row.number("tau"),
            y0=row.number("yinit"),
            ymax=row.number("ymax"),
        )


def _members(genes: str, resolve: Callable[[str], str | None]) -> tuple[str, ...]:
    """Gene names of one cell, each once, old symbols replaced by current ones."""
    names = [name for name in re.split(r"[;,\s]+", genes) if name]
    return tuple(dict.fromkeys(resolve(name) or name for name in names))


def _members_by_name(
    names: tuple[str, ...], kind: str, resolve: Callable[[str], str | None]
) -> tuple[str, ...]:
    """The token of the first name that has one and is of the right sort."""
    prefix = PREFIX_OF_KIND.get(kind, "")
    for token in filter(None, map(resolve, names)):
        if token.startswith(prefix) if prefix else ":" not in token:
            return (token,)
    return ()


def _interactions(rows: Iterator[_Row], known: set[str]) -> Iterator[Interaction]:
    for row in rows:
        try:
            sources, signs, target = parse_rule(row.text("rule"), known)
        except FormatError as error:
            raise error.at(place=row.place) from None
        for name in (*sources, target):
            if name not in known:
                raise FormatError(
                    f"rule {row.text('rule')!r} names the species {name!r}, which the sheet "
                    f"'species' has not{did_you_mean(name, known)}",
                    place=row.place,
                )
        yield Interaction(
            sources=sources,
            signs=signs,
            target=target,
            kind=kind_of_signs(signs),
            weight=row.number("weight"),
            n=row.number("n"),
            ec50=row.number("ec50"),
        )


# -- writing ------------------------------------------------------------------------------------


def _species(molecule: Molecule) -> list[SheetValue]:
    resolve = Vocabulary.shipped().resolve
    genes = "; ".join(molecule.members)
    if _members(genes, resolve) != molecule.members:
        genes = ""  # a member that holds a blank or a comma would come back as several
    return [
        molecule.pathways[0] if molecule.pathways else None,
        molecule.name,
        molecule.label or None,
        molecule.y0,
        molecule.ymax,
        molecule.tau_hours,
        _TYPE_OF_KIND.get(molecule.kind),
        genes or None,
    ]


def _reactions(network: SignalingNetwork) -> Iterator[list[SheetValue]]:
    for number, interaction in enumerate(network.interactions, start=1):
        module = network.molecule(interaction.target).pathways[:1]
        signs = tuple(sign or 1 for sign in interaction.signs)
        yield [
            module[0] if module else None,
            f"r{number}",
            format_rule(replace(interaction, signs=signs)),
            interaction.weight,
            interaction.n,
            interaction.ec50,
        ]


def _lost(network: SignalingNetwork, again: SignalingNetwork) -> tuple[str, ...]:
    """What a network has and the workbook, as it is read, has not."""
    molecules = list(zip(network.molecules, again.molecules, strict=True))
    interactions = list(zip(network.interactions, again.interactions, strict=True))
    kinds = sum(m.kind != read.kind for m, read in molecules)
    members = sum(m.members not in ((), read.members) for m, read in molecules)
    further = sum(len(m.pathways) > 1 for m, _ in molecules)
    empty = len(network.pathways) - len(again.pathways)
    signs = sum(0 in i.signs for i, _ in interactions)
    of_interactions = sum(i.kind != read.kind for i, read in interactions)
    own = {
        f"the kinds of {kinds} molecules": kinds,
        f"the members of {members} molecules": members,
        f"the further pathways of {further} molecules": further,
        f"{empty} pathways that are the first of no molecule": empty,
        "titles and sources of pathways": any(p.title or p.source for p in network.pathways),
        f"the unknown signs of {signs} interactions (written as activation)": signs,
        f"the kinds of {of_interactions} interactions": of_interactions,
    }
    words = (words for words, is_lost in own.items() if is_lost)
    return (*words, *losses(network, "compartments", "origin", "unknown logic"))
