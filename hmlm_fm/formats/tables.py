"""Tables with a header, separated by commas, semicolons or tabs, possibly gzipped: their rows, and
the cells and molecules of a row."""

from __future__ import annotations

import csv
import io
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence

from ..common.errors import FormatError, FormatWarning
from ..common.files import read_text
from ..model.errors import did_you_mean, quoted
from ..model.network import SignalingNetwork

_SEPARATORS = (",", ";", "\t")

PathLike = str | os.PathLike[str]


def rows_of(
    path: PathLike, columns: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Place and cells, by column and without blanks around them, of rows that hold anything.

    Rows count as in a spreadsheet, the header being the first.
    """
    text = read_text(path)
    if not text.strip():
        raise FormatError("it is empty; expected a table with a header", path=path)
    # A separator is told by the header alone: a cell further down may hold any of them.
    separator = max(_SEPARATORS, key=lambda mark: len(set(_header(text, mark)) & set(columns)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] | None = None
    number = 0
    while True:
        number += 1
        place = f"row {number}"
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise FormatError(
                f"it is no row of a table ({error})", path=path, place=place
            ) from None
        if not any(cells):
            continue
        if header is None:
            header = cells
            _check_header(header, columns, optional, path, place)
            continue
        if len(cells) != len(header):
            raise FormatError(
                f"it has {len(cells)} cells; expected {len(header)}", path=path, place=place
            )
        yield place, dict(zip(header, cells, strict=True))


def header_of(path: PathLike) -> list[str]:
    """The columns of a table, whatever separates them."""
    text = read_text(path)
    return max((_header(text, mark) for mark in _SEPARATORS), key=len)


def _header(text: str, separator: str) -> list[str]:
    """The cells of the first row that has any."""
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            cells = [cell.strip() for cell in row]
            if any(cells):
                return cells
    except csv.Error:
        pass
    return []


def _check_header(
    header: Sequence[str],
    columns: Sequence[str],
    optional: Sequence[str],
    path: PathLike,
    place: str,
) -> None:
    missing = [column for column in columns if column not in header]
    if missing:
        further = f", and optionally {', '.join(optional)}" if optional else ""
        raise FormatError(
            f"there is no column {', '.join(map(repr, missing))}; expected a table with the "
            f"columns {', '.join(columns)}{further}",
            path=path,
            place=place,
        )
    twice = [column for column in (*columns, *optional) if header.count(column) > 1]
    if twice:
        raise FormatError(
            f"there are several columns {twice[0]!r}; expected one", path=path, place=place
        )
    absent = [column for column in optional if column not in header]
    for column in header:
        hint = did_you_mean(column, absent) if column not in (*columns, *optional) else ""
        if hint:
            warnings.warn(
                f"{path}: column {column!r} is not read{hint}", FormatWarning, stacklevel=4
            )


def is_repeated(
    seen: dict[tuple[object, ...], tuple[object, str]],
    key: tuple[object, ...],
    value: object,
    path: PathLike,
    place: str,
    hint: str = "",
) -> bool:
    """Whether an earlier row says the same; a row that contradicts one is an error, with a hint."""
    before, where = seen.setdefault(key, (value, place))
    if before != value:
        raise FormatError(
            f"it repeats {where} with other numbers; expected one row{hint}", path=path, place=place
        )
    return where != place


def text_of(row: Mapping[str, str], column: str, path: PathLike, place: str) -> str:
    """A cell that names something."""
    text = row[column]
    if not text:
        raise FormatError(f"{column} is empty; expected a name", path=path, place=place)
    if "\n" in text or "\r" in text:
        raise FormatError(
            f"{column} is {text!r}; expected a name without line breaks", path=path, place=place
        )
    return text


def number_of(row: Mapping[str, str], column: str, path: PathLike, place: str) -> float:
    """A cell that holds a finite number."""
    text = row[column]
    try:
        number = float(text) if "_" not in text else math.nan  # Python alone reads 1_000
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        hint = ", with a decimal point" if "," in text else ""
        raise FormatError(f"{column} is {text!r}; expected a number{hint}", path=path, place=place)
    return number


def stranger(name: str, network: SignalingNetwork) -> str:
    """What is said of a molecule that the network has not."""
    hint = did_you_mean(name, network.names)
    return f"there is no molecule {name!r} in network {network.name!r}{hint}"


def tell_strangers(
    strangers: Mapping[str, Sequence[str]],
    molecules: set[str],
    network: SignalingNetwork,
    path: PathLike,
    changed: Sequence[str] = (),
) -> None:
    """Warn of molecules that were left out, and of the conditions that this changes.

    Raises:
        FormatError: all of them were.
    """
    if not strangers:
        return
    if len(strangers) == len(molecules):
        first = next(iter(strangers))
        raise FormatError(
            f"none of its {len(molecules)} molecules is in network {network.name!r}, such as "
            f"{first!r}{did_you_mean(first, network.names)}",
            path=path,
        )
    what = "a molecule" if len(strangers) == 1 else f"{len(strangers)} molecules"
    words = f"left out {what} that network {network.name!r} has not: "
    words += quoted(tuple(strangers))
    if changed:
        words += f"; condition {quoted(changed)} is without what was done to them"
    warnings.warn(f"{path}: {words}", FormatWarning, stacklevel=3)
