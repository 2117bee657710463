"""Published tables of measurements, wide or long, as measured sets: CSV, TSV and Excel."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...common.errors import FormatError
from ...common.files import read_start, read_text, stem
from ...model.conditions import MODALITIES
from ..spreadsheet import OLE_MAGIC, ZIP_MAGIC, read_sheets
from ..tables import PathLike, header_of_text, number_of, rows_of
from .drug_targets import shipped_targets
from .line_sets import sets_of_lines
from .measured_set import (
    DRUG,
    LATE,
    STIMULUS,
    MeasuredSet,
    Measurement,
    Scale,
    Treatment,
    condition_name,
    is_vehicle,
)
from .set_tables import EMPTY, check_time, dose_of
from .table_roles import Roles, find_roles, given_names, likely_modality

_INHIBITOR = re.compile(r"inhib|drug|compound", re.IGNORECASE)


@dataclass(frozen=True)
class TableOptions:
    """What a table does not state.

    Attributes:
        roles: of columns, where they are not to be found by names and contents.
        time_unit: `minutes` or `hours`; by the column's name, else hours, where empty. A table
            without times is of a steady state.
        scale: of the values, as `Scale.parse` reads it.
        modality: of the readouts; by their names where empty.
    """

    roles: Roles = Roles()
    time_unit: str = ""
    scale: str = "linear"
    modality: str = ""


def read_published_table(
    path: PathLike, options: TableOptions = TableOptions()
) -> tuple[MeasuredSet, ...]:
    """Read a wide or a long table as measured sets, one for each cell line.

    A row in which nothing was given, or a vehicle, is a control. Rows of one condition and time are
    replicates. Raw intensities are put on log2, see `on_log2`.

    Raises:
        FormatError: a missing file, no table, no columns of what was given or was measured, a row
            of another length, or a cell that is no number where one is expected. The message names
            file and row.
        HMLMError: an unknown scale.
    """
    return sets_of_rows(_rows(path), options, path)


def sets_of_rows(
    rows: Sequence[tuple[str, dict[str, str]]],
    options: TableOptions,
    path: PathLike,
    roles: Roles | None = None,
) -> tuple[MeasuredSet, ...]:
    """The measured sets of places and cells, by column, as `read_published_table` makes them.

    Args:
        rows: of a table, or of what can be written as one.
        options: what it does not state.
        path: the file, for messages and names.
        roles: of the columns; found where None.

    Raises:
        FormatError, HMLMError: as `read_published_table`.
    """
    roles = roles or _roles_of(rows, options, path)
    readouts = (
        tuple(dict.fromkeys(row[roles.readout] for _, row in rows))
        if roles.is_long
        else roles.readouts
    )
    modality = options.modality or likely_modality(readouts)
    reader = _Reader(path, roles, modality, Scale.parse(options.scale))
    for place, row in rows:
        reader.add(row, place)
    return sets_of_lines(stem(path), reader.lines, roles.notes)


def table_roles(path: PathLike, options: TableOptions = TableOptions()) -> Roles:
    """What the columns of a table are.

    Raises:
        FormatError: as `read_published_table`.
    """
    return _roles_of(_rows(path), options, path)


def _roles_of(
    rows: Sequence[tuple[str, dict[str, str]]], options: TableOptions, path: PathLike
) -> Roles:
    if not rows:
        raise FormatError("it holds no rows", path=path)
    columns = {name: [row[name] for _, row in rows] for name in rows[0][1]}
    return find_roles(columns, options.roles, path, options.time_unit)


MOST_COLUMNS = 4000
"""Of a workbook's sheet; no panel of readouts has more."""


def _rows(path: PathLike) -> list[tuple[str, dict[str, str]]]:
    """Place and cells of the rows of a file. Of a workbook the first sheet that holds anything is
    read.

    Raises:
        FormatError: it cannot be read, has no header, or a row is of another length.
    """
    if read_start(path).startswith((ZIP_MAGIC, OLE_MAGIC)):
        text = _sheet_as_text(path)
    else:
        text = read_text(path)
    header = header_of_text(text)
    named = [name for name in header if name]
    if len(named) < 2:
        raise FormatError("it is no table with a header; expected columns", path=path)
    found = list(rows_of(path, named, text=text))
    # The first column of a table that was saved with its index has no name.
    has_labels = any(not _is_number(row.get("", "0")) for _, row in found)
    for _, row in found:
        label = row.pop("", None)
        if label is not None and has_labels and "condition" not in row:
            row["condition"] = label
    return found


def _is_number(cell: str) -> bool:
    try:
        float(cell or "0")
    except ValueError:
        return False
    return True


def _sheet_as_text(path: PathLike) -> str:
    """The first sheet that holds anything, as text."""
    sheets = read_sheets(path, most_columns=MOST_COLUMNS)
    for rows in sheets.values():
        filled = [row for row in rows if any(cell not in (None, "") for cell in row)]
        if filled:
            width = max(
                i + 1 for row in filled for i, cell in enumerate(row) if cell not in (None, "")
            )
            text = io.StringIO(newline="")
            csv.writer(text, lineterminator="\n").writerows(
                [["" if cell is None else cell for cell in row[:width]] for row in rows]
            )
            return text.getvalue()
    raise FormatError("its sheets are empty; expected a table with a header", path=path)


class _Reader:
    """Collects conditions and values by cell line."""

    def __init__(self, path: PathLike, roles: Roles, modality: str, scale: Scale) -> None:
        self.path, self.roles, self.modality, self.scale = path, roles, modality, scale
        self.lines: dict[str, tuple[dict[str, tuple[Treatment, ...]], list[Measurement]]] = {}
        self._counts: Counter[tuple[str, str, str, float, str]] = Counter()

    def add(self, row: Mapping[str, str], place: str) -> None:
        """
        Raises:
            FormatError: a cell that is no number where one is expected.
        """
        roles = self.roles
        line = row[roles.line] if roles.line else ""
        conditions, measurements = self.lines.setdefault(line, ({}, []))
        done = self._done(row, place)
        name = condition_name(done)
        conditions.setdefault(name, done)
        hours = LATE
        if roles.time and row[roles.time].casefold() not in (*EMPTY, "late"):
            hours = number_of(row, roles.time, self.path, place) * roles.hours_per_unit
            check_time(hours, self.path, place, roles.time)
        columns = [(row[roles.readout], roles.value)] if roles.is_long else [
            (column, column) for column in roles.readouts
        ]  # fmt: skip
        for readout, column in columns:
            if row[column].casefold() in EMPTY:
                continue
            value = number_of(row, column, self.path, place)
            batch = row[roles.batch] if roles.batch else ""
            replicate = row[roles.replicate] if roles.replicate else ""
            key = (line, name, readout, hours, f"{batch} {replicate}")
            self._counts[key] += 1
            if self._counts[key] > 1:
                replicate = f"{replicate} {self._counts[key]}".strip()
            sd = None
            if roles.sd and row[roles.sd].casefold() not in EMPTY:
                sd = number_of(row, roles.sd, self.path, place) or None
            modality = row[roles.modality] if roles.modality else ""
            measurements.append(
                Measurement(
                    name, readout, hours, value,
                    modality if modality in MODALITIES else self.modality,
                    sd, self.scale, replicate, batch, place,
                )
            )  # fmt: skip

    def _done(self, row: Mapping[str, str], place: str) -> tuple[Treatment, ...]:
        roles = self.roles
        found: list[Treatment] = []
        single = roles.doses[0] if len(roles.given) == 1 == len(roles.doses) else ""
        for column in roles.given:
            for name in given_names(row[column]):
                kind, own = _kind(name, bool(_INHIBITOR.search(column)))
                dose = dose_of(row, single, self.path, place) if single else 1.0
                if dose:
                    found.append(Treatment(kind, own, dose, place=place))
        for column in () if single else roles.doses:
            dose = dose_of(row, column, self.path, place)
            if dose and not is_vehicle(column):
                kind, own = _kind(column, False)
                found.append(Treatment(kind, own, dose, place=place))
        return tuple(dict.fromkeys(found))


def _kind(name: str, is_inhibitor: bool) -> tuple[str, str]:
    """Kind and name of what was given: a drug by its name, an inhibitor by that of its target."""
    known = shipped_targets()
    if known.find(name) is not None:
        return DRUG, name
    # JAKi-tofacitinib names the drug behind its target.
    tail = re.fullmatch(r"(.+)i[-_ ](.+)", name)
    if tail and known.find(tail[2]) is not None:
        return DRUG, tail[2]
    if tail and is_inhibitor:
        return "inhibition", tail[1]
    if name.endswith("i") and len(name) > 2:
        return "inhibition", name[:-1]
    return (DRUG if is_inhibitor else STIMULUS), name
