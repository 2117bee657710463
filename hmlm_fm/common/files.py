"""Files as text and bytes; files and folders that are written whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from .errors import FormatError, MissingFileError, OptionsError

PLOT_ENDINGS = (".png", ".pdf", ".svg")
UNFINISHED = ".hmlm-"
"""How the name of a folder begins in which a result is not whole yet."""


def read_text(path: str | os.PathLike[str]) -> str:
    """The file as UTF-8 text, with or without a byte order mark.

    Raises:
        FormatError: it does not exist, is no file, is not UTF-8, or holds binary data.
    """
    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FormatError(
            f"byte 0x{data[error.start]:02x} is not UTF-8; expected a text file in UTF-8",
            path=path,
            place=f"line {line}",
        ) from None
    if "\0" in text:
        raise FormatError("it holds binary data; expected a text file in UTF-8", path=path)
    return text


def read_json_text(path: str | os.PathLike[str]) -> Any:
    """What a JSON text holds.

    Raises:
        FormatError: as `read_text`, or it is not JSON.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except ValueError as error:
        raise FormatError(f"it is not JSON ({error})", path=path) from None


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a UTF-8 text without their ends, which are those of files alone.

    `str.splitlines` would also break a name at U+2028, U+0085 and the like.

    Raises:
        FormatError: as `read_text`.
    """
    lines = re.split(r"\r\n|\r|\n", read_text(path))
    return lines if lines[-1] else lines[:-1]


GZIP_MAGIC = b"\x1f\x8b"
MOST_BYTES = 1 << 30
"""What a compressed file may unpack to: far above any network, far below a machine's memory."""


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The file's content, unpacked where it is gzipped.

    Raises:
        FormatError: it does not exist, is a folder, may not be read, or its gzip is damaged.
    """
    return _read(path, None)


def read_start(path: str | os.PathLike[str]) -> bytes:
    """The first 64 KiB of the file's content, unpacked where it is gzipped.

    Raises:
        FormatError: as `read_bytes`, but damage further on is not found.
    """
    return _read(path, 1 << 16)


def first_line(path: str | os.PathLike[str]) -> str:
    """The first line of what may be a text, without blanks around it.

    Raises:
        FormatError: as `read_start`.
    """
    return read_start(path).split(b"\n")[0].decode("utf-8-sig", errors="replace").strip()


def _read(path: str | os.PathLike[str], most: int | None) -> bytes:
    try:
        with open(path, "rb") as file:
            if file.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
                return _unpacked(file, path, most)
            return file.read(most)
    except FileNotFoundError:
        raise MissingFileError("there is no such file", path=path) from None
    except OSError as error:
        raise FormatError(
            f"it cannot be read ({error.strerror}); expected a file", path=path
        ) from None


def stem(path: str | os.PathLike[str]) -> str:
    """The file's name without folder, without `.gz`, and without its ending."""
    return Path(str(path).removesuffix(".gz")).stem


def _unpacked(file: BinaryIO, path: str | os.PathLike[str], most: int | None) -> bytes:
    try:
        with gzip.open(file) as packed:
            content = packed.read(MOST_BYTES + 1 if most is None else most)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(
            f"it is gzipped and damaged ({error}); expected a whole file", path=path
        ) from None
    if len(content) > MOST_BYTES:
        raise FormatError(f"it unpacks to more than {MOST_BYTES >> 20} MiB", path=path)
    return content


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text so that a reader sees the old file or the new one, never a part."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part.

    Raises:
        OSError: it cannot be written.
    """
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:  # which names the temporary file
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's 0600 would hide it from colleagues
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


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


@contextlib.contextmanager
def creating(out: Path) -> Iterator[None]:
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
    with creating(out):
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
    that is there already. Folders above it are made. Where writing fails nothing is left.

    Raises:
        OSError: it cannot be made or written.
    """
    target = out.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
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
