"""Files that a command is to write, looked at before it does anything."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from .errors import FormatError

PLOT_ENDINGS = (".png", ".pdf", ".svg")


def refuse_to_overwrite(path: Path, inputs: Iterable[Path] = (), force: bool = False) -> None:
    """Refuse a file that must not be written.

    Args:
        inputs: files and folders that the command reads.
        force: whether a file that exists is replaced.

    Raises:
        FormatError: it exists, is a folder, or is read by this command or lies within what is read.
    """
    if {read.resolve() for read in inputs} & {path.resolve(), *path.resolve().parents}:
        raise FormatError("this run reads it; expected another file", path=path)
    if path.is_dir():
        raise FormatError("it is a folder; expected a file", path=path)
    if path.exists() and not force:
        raise FormatError("it exists; replace it with --force", path=path)


def check_output_files(
    table: Path | None, plot: Path | None, inputs: Iterable[Path] = (), force: bool = False
) -> None:
    """Refuse files that cannot or must not be written.

    Args:
        table, plot: to be written; None for none.
        inputs, force: as in `refuse_to_overwrite`.

    Raises:
        FormatError: as there; a file has no folder, the plot has an ending that is no picture's, or
            both are one file.
    """
    inputs = tuple(inputs)
    for path in (table, plot):
        if path is None:
            continue
        if not path.parent.is_dir():
            raise FormatError("there is no folder to write it into", path=path)
        refuse_to_overwrite(path, inputs, force)
        try:
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            raise FormatError(f"it cannot be written ({error.strerror})", path=path) from None
    if plot is None:
        return
    if plot.suffix.lower() not in PLOT_ENDINGS:
        expected = " or ".join(PLOT_ENDINGS)
        raise FormatError(f"a plot cannot have this ending; expected {expected}", path=plot)
    if table is not None and table.resolve() == plot.resolve():
        raise FormatError("the table and the plot are to be one file; expected two", path=plot)
