"""The rows of published tables, of text files and of workbooks."""

from __future__ import annotations

import csv
import io

from ...common.errors import FormatError
from ...common.files import read_start, read_text
from ..spreadsheet import OLE_MAGIC, ZIP_MAGIC, Rows, read_sheets
from ..tables import PathLike, header_of_text, rows_of

Row = tuple[str, dict[str, str]]
"""Place and cells by column."""
MOST_COLUMNS = 4000
"""Of a workbook's sheet; no panel of readouts has more."""
SHEET = "sheet"
"""The column that tells sheets apart, where a workbook has several with one header."""


def table_rows(path: PathLike) -> list[Row]:
    """Place and cells of the rows of a file.

    Sheets of a workbook that have one header are one table, with their names in a column `sheet`.

    Raises:
        FormatError: it cannot be read, has no header, a row is of another length, or sheets have
            different headers.
    """
    if not read_start(path).startswith((ZIP_MAGIC, OLE_MAGIC)):
        return _labelled(_rows_of_text(read_text(path), path))
    texts = {
        name: text
        for name, rows in read_sheets(path, most_columns=MOST_COLUMNS).items()
        if (text := _as_text(rows)) and len([c for c in header_of_text(text) if c]) > 2
    }
    if not texts:
        raise FormatError("its sheets are empty; expected a table with a header", path=path)
    headers = {tuple(header_of_text(text)) for text in texts.values()}
    if len(headers) > 1:
        raise FormatError(
            f"its sheets {', '.join(map(repr, texts))} have different headers; expected one table, "
            "or sheets with one header",
            path=path,
        )
    found = []
    for name, text in texts.items():
        for place, row in _rows_of_text(text, path):
            if len(texts) > 1:
                row[SHEET] = name
            found.append((f"sheet {name!r}, {place}" if len(texts) > 1 else place, row))
    return _labelled(found)


def _rows_of_text(text: str, path: PathLike) -> list[Row]:
    named = [name for name in header_of_text(text) if name]
    if len(named) < 2:
        raise FormatError("it is no table with a header; expected columns", path=path)
    return list(rows_of(path, named, text=text))


def _labelled(rows: list[Row]) -> list[Row]:
    """The rows, with the first column named, of a table that was saved with its index."""
    has_labels = any(not _is_number(row.get("", "0")) for _, row in rows)
    for _, row in rows:
        label = row.pop("", None)
        if label is not None and has_labels and "condition" not in row:
            row["condition"] = label
    return rows


def _is_number(cell: str) -> bool:
    try:
        float(cell or "0")
    except ValueError:
        return False
    return True


def _as_text(rows: Rows) -> str:
    """A sheet as text; nothing where it holds nothing."""
    filled = [row for row in rows if any(cell not in (None, "") for cell in row)]
    if not filled:
        return ""
    width = max(i + 1 for row in filled for i, cell in enumerate(row) if cell not in (None, ""))
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(
        [["" if cell is None else cell for cell in row[:width]] for row in rows]
    )
    return text.getvalue()
