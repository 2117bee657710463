"""Pairwise logic networks of pathways: rows of source, target, sign and AND/OR, without a header.

The format of Reactome's pathway logic networks (OICR mp-biopath): the sign is 1 or -1, and the
last column states how a target joins its sources, 0 for AND and 1 for OR. Nodes are Reactome's
numbers, which name entities and reactions alike and are kept as `reactome:` keys.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict

from ...common.errors import FormatError
from ...common.files import read_lines, stem
from ...model.network import Interaction, Molecule, NetworkError, Pathway, SignalingNetwork
from .rules import kind_of_signs

_ROW = re.compile(r"[^\t]+\t[^\t]+\t-?1\t[01]\s*")
_NUMBER = re.compile(r"\d+")


def is_pairwise(line: str) -> bool:
    """Whether a line of a file is a row of a pairwise network."""
    return _ROW.fullmatch(line) is not None


def read_pairwise(path: str | os.PathLike[str]) -> SignalingNetwork:
    """Read a pairwise logic network.

    A source that both activates and inhibits one target counts with an unknown sign.

    Raises:
        FormatError: no rows, a row of another shape, an empty file; the message names the line.
    """
    joined: dict[str, dict[str, set[int]]] = defaultdict(dict)
    alternatives: dict[str, dict[str, set[int]]] = defaultdict(dict)
    names: dict[str, None] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        if not is_pairwise(line):
            raise FormatError(
                f"found {line.strip()!r}; expected source, target, 1 or -1, and 0 (AND) or 1 (OR)",
                path=path,
                place=f"line {number}",
            )
        source, target, sign, is_or = (cell.strip() for cell in line.split("\t"))
        names |= dict.fromkeys((source, target))
        group = alternatives if is_or == "1" else joined
        group[target].setdefault(source, set()).add(int(sign))
    if not names:
        raise FormatError("it is empty; expected rows of source, target, sign, AND/OR", path=path)
    interactions = []
    for target in names:
        if target in joined:
            signs = {s: _one_sign(found) for s, found in joined[target].items()}
            interactions.append(_interaction(signs, target))
        for source, found in alternatives.get(target, {}).items():
            interactions.append(_interaction({source: _one_sign(found)}, target))
    name = stem(path)
    title = name.replace("_", " ")
    try:
        return SignalingNetwork(
            name=name,
            title=title,
            molecules=tuple(_molecule(node, name) for node in names),
            interactions=tuple(interactions),
            pathways=(Pathway(name, title),),
        )
    except NetworkError as error:
        raise FormatError(str(error), path=path) from None


def _one_sign(found: set[int]) -> int:
    return next(iter(found)) if len(found) == 1 else 0


def _interaction(signs: dict[str, int], target: str) -> Interaction:
    return Interaction(
        tuple(signs), tuple(signs.values()), target, kind_of_signs(tuple(signs.values()))
    )


def _molecule(node: str, pathway: str) -> Molecule:
    number = _NUMBER.match(node)
    members = (f"reactome:{number[0]}",) if number else ()
    return Molecule(node, kind="unknown", members=members, pathways=(pathway,))
