"""Files as text and bytes, and files written whole or not at all."""

from __future__ import annotations

import gzip
import os
import re
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO

from .errors import FormatError, MissingFileError


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
        FormatError: as `read_bytes`, but damage further on is not seen.
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
