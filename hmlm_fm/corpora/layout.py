"""Where the Parquet files of a corpus lie."""

from __future__ import annotations

import os
from pathlib import Path

from .relatives import SIDES

DATA_FOLDER = "data"


def is_corpus_folder(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a corpus in Parquet, or several in folders of their own."""
    return bool(parquet_files(Path(folder)))


def is_one_corpus(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a corpus in Parquet itself."""
    return corpus_folders(Path(folder)) == [Path(folder)]


def parquet_files(folder: Path) -> list[Path]:
    """The files of a corpus, side by side; of several corpora where the folder holds no own."""
    patterns = [f"{DATA_FOLDER}/{side}-*.parquet" for side in SIDES]
    own = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    return own or [path for pattern in patterns for path in sorted(folder.glob(f"*/{pattern}"))]


def corpus_folders(folder: Path) -> list[Path]:
    """The folder of a corpus, or of each where a folder holds several; none where it holds none."""
    return list(dict.fromkeys(path.parent.parent for path in parquet_files(folder)))
