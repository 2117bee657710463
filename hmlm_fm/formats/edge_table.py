"""Edge tables: tab-separated rows of pathway, source, target, arrow and sign.

One table holds many pathways, each of which becomes a network. A node such as `A;B;C` is a group:
one molecule with several members. An edge table knows no logic, so every edge is an interaction
of its own; an edge told several times is told once, with an unknown sign where its signs differ.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import overload

from ..network import Molecule, NetworkError, Pathway, SignalingNetwork
from .errors import FormatError, did_you_mean
from .files import read_lines
from .names import meaning_of
from .statements import Statement, interactions_of_statements

COLUMNS = ("pathway", "source", "target", "arrow", "sign")
TITLES_FILE = "pathways.tsv"

KIND_OF_ARROW = {
    "mim-stimulation": "activation",
    "mim-necessary-stimulation": "activation",
    "mim-inhibition": "inhibition",
    "tbar": "inhibition",
    "mim-conversion": "conversion",
    "mim-binding": "binding",
    "mim-covalent-bond": "binding",
    "ligandsquare": "binding",
    "receptor": "binding",
    "receptorsquare": "binding",
    "mim-transcription-translation": "expression",
    "mim-catalysis": "catalysis",
    "mim-cleavage": "cleavage",
}


def is_edge_table(header: str) -> bool:
    """Whether the first line of a file is the header of an edge table."""
    return {"pathway", "source", "target"} <= {cell.strip() for cell in header.split("\t")}


@overload
def read_edge_table(path: str | os.PathLike[str]) -> tuple[SignalingNetwork, ...]: ...
@overload
def read_edge_table(path: str | os.PathLike[str], pathway: str) -> SignalingNetwork: ...
def read_edge_table(
    path: str | os.PathLike[str], pathway: str | None = None
) -> SignalingNetwork | tuple[SignalingNetwork, ...]:
    """Read an edge table, with titles from `pathways.tsv` where one lies beside it.

    Args:
        path: the table.
        pathway: the one to read.

    Returns:
        One network per pathway in the order of the table, or the network of `pathway`.

    Raises:
        FormatError: a missing file or column, an empty name, a sign other than 1, -1 or 0, or no
            such pathway; the message names the line.
    """
    edges: dict[str, list[Statement]] = defaultdict(list)
    for place, row in _rows(path, COLUMNS):
        edges[_named(row, "pathway", path, place)].append(_edge(row, path, place))
    if not edges:
        raise FormatError("it holds no edges", path=path)
    titles = _titles(Path(path).with_name(TITLES_FILE))
    if pathway is None:
        return tuple(_network(name, found, titles, path) for name, found in edges.items())
    if pathway not in edges:
        raise FormatError(
            f"there is no pathway {pathway!r} among the {len(edges)} of the table"
            + did_you_mean(pathway, edges),
            path=path,
        )
    return _network(pathway, edges[pathway], titles, path)


def _rows(
    path: str | os.PathLike[str], columns: Iterable[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Place and cells of every row that holds anything."""
    lines = read_lines(path)
    header = lines[0].split("\t") if lines else []
    missing = [column for column in columns if column not in header]
    if missing:
        raise FormatError(
            f"there is no column {', '.join(map(repr, missing))}; expected a tab-separated table "
            f"with the columns {', '.join(columns)}",
            path=path,
            place="line 1",
        )
    reader = csv.reader(lines[1:], delimiter="\t", quoting=csv.QUOTE_NONE)
    for number, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise FormatError(
                f"it has {len(cells)} cells; expected {len(header)}",
                path=path,
                place=f"line {number}",
            )
        yield f"line {number}", dict(zip(header, cells, strict=True))


def _named(row: dict[str, str], column: str, path: str | os.PathLike[str], place: str) -> str:
    name = row[column].strip()
    if not name:
        raise FormatError(f"{column} is empty; expected a name", path=path, place=place)
    return name


def _edge(row: dict[str, str], path: str | os.PathLike[str], place: str) -> Statement:
    text = row["sign"].strip()
    if text not in ("1", "+1", "-1", "0"):
        raise FormatError(f"sign is {text!r}; expected 1, -1 or 0", path=path, place=place)
    return Statement(
        source=_named(row, "source", path, place),
        target=_named(row, "target", path, place),
        sign=int(text),
        kind=KIND_OF_ARROW.get(row["arrow"].strip().lower(), ""),
    )


def _titles(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return {
        row["pathway"].strip(): row["title"].strip() for _, row in _rows(path, ("pathway", "title"))
    }


def _network(
    name: str, edges: list[Statement], titles: dict[str, str], path: str | os.PathLike[str]
) -> SignalingNetwork:
    nodes = dict.fromkeys(node for edge in edges for node in (edge.source, edge.target))
    try:
        return SignalingNetwork(
            name=name,
            title=titles.get(name, ""),
            molecules=tuple(_molecule(node, name) for node in nodes),
            interactions=interactions_of_statements(edges),
            pathways=(Pathway(name, titles.get(name, "")),),
            logic_known=False,
        )
    except NetworkError as error:
        raise FormatError(str(error), path=path) from None


def _molecule(node: str, pathway: str) -> Molecule:
    parts = [part.strip() for part in node.split(";")]
    meanings = [meaning_of(part) for part in parts if part]
    kinds = {meaning.kind for meaning in meanings if meaning.members}
    members = tuple(dict.fromkeys(m for meaning in meanings for m in meaning.members))
    kind = kinds.pop() if len(kinds) == 1 else "family" if kinds else "unknown"
    if len(meanings) > 1 and members:
        kind = "family"
    return Molecule(name=node, kind=kind, members=members, pathways=(pathway,))
