"""Edge tables: tab-separated rows of pathway, source, target, arrow and sign.

One table holds many pathways, each of which becomes a network. A node such as `A;B;C` is a group:
one molecule with several members. An edge table knows no logic, so every edge is an interaction
of its own; an edge stated several times counts once, with an unknown sign where its signs differ.
"""

from __future__ import annotations

import csv
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

from ..common.errors import FormatError
from ..common.files import read_lines, write_text
from ..model.error_base import did_you_mean
from ..model.network import Molecule, NetworkError, Pathway, SignalingNetwork
from .lost_content import losses, refuse_breaks, summed, warn_of
from .names import meaning_of
from .sif import SIGN_OF_WORD
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
_ARROW_OF_KIND = {kind: arrow for arrow, kind in reversed(KIND_OF_ARROW.items())}
_ARROW_OF_SIGN = {1: "Arrow", -1: "TBar", 0: "Arrow"}
"""Arrows that state no more than the sign, for kinds that have none of their own."""

_NOT_HELD = (
    "groups",
    "inputs",
    "kinetics",
    "members",
    "labels",
    "kinds of molecules",
    "compartments",
    "origin",
    "known logic",
)


def is_edge_table(header: str) -> bool:
    """Whether the first line of a file is the header of an edge table."""
    return {"pathway", "source", "target"} <= {cell.strip() for cell in header.split("\t")}


def resembles_edge_table(line: str) -> bool:
    """Whether the first line of a file is the header of some other table of edges."""
    cells = {cell.strip().strip('"').lower() for cell in re.split(r"[,;\t]", line)}
    return {"source", "target"} < cells and cells.isdisjoint(SIGN_OF_WORD)


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


def write_edge_table(
    networks: Sequence[SignalingNetwork], path: str | os.PathLike[str]
) -> tuple[str, ...]:
    """Write the signed edges of networks, each under its name as the pathway.

    AND groups become separate edges. All edges of one pair are read back as one, of unknown sign
    where they contradict each other. Only the kinds that have an arrow come back.

    Returns:
        What was lost, in words; a warning names the same.

    Raises:
        FormatError: no network has an edge, two have one name, or a name is blank, padded, or has
            a tab or a line break.
    """
    names = [network.name for network in networks]
    for network in networks:
        refuse_breaks((network.name, *network.names), "an edge table")
        if not network.name or network.name != network.name.strip():
            raise FormatError(f"an edge table cannot hold the name {network.name!r}")
        if names.count(network.name) > 1:
            raise FormatError(f"two networks are called {network.name!r}; expected a name for each")
    edges_of = {network.name: _statements(network) for network in networks}
    rows = [
        (name, edge.source, edge.target, _arrow(edge), str(edge.sign))
        for name, edges in edges_of.items()
        for edge in edges
    ]
    if not rows:
        raise FormatError("an edge table holds edges, and there are none")
    write_text(path, "".join("\t".join(row) + "\n" for row in (COLUMNS, *rows)))
    lost = summed(_lost(network, edges_of[network.name]) for network in networks)
    warn_of(lost, path, "an edge table")
    return lost


def _statements(network: SignalingNetwork) -> tuple[Statement, ...]:
    """The signed edges of a network, each once."""
    return tuple(
        dict.fromkeys(
            Statement(source, interaction.target, sign, interaction.kind)
            for interaction in network.interactions
            for source, sign in zip(interaction.sources, interaction.signs, strict=True)
        )
    )


def _arrow(edge: Statement) -> str:
    return _ARROW_OF_KIND.get(edge.kind, _ARROW_OF_SIGN[edge.sign])


def _lost(network: SignalingNetwork, edges: tuple[Statement, ...]) -> tuple[str, ...]:
    if not edges:
        return ("1 networks, which have no edges",)
    as_written = [replace(edge, kind=KIND_OF_ARROW.get(_arrow(edge).lower(), "")) for edge in edges]
    again = {(i.sources[0], i.target): i for i in interactions_of_statements(as_written)}
    read = [again[edge.source, edge.target] for edge in edges]
    signs = sum(i.signs != (edge.sign,) for i, edge in zip(read, edges, strict=True))
    kinds = sum(i.kind != edge.kind for i, edge in zip(read, edges, strict=True))
    connected = {name for edge in edges for name in (edge.source, edge.target)}
    bare = len(network.molecules) - len(connected)
    alone = len(network.pathways) == 1 and network.pathways[0].name == network.name
    own = {
        f"the signs of {signs} edges that contradict others": signs,
        f"the kinds of {kinds} edges": kinds,
        f"{bare} molecules without edges": bare,
        f"{len(network.pathways)} pathways": network.pathways and not alone,
    }
    return (*(words for words, is_lost in own.items() if is_lost), *losses(network, *_NOT_HELD))


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
