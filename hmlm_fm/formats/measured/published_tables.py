"""Published tables of measurements, wide or long, as measured sets: CSV, TSV and Excel."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...common.errors import FormatError
from ...common.files import stem
from ...model.conditions import MODALITIES
from ..tables import PathLike, number_of
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
from .table_files import Row, table_rows
from .table_roles import Roles, find_roles, is_called, likely_modality
from .table_words import (
    amount_unit,
    given_names,
    header_unit,
    is_of_treatment,
    name_and_dose,
    plain_dose,
    says_logarithm,
    stated_scale,
)

_INHIBITOR = re.compile(r"inhib|drug|compound", re.IGNORECASE)


@dataclass(frozen=True)
class TableOptions:
    """What a table does not state.

    Attributes:
        roles: of columns, where they are not to be found by names and contents.
        time_unit: `minutes` or `hours`; by the column's name, else hours, where empty. A table
            without times is of a steady state.
        scale: of the values, as `Scale.parse` reads it; what the names of columns say, or linear,
            where empty.
        modality: of the readouts; by their names where empty.
    """

    roles: Roles = Roles()
    time_unit: str = ""
    scale: str = ""
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
    return sets_of_rows(table_rows(path), options, path)


def sets_of_rows(
    rows: Sequence[Row],
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
    named = [roles.value] if roles.is_long else list(roles.readouts)
    readouts = dict.fromkeys(row[roles.readout] for _, row in rows) if roles.is_long else named
    modality = options.modality or likely_modality(tuple(readouts))
    scale = options.scale or stated_scale(named)
    notes = list(roles.notes)
    if not options.scale and scale:
        notes.append(f"values are on the scale {scale!r}, as the names of their columns say")
    elif not options.scale and says_logarithm(named):
        notes.append("a column says log, of which base is not known: values are taken as linear; "
                     "--scale states it")  # fmt: skip
    reader = _Reader(path, roles, modality, Scale.parse(scale or "linear"))
    for place, row in rows:
        reader.add(row, place)
    _refuse_unused(rows, roles, reader, path)
    return sets_of_lines(stem(path), reader.lines, notes)


def _refuse_unused(rows: Sequence[Row], roles: Roles, reader: _Reader, path: PathLike) -> None:
    """
    Raises:
        FormatError: a column without a role tells rows of one condition and time apart.
    """
    unused = [name for name in rows[0][1] if name not in roles.columns]
    for column in unused:
        values = [row[column] for _, row in rows]
        if len(set(values)) > 0.9 * len(values) or is_called(column, "none"):
            continue  # names of samples
        seen: dict[tuple[str, ...], tuple[str, str]] = {}
        for (place, row), key in zip(rows, reader.keys, strict=True):
            before, where = seen.setdefault(key, (row[column], place))
            if before != row[column]:
                raise FormatError(
                    f"column {column!r} has no role, and differs from {where} of the same "
                    "condition and time; expected its role (--given, --doses, --replicate, "
                    "--batch, --line), or the table without it",
                    path=path,
                    place=place,
                )


def table_roles(path: PathLike, options: TableOptions = TableOptions()) -> Roles:
    """What the columns of a table are.

    Raises:
        FormatError: as `read_published_table`.
    """
    return _roles_of(table_rows(path), options, path)


def _roles_of(rows: Sequence[Row], options: TableOptions, path: PathLike) -> Roles:
    if not rows:
        raise FormatError("it holds no rows", path=path)
    columns = {name: [row[name] for _, row in rows] for name in rows[0][1]}
    return find_roles(columns, options.roles, path, options.time_unit)


class _Reader:
    """Collects conditions and values by cell line."""

    def __init__(self, path: PathLike, roles: Roles, modality: str, scale: Scale) -> None:
        self.path, self.roles, self.modality, self.scale = path, roles, modality, scale
        self.lines: dict[str, tuple[dict[str, tuple[Treatment, ...]], list[Measurement]]] = {}
        self.keys: list[tuple[str, ...]] = []
        self._counts: Counter[tuple[str, str, str, float, str]] = Counter()
        self._doses_of = _doses_of_given(roles, path)

    def add(self, row: Mapping[str, str], place: str) -> None:
        """
        Raises:
            FormatError: a cell that is no number where one is expected, or no cell says what was
                given.
        """
        roles = self.roles
        line = row[roles.line] if roles.line else ""
        conditions, measurements = self.lines.setdefault(line, ({}, []))
        done = self._done(row, place)
        name = condition_name(done)
        conditions.setdefault(name, done)
        hours = self._hours(row, place)
        batch = row[roles.batch] if roles.batch else ""
        replicate = row[roles.replicate] if roles.replicate else ""
        readout = row[roles.readout] if roles.is_long else ""
        self.keys.append((line, name, repr(hours), batch, replicate, readout))
        columns = [(readout, roles.value, roles.sd)] if roles.is_long else [
            (column, column, roles.sd_of.get(column, roles.sd)) for column in roles.readouts
        ]  # fmt: skip
        modality = row[roles.modality] if roles.modality else ""
        for measured, column, sd_column in columns:
            if row[column].casefold() in EMPTY:
                continue
            value = number_of(row, column, self.path, place)
            sd = None
            if sd_column and row[sd_column].casefold() not in EMPTY:
                sd = number_of(row, sd_column, self.path, place) or None
            key = (line, name, measured, hours, f"{batch} {replicate}")
            self._counts[key] += 1
            own = replicate
            if self._counts[key] > 1:
                own = f"{replicate} {self._counts[key]}".strip()
            measurements.append(
                Measurement(
                    name, measured, hours, value,
                    modality if modality in MODALITIES else self.modality,
                    sd, self.scale, own, batch, place,
                )
            )  # fmt: skip

    def _hours(self, row: Mapping[str, str], place: str) -> float:
        column = self.roles.time
        if not column or row[column].casefold() in ("late", "inf", "steady state"):
            return LATE
        hours = number_of(row, column, self.path, place) * self.roles.hours_per_unit
        check_time(hours, self.path, place, column)
        return hours

    def _done(self, row: Mapping[str, str], place: str) -> tuple[Treatment, ...]:
        roles = self.roles
        if roles.given and not roles.doses and not any(row[column] for column in roles.given):
            raise FormatError(
                f"{', '.join(roles.given)} is empty; expected what was given, or none (merged "
                "cells of a sheet hold their text in the first row alone)",
                path=self.path,
                place=place,
            )
        found: list[Treatment] = []
        for column in roles.given:
            dose_column = self._doses_of.get(column, "")
            for cell in given_names(row[column]):
                name, dose, unit = name_and_dose(cell)
                kind, own = _kind(name, bool(_INHIBITOR.search(column)))
                if dose is None:
                    dose = 1.0
                    if dose_column:
                        dose, unit = self._dose(row, dose_column, place)
                if dose:
                    found.append(Treatment(kind, own, dose, unit=unit, place=place))
        for column in roles.doses:
            if column in self._doses_of.values():
                continue
            name, _ = header_unit(column)
            dose, unit = self._dose(row, column, place)
            if dose and not is_vehicle(name):
                kind, own = _kind(name, False)
                found.append(Treatment(kind, own, dose, unit=unit, place=place))
        return tuple(dict.fromkeys(found))

    def _dose(self, row: Mapping[str, str], column: str, place: str) -> tuple[float, str]:
        """A dose and its unit, of the cell, of the column, or of the column of units."""
        unit = amount_unit(header_unit(column)[1])
        if not unit and self.roles.unit:
            unit = amount_unit(row[self.roles.unit])
        cell = plain_dose(row[column])
        if cell is not None:
            return cell[0], cell[1] or unit
        return dose_of(row, column, self.path, place), unit


def _doses_of_given(roles: Roles, path: PathLike) -> dict[str, str]:
    """The column of doses of each column of what was given: that which bears its name, or the next
    one that is called dose.

    Raises:
        FormatError: a column of doses belongs to none.
    """
    if len(roles.given) == 1 == len(roles.doses) and not is_of_treatment(roles.doses[0]):
        return {roles.given[0]: roles.doses[0]}
    found: dict[str, str] = {}
    for column in (name for name in roles.doses if is_called(name, "dose")):
        plain = header_unit(column)[0].casefold()
        free = [name for name in roles.given if name not in found]
        named = [name for name in free if name.casefold() in plain]
        before = [name for name in free if roles.place(name) < roles.place(column)]
        if named or before or free:
            found[(named or before[-1:] or free)[0]] = column
        elif not is_of_treatment(plain.replace("dose", "").strip()):
            raise FormatError(
                f"column {column!r} is of the dose of nothing; expected a column of what was given",
                path=path,
            )
    return found


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
