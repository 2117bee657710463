"""Folders that a run is to write: tried before it begins, and whole or not there at its end."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .option_parsing import OptionsError

UNFINISHED = ".hmlm-"
"""How the name of a folder begins in which a result is not whole yet."""


@contextlib.contextmanager
def making(out: Path) -> Iterator[None]:
    """
    Raises:
        OptionsError: the folder cannot be made by what is done within.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:  # a circle of links is a RuntimeError
        reason = error.strerror if isinstance(error, OSError) else error
        raise OptionsError(
            f"{out}: it cannot be made ({reason}); expected a folder to write into"
        ) from None


def check_folder(out: Path) -> None:
    """Make sure that a folder can be made, or filled where it is there.

    A run that finds out at its end would have been for nothing.

    Raises:
        OptionsError: it holds something, is the current one, or cannot be made.
    """
    with making(out):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise OptionsError(f"{out}: it is not an empty folder; expected a new one")
        target = out.resolve()
        if target == Path.cwd():
            raise OptionsError(f"{out}: it is the current folder; expected another one")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=target.parent) as folder:
            # Of the same name, which may be too long.
            Path(folder, target.name).mkdir()
        if target.exists():
            tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=target).cleanup()


@contextlib.contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder to write into, which takes its name when it is whole; what is in it moves into one
    that is there already. Where writing fails nothing is left."""
    target = out.resolve()
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=target.parent) as parent:
        # A folder of its own in there, for a temporary one is closed to others.
        folder = Path(parent, target.name)
        folder.mkdir()
        yield folder
        if not target.exists():
            folder.rename(target)
            return
        # Its owner, its mode and what is mounted there stay.
        for file in folder.iterdir():
            shutil.move(file, target / file.name)
