"""Sheets of `.xlsx` and `.xls` workbooks, recognised by content, as rows of plain values.

Workbooks are written as `.xlsx`.
"""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from ..common.errors import FormatError
from ..common.files import read_bytes, write_bytes

SheetValue: TypeAlias = "str | float | bool | None"
Rows = list[list[SheetValue]]

ZIP_MAGIC = b"PK\x03\x04"
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

# Sheets that were once formatted to their last column claim 16,384 of them.
MOST_COLUMNS = 100
MOST_ROWS = 100_000
MOST_CHARACTERS = 32_767
# A zip that unpacks to more than this is no network, but an attack or a mistake.
MOST_BYTES = 200 * 2**20


def read_sheets(path: str | os.PathLike[str], most_columns: int = MOST_COLUMNS) -> dict[str, Rows]:
    """The sheets of a workbook by their name in lower case, up to so many columns of each.

    Raises:
        FormatError: missing, empty, truncated, or not a workbook at all.
    """
    data = read_bytes(path)
    if data.startswith(ZIP_MAGIC):
        return _guarded(partial(_read_xlsx, most_columns=most_columns), data, path)
    if data.startswith(OLE_MAGIC):
        return _guarded(_read_xls, data, path)
    start = data[:200].lstrip().lower()
    what = "it is empty" if not data else "it is not a workbook"
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        what = "it is a web page or XML, perhaps saved in place of a download"
    raise FormatError(f"{what}; expected an Excel workbook (.xlsx or .xls)", path=path)


def write_sheets(sheets: Mapping[str, Rows], path: str | os.PathLike[str]) -> None:
    """Write sheets by their name as an `.xlsx` workbook; it appears whole or not at all.

    Raises:
        FormatError: a text is too long for a cell, or has control characters; there are more rows
            than `read_sheets` reads. The message names the place.
    """
    import openpyxl  # slow to import, and only workbooks need it

    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        if len(rows) > MOST_ROWS:
            raise FormatError(
                f"it has {len(rows)} rows; expected at most {MOST_ROWS}", place=f"sheet {title!r}"
            )
        sheet = book.create_sheet(title)
        for number, row in enumerate(rows, start=1):
            for column, value in enumerate(row, start=1):
                try:
                    _fill(sheet.cell(number, column), value)
                except FormatError as error:
                    raise error.at(place=f"sheet {title!r}, row {number}") from None
    content = io.BytesIO()
    book.save(content)
    write_bytes(path, content.getvalue())


def _fill(cell: Any, value: SheetValue) -> None:
    """Give a cell its value; a text stays a text, were it `=> A` or `#N/A`."""
    from openpyxl.utils.exceptions import IllegalCharacterError

    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        raise FormatError(f"{value[:30]!r}... is too long for a cell of a workbook")
    try:
        cell.value = value
    except IllegalCharacterError:
        raise FormatError(
            f"a workbook cannot hold {str(value)[:60]!r}, which has control characters"
        ) from None
    if isinstance(value, str):
        cell.data_type = "s"


def _guarded(
    read: Callable[[bytes], dict[str, Rows]], data: bytes, path: str | os.PathLike[str]
) -> dict[str, Rows]:
    # The two libraries raise what they please on a damaged file (KeyError, BadZipFile, XML and
    # struct errors, assertions), so every Exception means the same thing here.
    try:
        return read(data)
    except FormatError as error:
        raise error.at(path) from None
    except Exception as error:
        raise FormatError(
            f"the workbook is damaged or incomplete ({type(error).__name__}: {error}); "
            "open and save it again, or fetch it again",
            path=path,
        ) from None


def _read_xlsx(data: bytes, most_columns: int) -> dict[str, Rows]:
    import openpyxl

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
            raise FormatError(f"it unpacks to more than {MOST_BYTES // 2**20} MiB")
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    with contextlib.closing(book):
        return {
            sheet.title.strip().lower(): [
                [_xlsx_value(cell) for cell in row]
                for row in sheet.iter_rows(
                    max_row=MOST_ROWS, max_col=most_columns, values_only=True
                )
            ]
            for sheet in book.worksheets
        }


def _read_xls(data: bytes) -> dict[str, Rows]:
    import xlrd

    book = xlrd.open_workbook(file_contents=data, logfile=io.StringIO())
    return {
        sheet.name.strip().lower(): [
            [_xls_value(cell) for cell in sheet.row(row)] for row in range(sheet.nrows)
        ]
        for sheet in book.sheets()
    }


def _xlsx_value(cell: object) -> SheetValue:
    if cell is None or isinstance(cell, (str, bool, int, float)):
        return cell
    return str(cell)  # a date, say, which no column of a network holds: the reader names it


def _xls_value(cell: Any) -> SheetValue:
    import xlrd

    if cell.ctype == xlrd.XL_CELL_ERROR:  # a code such as 42, which must not pass for a number
        return str(xlrd.error_text_from_code.get(cell.value, "#ERROR"))
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return bool(cell.value)
    return None if cell.value == "" else cell.value
