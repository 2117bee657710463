"""Rows of sharded corpora as a stream, each row to one of several processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import FormatError
from .layout import DATA_FOLDER

if TYPE_CHECKING:
    from datasets import IterableDataset


def stream_rows(
    folder: str | os.PathLike[str],
    side: str,
    process: int = 0,
    processes: int = 1,
    most: int | None = None,
) -> IterableDataset:
    """The rows of one side that fall to one of several processes, as dictionaries.

    Whole shards are shared out where their number allows, else single rows. Workers of a
    `DataLoader` share out what falls to their process, so that no row is read twice.

    Args:
        folder: a corpus of `corpora/build.py` or `corpora/simulate.py`.
        side: train, validation or test.
        process: which of the processes, from 0.
        processes: how many there are.
        most: rows to take, on all processes together; all of them without it.

    Raises:
        FormatError: the corpus has no such side.
    """
    # Machines that train on a corpus that is already tokenised may lack it.
    from datasets import load_dataset
    from datasets.distributed import split_dataset_by_node

    files = sorted(str(path) for path in (Path(folder) / DATA_FOLDER).glob(f"{side}-*.parquet"))
    if not files:
        raise FormatError(f"it has no shards of the side {side!r}", path=folder)
    rows = load_dataset("parquet", data_files={side: files}, split=side, streaming=True)
    if most is not None:
        rows = rows.take(most)
    return split_dataset_by_node(rows, rank=process, world_size=processes)
