"""SIF: one signed edge a line, `source sign target`, with AND drawn as nodes of their own.

CellNOpt calls its AND nodes `and1`, `and2` …; Netflux exports call them after the rule, `rcn11`.
Such a node only passes on: it has sources and exactly one target. A file that has them states its
logic, and they are folded back into interactions; any other file is a list of edges whose logic
is unknown.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict

from ..common.errors import FormatError
from ..common.files import read_lines, stem, write_text
from ..model.network import Interaction, Molecule, NetworkError, SignalingNetwork
from .logic.rules import kind_of_signs
from .lost_content import BEYOND_NAMES, losses, refuse_breaks, warn_of
from .names import meaning_of

SIGN_OF_WORD = {
    "1": 1,
    "+1": 1,
    "+": 1,
    "activates": 1,
    "activation": 1,
    "stimulates": 1,
    "stimulation": 1,
    "-1": -1,
    "-": -1,
    "inhibits": -1,
    "inhibition": -1,
    "represses": -1,
    "0": 0,
    "?": 0,
    "unknown": 0,
    "interacts": 0,
    "pp": 0,
}

_AND_NODE = re.compile(r"(and|rcn)\d+")
_NOT_HELD = ("groups", "inputs", "kinetics", "pathways", *BEYOND_NAMES, "known logic")


def read_sif(path: str | os.PathLike[str]) -> SignalingNetwork:
    """Read a SIF file: tab- or blank-separated source, sign or word, and one or more targets.

    A line with one name alone is a molecule without interactions, but one edge there must be:
    lists of any kind would pass for networks otherwise.

    Raises:
        FormatError: a missing or empty file, a line of two columns, an unknown word for a sign;
            the message names the line.
    """
    names, edges = _edges(path)
    and_nodes = _and_nodes(edges)
    sources_of: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for source, sign, target in edges:
        if target in and_nodes:
            sources_of[target].append((source, sign))
    interactions: dict[tuple[frozenset[tuple[str, int]], str], Interaction] = {}
    for source, sign, target in edges:
        if target in and_nodes:
            continue
        signed = sources_of[source] if source in and_nodes else [(source, sign)]
        signed = list(dict.fromkeys(signed))
        interaction = Interaction(
            sources=tuple(name for name, _ in signed),
            signs=tuple(sign for _, sign in signed),
            target=target,
            kind=kind_of_signs([sign for _, sign in signed]),
        )
        interactions.setdefault((frozenset(signed), target), interaction)
    try:
        return SignalingNetwork(
            name=stem(path),
            molecules=tuple(_molecule(name) for name in names if name not in and_nodes),
            interactions=tuple(interactions.values()),
            logic_known=bool(and_nodes),
        )
    except NetworkError as error:
        raise FormatError(str(error), path=path) from None


def write_sif(network: SignalingNetwork, path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Write the signed edges of a network, one a line: source, sign, target, in tabs.

    SIF holds names and signs. AND groups become separate edges; inputs, kinds, parameters,
    members, pathways and what else a network states are left out.

    Returns:
        What was lost, in words; a warning names the same.

    Raises:
        FormatError: there are no edges, or a name has a tab or a line break, or is called like an
            AND node and stands where one would.
    """
    refuse_breaks(network.names, "SIF")
    edges = [
        (source, sign, interaction.target)
        for interaction in network.interactions
        for source, sign in zip(interaction.sources, interaction.signs, strict=True)
    ]
    if not edges:
        raise FormatError(f"SIF holds edges, and the network {network.name!r} has none")
    if mistaken := _and_nodes(edges):
        raise FormatError(f"SIF would take the molecule {min(mistaken)!r} for an AND node")
    connected = {name for source, _, target in edges for name in (source, target)}
    lines = [f"{source}\t{sign}\t{target}" for source, sign, target in edges]
    lines += [name for name in network.names if name not in connected]
    write_text(path, "".join(f"{line}\n" for line in dict.fromkeys(lines)))
    lost = losses(network, *_NOT_HELD)
    warn_of(lost, path, "SIF")
    return lost


def _edges(
    path: str | os.PathLike[str],
) -> tuple[dict[str, None], list[tuple[str, int, str]]]:
    """Names in the order of the file, and its signed edges."""
    names: dict[str, None] = {}
    edges = []
    lines = read_lines(path)
    # As in Cytoscape, one tab anywhere makes tabs the separator, and names may hold blanks.
    separator = "\t" if any("\t" in line for line in lines) else None
    for number, line in enumerate(lines, start=1):
        cells = line.split(separator)
        cells = [cell.strip() for cell in cells if cell.strip()]
        if not cells:
            continue
        place = f"line {number}"
        if len(cells) == 2:
            raise FormatError(
                f"found {line.strip()!r}; expected source, sign and target",
                path=path,
                place=place,
            )
        names[cells[0]] = None
        for target in cells[2:]:
            sign = SIGN_OF_WORD.get(cells[1].lower())
            if sign is None:
                raise FormatError(
                    f"the sign is {cells[1]!r}; expected 1, -1, 0 or a word such as activates "
                    "or inhibits",
                    path=path,
                    place=place,
                )
            names[target] = None
            edges.append((cells[0], sign, target))
    if not edges:
        raise FormatError("it holds no edges; expected lines of source, sign, target", path=path)
    return names, edges


def _and_nodes(edges: list[tuple[str, int, str]]) -> frozenset[str]:
    """Nodes called like AND nodes that have sources and pass on, plainly, to one target."""
    targets: dict[str, list[tuple[int, str]]] = defaultdict(list)
    has_source = set()
    for source, sign, target in edges:
        targets[source].append((sign, target))
        has_source.add(target)
    candidates = {
        name
        for name in has_source
        if _AND_NODE.fullmatch(name) and len(targets[name]) == 1 and targets[name][0][0] == 1
    }
    # An AND node that feeds another stays a molecule: folding would change where the AND ends.
    return frozenset(name for name in candidates if targets[name][0][1] not in candidates)


def _molecule(name: str) -> Molecule:
    meaning = meaning_of(name)
    return Molecule(name=name, kind=meaning.kind, members=meaning.members)
