"""Where the molecules of a network stand in a drawing: in layers, from the left to the right.

The layout of Sugiyama, Tagawa and Toda (IEEE Trans Syst Man Cybern 1981;11:109-125): layers, an
order within each that has few crossings (barycentres, swept from either side), then places that
bend lines little. A line over several layers has a bend in each, which takes part like a molecule.
Lengths are inches. Nothing is drawn by chance: equal networks have equal layouts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..model.network import SignalingNetwork

SWEEPS = 40
LEVELLING = 60

Node = str | tuple[str, str, int]
"""A molecule, or the bend of a line (its two ends) in a layer."""
Line = tuple[str, str]


@dataclass(frozen=True)
class Layout:
    """Places in a drawing.

    Attributes:
        layer: of each molecule, 0 at the left; those without any line are in the last.
        height: of each molecule's middle, above the lowest molecule or line.
        bends: heights where a line crosses the layers between its ends, from source to target.
        top: the height of the highest molecule or line.
        alone: molecules without any line, in the last layer.
    """

    layer: Mapping[str, int]
    height: Mapping[str, float]
    bends: Mapping[Line, tuple[float, ...]]
    top: float
    alone: frozenset[str]


def lay_out(
    network: SignalingNetwork,
    starts: Collection[str],
    room: float,
    room_of_line: float,
) -> Layout:
    """Layers and heights of a network's molecules.

    Args:
        network: what is drawn.
        starts: molecules of the first layer where nothing acts on them; without any, all on which
            nothing acts.
        room: height that a molecule takes.
        room_of_line: height that a line takes.
    """
    lines = sorted(
        {(s, i.target) for i in network.interactions for s in i.sources if s != i.target}
    )
    alone = frozenset(network.names) - {name for line in lines for name in line}
    layer = _layers(network, lines, starts, alone)
    chains = {line: _chain(line, layer) for line in lines}
    columns = _columns(network, layer, chains)
    beside = _neighbours(chains, columns)
    _order(columns, beside)
    rooms = [[room if isinstance(n, str) else room_of_line for n in column] for column in columns]
    heights = _heights(columns, rooms, beside)
    lowest = min(heights.values())
    return Layout(
        layer=layer,
        height={name: heights[name] - lowest for name in network.names},
        bends={
            line: tuple(heights[n] - lowest for n in chain if not isinstance(n, str))
            for line, chain in chains.items()
        },
        top=max(heights.values()) - lowest,
        alone=alone,
    )


def _layers(
    network: SignalingNetwork, lines: Sequence[Line], starts: Collection[str], alone: frozenset[str]
) -> dict[str, int]:
    """The fewest steps from the start; what is reached from nowhere starts anew."""
    after = defaultdict(list)
    for source, target in lines:
        after[source].append(target)
    acted_on = {target for _, target in lines}
    free = [name for name in network.names if name not in acted_on and name not in alone]
    layer = dict.fromkeys([name for name in free if name in starts] or free, 0)
    inputs = [name for name in network.inputs if name in starts and name not in alone]
    layer |= dict.fromkeys(inputs, 0)
    rest = iter([*free, *(n for n in network.names if n in starts), *network.names])
    front = [*layer]
    while True:
        while front:
            following = list(dict.fromkeys(t for n in front for t in after[n] if t not in layer))
            layer |= dict.fromkeys(following, layer[front[0]] + 1)
            front = following
        start = next((name for name in rest if name not in layer and name not in alone), None)
        if start is None:
            break
        # Just before what it acts on.
        known = [layer[target] for target in after[start] if target in layer]
        layer[start] = max(min(known, default=1) - 1, 0)
        front = [start]
    last = max(layer.values(), default=-1)
    return layer | {n: 0 if n in starts else last + 1 for n in network.names if n in alone}


def _chain(line: Line, layer: Mapping[str, int]) -> list[Node]:
    """The ends of a line and its bends between, from source to target."""
    start, end = (layer[name] for name in line)
    step = 1 if end >= start else -1
    bends: list[Node] = [(*line, column) for column in range(start + step, end, step)]
    return [line[0], *bends, line[1]]


def _columns(
    network: SignalingNetwork, layer: Mapping[str, int], chains: Mapping[Line, Sequence[Node]]
) -> list[list[Node]]:
    columns: list[list[Node]] = [[] for _ in range(max(layer.values()) + 1)]
    for name in network.names:
        columns[layer[name]].append(name)
    for chain in chains.values():
        for node in chain:
            if not isinstance(node, str):
                columns[node[2]].append(node)
    return columns


def _neighbours(
    chains: Mapping[Line, Sequence[Node]], columns: Sequence[Sequence[Node]]
) -> dict[Node, tuple[list[Node], list[Node]]]:
    """Of each node, those in the layer before and in the layer after that a line joins it to."""
    column_of = {node: c for c, column in enumerate(columns) for node in column}
    beside: dict[Node, tuple[list[Node], list[Node]]] = {n: ([], []) for n in column_of}
    for chain in chains.values():
        for one, other in zip(chain, chain[1:], strict=False):
            difference = column_of[other] - column_of[one]
            if difference:  # lines within a layer do not cross the others
                beside[one][difference > 0].append(other)
                beside[other][difference < 0].append(one)
    return beside


def _order(columns: list[list[Node]], beside: Mapping[Node, tuple[list[Node], list[Node]]]) -> None:
    """Put each layer into an order with few crossings, in place."""
    best, fewest = [list(column) for column in columns], _crossings(columns, beside)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        numbers = range(1, len(columns)) if forward else range(len(columns) - 2, -1, -1)
        for c in numbers:
            fixed = columns[c - 1 if forward else c + 1]
            place = {node: p for p, node in enumerate(fixed)}
            scale = len(columns[c]) / max(len(fixed), 1)
            middle = {}
            for p, node in enumerate(columns[c]):
                places = [place[n] for n in beside[node][0 if forward else 1]]
                middle[node] = scale * float(np.mean(places)) if places else float(p)
            columns[c].sort(key=middle.__getitem__)  # which keeps the order of equals
        crossings = _crossings(columns, beside)
        if crossings < fewest:
            best, fewest = [list(column) for column in columns], crossings
    columns[:] = best


def _crossings(
    columns: Sequence[Sequence[Node]], beside: Mapping[Node, tuple[list[Node], list[Node]]]
) -> int:
    total = 0
    for left, right in zip(columns, columns[1:], strict=False):
        place = {node: p for p, node in enumerate(right)}
        ends = np.array(
            [p for node in left for p in sorted(place[n] for n in beside[node][1])], dtype=np.int64
        )
        # Lines are in the order of their left ends; each pair the other way round on the right
        # crosses. Of one left end they are sorted, so that none of them does.
        total += int(np.triu(ends[:, None] > ends[None, :], 1).sum())
    return total


def _heights(
    columns: Sequence[Sequence[Node]],
    rooms: Sequence[Sequence[float]],
    beside: Mapping[Node, tuple[list[Node], list[Node]]],
) -> dict[Node, float]:
    """Heights close to the mean of those of neighbours, in the order of each layer from the top."""
    heights: dict[Node, float] = {}
    offsets = []
    for column, room in zip(columns, rooms, strict=True):
        size = np.array(room)
        offset = np.cumsum(size) - size / 2
        offsets.append(offset)
        heights |= {n: size.sum() / 2 - o for n, o in zip(column, offset.tolist(), strict=True)}
    for sweep in range(LEVELLING):
        order = range(len(columns)) if sweep % 2 == 0 else range(len(columns) - 1, -1, -1)
        for c in order:
            if not columns[c]:
                continue
            wanted = []
            for node in columns[c]:
                near = [heights[n] for side in beside[node] for n in side]
                wanted.append(float(np.mean(near)) if near else heights[node])
            # What remains when each takes its room must not rise from the top down.
            level = _falling(np.array(wanted) + offsets[c]) - offsets[c]
            heights |= dict(zip(columns[c], level.tolist(), strict=True))
    return heights


def _falling(values: np.ndarray) -> np.ndarray:
    """The closest values, by least squares, that never rise: pool adjacent violators."""
    blocks: list[list[float]] = []  # mean and size
    for value in values:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-1][0] > blocks[-2][0]:
            (mean, size), (earlier, before) = blocks.pop(), blocks.pop()
            blocks.append([(mean * size + earlier * before) / (size + before), size + before])
    return np.array([mean for mean, size in blocks for _ in range(int(size))])
