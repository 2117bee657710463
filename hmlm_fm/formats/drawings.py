"""What the readers of drawn pathways share: oddities, copies of molecules, free names."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Container, Hashable, Iterable, Iterator
from dataclasses import replace

from ..common.errors import FormatWarning
from ..model.network import Interaction, Molecule


class Oddities:
    """What is odd in a file, counted, so that each kind of it becomes one warning."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def note(self, what: str, example: str = "") -> None:
        self._counts[what] += 1
        self._examples.setdefault(what, example)

    def warn(self, path: str | os.PathLike[str]) -> None:
        """One `FormatWarning` for each kind of oddity, with its count and an example."""
        for what, count in self._counts.items():
            example = self._examples[what]
            many = f": {count} (such as {example})" if example else ""
            warnings.warn(f"{path}: {what}{many}", FormatWarning, stacklevel=3)


class DrawnMolecules:
    """The molecules of a drawing, in which copies are one and every other has its own name."""

    def __init__(self, pathway: str) -> None:
        self._pathway = pathway
        self._molecules: dict[Hashable, Molecule] = {}
        self._by_name: dict[str, Molecule] = {}

    def add(self, molecule: Molecule, *, same: Hashable = None) -> Molecule:
        """The molecule under a name that no other has, or the copy of it that is here already.

        Args:
            molecule: what is drawn.
            same: molecules for which this is equal are copies; by default those that agree in
                all they state.
        """
        key = molecule if same is None else same
        if key not in self._molecules:
            name = free_name(molecule.name, self._by_name)
            self._molecules[key] = replace(molecule, name=name, pathways=(self._pathway,))
            self._by_name[name] = self._molecules[key]
        return self._molecules[key]

    def __getitem__(self, name: str) -> Molecule:
        return self._by_name[name]

    def __iter__(self) -> Iterator[Molecule]:
        return iter(self._by_name.values())


def free_name(name: str, taken: Container[str]) -> str:
    """`name`, with a number behind it where it is taken: `A (2)`."""
    numbered, number = name, 1
    while numbered in taken:
        number += 1
        numbered = f"{name} ({number})"
    return numbered


def but_vague_loops(interactions: Iterable[Interaction]) -> Iterator[Interaction]:
    """Without those of a molecule with itself that do not state how it acts."""
    return (i for i in interactions if i.sources != (i.target,) or any(i.signs))
