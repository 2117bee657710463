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
from ..model.error_base import did_you_mean, quoted
from ..model.network import SignalingNetwork

_SEPARATORS = (",", ";", "\t")

PathLike = str | os.PathLike[str]


def rows_of(
    path: PathLike,
    columns: Sequence[str],
    optional: Sequence[str] = (),
    *,
    text: str | None = None,
) -> Iterator[tuple[str, dict[str, str]]]:
    """Place and cells, by column and without blanks around them, of rows that hold anything.

    Rows count as in a spreadsheet, the header being the first.

    Args:
        path: the table.
        columns, optional: those that it must have, and those that it may have.
        text: the content of the file, where it was read already.

    Raises:
        FormatError: the file is missing, empty or no text, a column is missing or there twice, or
            a row is of another length than the header. The message names file and row.
    """
    text = read_text(path) if text is None else text
    if not text.strip():
        raise FormatError("it is empty; expected a table with a header", path=path)
    # The header alone shows the separator: a cell further down may hold any of them.
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


def header_of_text(text: str) -> list[str]:
    """The columns of a table, whatever separates them; none where its first row is not one."""
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
    earlier: dict[tuple[object, ...], tuple[object, str]],
    key: tuple[object, ...],
    value: object,
    path: PathLike,
    place: str,
    hint: str = "",
) -> bool:
    """Whether an earlier row is the same.

    Args:
        earlier: value and place of each row by its key; this row is added.
        key: what must be stated once.
        value: what is stated of it.
        path, place: of the row.
        hint: what the message ends with.

    Raises:
        FormatError: an earlier row has the same key and another value.
    """
    before, where = earlier.setdefault(key, (value, place))
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


def no_molecule(name: str, network: SignalingNetwork) -> str:
    """The message about a molecule that the network has not."""
    hint = did_you_mean(name, network.names)
    return f"there is no molecule {name!r} in network {network.name!r}{hint}"


def warn_of_unknown(
    unknown: Mapping[str, Sequence[str]],
    molecules: set[str],
    network: SignalingNetwork,
    path: PathLike,
    left_out: Sequence[str] = (),
) -> None:
    """Warn of molecules that the network has not, and of conditions that are left out with them.

    Args:
        unknown: those molecules, each with the conditions or places that name it.
        molecules: all that the file names.
        network: of which they are none.
        path: the file.
        left_out: conditions in which something is done to them.

    Raises:
        FormatError: all of them were.
    """
    if not unknown:
        return
    if len(unknown) == len(molecules):
        first = next(iter(unknown))
        raise FormatError(
            f"none of its {len(molecules)} molecules is in network {network.name!r}, such as "
            f"{first!r}{did_you_mean(first, network.names)}",
            path=path,
        )
    what = "a molecule" if len(unknown) == 1 else f"{len(unknown)} molecules"
    words = f"left out {what} that network {network.name!r} has not: "
    words += quoted(tuple(unknown))
    if left_out:
        words += (
            f", and with {'it' if len(unknown) == 1 else 'them'} condition {quoted(left_out)}; the "
            "targets of drugs are stated in a table --targets"
        )
    warnings.warn(f"{path}: {words}", FormatWarning, stacklevel=3)
