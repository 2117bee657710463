"""Rows of arrays on disk, read by memory map: a corpus may be larger than memory.

Every field of a folder is one file of numbers, row after row, and a small one of shapes.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, overload

import numpy as np

from ..common.files import write_text
from ..model.error_base import HMLMError

FIELDS_FILE = "fields.json"

Row = dict[str, np.ndarray]
Item = TypeVar("Item")


def store_rows(rows: Iterable[Mapping[str, np.ndarray]], folder: Path) -> int:
    """Write rows that all have the same fields, one at a time; returns how many.

    Raises:
        HMLMError: a row with other fields, or with a field of another type, than the first.
    """
    folder.mkdir(parents=True)
    files, kinds, count = {}, {}, 0
    shapes: dict[str, list[tuple[int, ...]]] = {}
    try:
        for row in rows:
            found = {name: (array.dtype.str, array.ndim) for name, array in row.items()}
            if not count:
                kinds = found
                files = {name: (folder / f"{name}.bin").open("wb") for name in found}
                shapes = {name: [] for name in found}
            if found != kinds:
                raise HMLMError(f"row {count} holds {found}; expected {kinds}, as the first")
            for name, array in row.items():
                files[name].write(np.ascontiguousarray(array).data)
                shapes[name].append(array.shape)
            count += 1
    finally:
        for file in files.values():
            file.close()
    for name, (_, axes) in kinds.items():
        np.save(
            folder / f"{name}.shapes.npy", np.array(shapes[name], dtype=np.int64).reshape(-1, axes)
        )
    write_text(folder / FIELDS_FILE, json.dumps({"rows": count, "fields": kinds}))
    return count


class Lazy(Sequence[Item]):
    """A sequence whose items are made when they are read."""

    @abstractmethod
    def at(self, row: int) -> Item:
        """The item of one row."""

    @overload
    def __getitem__(self, row: int) -> Item: ...
    @overload
    def __getitem__(self, row: slice) -> list[Item]: ...
    def __getitem__(self, row: int | slice) -> Item | list[Item]:
        if isinstance(row, slice):
            return [self.at(i) for i in range(*row.indices(len(self)))]
        return self.at(row)


class StoredRows(Lazy[Row]):
    """The rows of a folder; nothing is read before it is used."""

    def __init__(self, folder: Path) -> None:
        stated = json.loads((folder / FIELDS_FILE).read_text(encoding="utf-8"))
        self.rows: int = stated["rows"]
        self.data, self.shapes, self.ends = {}, {}, {}
        for name, (dtype, _) in stated["fields"].items():
            path = folder / f"{name}.bin"
            # Nothing cannot be mapped.
            empty = not path.stat().st_size
            self.data[name] = np.empty(0, dtype) if empty else np.memmap(path, dtype, mode="r")
            self.shapes[name] = np.load(folder / f"{name}.shapes.npy")
            self.ends[name] = self.shapes[name].prod(1).cumsum()

    def __len__(self) -> int:
        return self.rows

    def at(self, row: int) -> Row:
        if not 0 <= row < self.rows:
            raise IndexError(f"row {row}; expected 0 to {self.rows - 1}")
        return {name: self.field(name, row) for name in self.data}

    def field(self, name: str, row: int) -> np.ndarray:
        """One field of one row, a view of the file."""
        shape, end = self.shapes[name][row], int(self.ends[name][row])
        flat = np.asarray(self.data[name][end - int(shape.prod()) : end])
        return flat.reshape(tuple(shape))
