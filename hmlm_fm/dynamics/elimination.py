"""Solves u = b + A·u for many conditions at once, where A has an entry per path of a network.

Networks of signalling are sparse: most molecules have one or two sources, or targets. Such a
molecule is taken out exactly, its sources then act on its targets themselves, and that takes hardly
more paths than before. Molecules that are not next to one another leave in the same round, so a few
rounds, which are worked out once for a network, leave a small core of loops. On it few Jacobi
iterations suffice, for one of them passes on what all the molecules between would have.

Shapes: M molecules (of all networks joined), J literals (source of an interaction), C conditions, P
paths: those of the literals, and those that take the place of molecules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

# Rounds, and how many molecules must leave for one more to pay.
ROUNDS, LEAST_LEAVING = 5, 4
# How many paths may be added where a molecule leaves.
MOST_ADDED_PATHS = 9
# On the core. Even, for an odd number turns the sign of what a strong negative feedback leaves.
CORE_ITERATIONS = 2

# Source and target.
Path = tuple[int, int]
# A path that grows by the product of two others.
Product = tuple[Path, Path, Path]


class _Graph:
    """Other molecules that each feeds and is fed by, and which feed themselves."""

    def __init__(self, paths: Iterable[Path], molecules: int) -> None:
        self.sources: list[set[int]] = [set() for _ in range(molecules)]
        self.targets: list[set[int]] = [set() for _ in range(molecules)]
        self.loops: set[int] = set()
        self.left = set(range(molecules))
        for path in paths:
            self._join(*path)

    def out_of(self, molecule: int) -> list[Path]:
        return [(molecule, target) for target in sorted(self.targets[molecule])]

    def into(self, molecule: int) -> list[Path]:
        return [(source, molecule) for source in sorted(self.sources[molecule])]

    def loop_of(self, molecule: int) -> list[Path]:
        return [(molecule, molecule)] if molecule in self.loops else []

    def next_to_leave(self) -> list[int]:
        """Molecules of which no two share a path, those first that add the fewest paths."""
        added = {}
        for molecule in self.left:
            sources, targets = len(self.sources[molecule]), len(self.targets[molecule])
            added[molecule] = sources * targets - sources - targets
        chosen: list[int] = []
        beside: set[int] = set()
        for molecule in sorted(added, key=lambda m: (added[m], m)):
            if added[molecule] <= MOST_ADDED_PATHS and molecule not in beside:
                chosen.append(molecule)
                beside |= self.sources[molecule] | self.targets[molecule]
        return chosen

    def remove(self, molecule: int) -> None:
        """Takes a molecule out and joins its sources to its targets."""
        self.left.remove(molecule)
        for source in self.sources[molecule]:
            self.targets[source].remove(molecule)
        for target in self.targets[molecule]:
            self.sources[target].remove(molecule)
        for source in self.sources[molecule]:
            for target in self.targets[molecule]:
                self._join(source, target)

    def _join(self, source: int, target: int) -> None:
        if source == target:
            self.loops.add(source)
        else:
            self.sources[target].add(source)
            self.targets[source].add(target)


@dataclass
class _Paths:
    """Paths that lie side by side in the table: which rows, and where each starts and ends."""

    rows: slice
    source: torch.Tensor
    target: torch.Tensor

    def passed_on(self, values_MC: torch.Tensor, coupling_PC: torch.Tensor) -> torch.Tensor:
        """What sources pass on along each path."""
        # In place, for the selected rows are a copy of their own.
        return values_MC.index_select(0, self.source).mul_(coupling_PC[self.rows])


@dataclass
class _Made:
    """What one round makes of couplings, as rows of the table.

    A loop x of a molecule multiplies its state by 1/(1 - x) = 1 + x/(1 - x). So with x/(1 - x) as
    the coupling of the loop, what goes out grows by the product with it, and then, while sources
    are joined to targets, what comes in.

    Attributes:
        loops: of molecules that leave.
        scaled, through: paths that grow, and the two paths whose product they grow by: those out
            of molecules with loops, and all others.
    """

    loops: torch.Tensor
    scaled: list[torch.Tensor]
    through: list[torch.Tensor]


def _products(graph: _Graph, leaving: Sequence[int]) -> tuple[list[Product], list[Product]]:
    """`scaled` and `through` of `_Made`, as paths."""
    looped = [m for m in leaving if graph.loop_of(m)]
    scaled = [(path, path, (m, m)) for m in looped for path in graph.out_of(m)]
    through = [
        ((into[0], out[1]), out, into)
        for m in leaving
        for out in graph.out_of(m)
        for into in graph.into(m)
    ]
    through += [(path, path, (m, m)) for m in looped for path in graph.into(m)]
    return scaled, through


def _add_products(
    coupling_PC: torch.Tensor, to: torch.Tensor, first: torch.Tensor, second: torch.Tensor
) -> None:
    """Adds to some paths, in place, the products of two others each (their rows)."""
    product = coupling_PC.index_select(0, first).mul_(coupling_PC.index_select(0, second))
    coupling_PC.index_add_(0, to, product)


class Elimination:
    """The order in which molecules leave, and the paths that this makes.

    Args:
        source_J, target_J: molecules at the ends of each literal.
        molecules: how many there are.

    Attributes:
        core: molecules that do not leave.
    """

    def __init__(self, source_J: torch.Tensor, target_J: torch.Tensor, molecules: int) -> None:
        self._device = source_J.device
        literals = list(zip(source_J.tolist(), target_J.tolist(), strict=True))
        graph = _Graph(literals, molecules)
        table: list[Path] = []
        # Of each round: paths out of those that leave, with their loops, and paths into them.
        self._out: list[_Paths] = []
        self._into: list[_Paths] = []
        made: list[tuple[list[Path], list[Product], list[Product]]] = []
        leaving = graph.next_to_leave()
        while leaving and (len(made) < ROUNDS or len(leaving) >= LEAST_LEAVING):
            loops = [path for m in leaving for path in graph.loop_of(m)]
            out = [path for m in leaving for path in graph.out_of(m)]
            self._out.append(self._appended(table, out + loops))
            self._into.append(self._appended(table, [p for m in leaving for p in graph.into(m)]))
            made.append((loops, *_products(graph, leaving)))
            for molecule in leaving:
                graph.remove(molecule)
            leaving = graph.next_to_leave()
        core = sorted(graph.left)
        inner = [path for m in core for path in graph.into(m) + graph.loop_of(m)]
        self.core = self._indices(core)
        self._core_paths = self._appended(table, inner, {m: i for i, m in enumerate(core)})
        row = {path: i for i, path in enumerate(table)}
        self._paths = len(table)

        def rows(paths: Iterable[Path]) -> torch.Tensor:
            return self._indices([row[path] for path in paths])

        def rows_of_products(products: Sequence[Product]) -> list[torch.Tensor]:
            return [rows(product[k] for product in products) for k in range(3)]

        self._row_J = rows(literals)
        self._made = [
            _Made(rows(loops), rows_of_products(scaled), rows_of_products(through))
            for loops, scaled, through in made
        ]

    def _indices(self, values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._device)

    def _appended(
        self, table: list[Path], paths: list[Path], place: dict[int, int] | None = None
    ) -> _Paths:
        """Paths as the next rows of the table; their ends by their places, where given."""
        rows = slice(len(table), len(table) + len(paths))
        table += paths
        ends = [[m if place is None else place[m] for m in path] for path in paths]
        source, target = (self._indices([path[k] for path in ends]) for k in range(2))
        return _Paths(rows, source, target)

    def couplings(self, coupling_JC: torch.Tensor) -> torch.Tensor:
        """Couplings of all paths (P, C) from those of the literals."""
        coupling_PC = coupling_JC.new_zeros(self._paths, coupling_JC.shape[1])
        coupling_PC.index_add_(0, self._row_J, coupling_JC)
        for made in self._made:
            if len(made.loops):
                own = coupling_PC.index_select(0, made.loops)
                coupling_PC.index_copy_(0, made.loops, own / (1 - own))
                _add_products(coupling_PC, *made.scaled)
            _add_products(coupling_PC, *made.through)
        return coupling_PC

    def solve(self, right_MC: torch.Tensor, coupling_PC: torch.Tensor) -> torch.Tensor:
        """u, in the place of b.

        Args:
            right_MC: b, which is overwritten.
            coupling_PC: from `couplings`.
        """
        for paths in self._out:
            right_MC.index_add_(0, paths.target, paths.passed_on(right_MC, coupling_PC))
        core = right_MC.index_select(0, self.core)
        inner = self._core_paths
        core = iterate(core, inner.source, inner.target, coupling_PC[inner.rows], CORE_ITERATIONS)
        right_MC.index_copy_(0, self.core, core)
        for paths in reversed(self._into):
            right_MC.index_add_(0, paths.target, paths.passed_on(right_MC, coupling_PC))
        return right_MC


def iterate(
    right_MC: torch.Tensor,
    source: torch.Tensor,
    target: torch.Tensor,
    coupling: torch.Tensor,
    iterations: int,
) -> torch.Tensor:
    """What Jacobi iterations along paths make of b."""
    found = right_MC
    for _ in range(iterations):
        # In place, for the selected rows are a copy of their own.
        passed_on = found.index_select(0, source).mul_(coupling)
        found = right_MC.index_add(0, target, passed_on)
    return found
