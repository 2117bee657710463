"""MIDAS, the tables of measurements that CellNOpt and the DREAM challenges use.

A row for each treatment and time. Columns, by the start of their names:

- `TR:NAME` or `TR:NAME:TYPE`: what was given, as a level in [0, 1] or a dose; empty for none. Of
  the type `CellLine` or `CellType` it names the cells, or holds their name as text. Of the type
  `Inhibitors`, or without a type and named as a molecule with an `i` behind, it inhibits that
  molecule. Vehicles (`NOCYTO`, `NO-INHIB`, `PBS`, `DMSO`) do nothing. `EGF/NRG1a` gives both,
  and `loX` beside `hiX` are two levels of X.
- `DA:NAME`, or `DA:ALL` for all of them: when it was measured.
- `DV:NAME`: the value; empty, `NA` or `NaN` where there is none.

Source of the format: Saez-Rodriguez et al., Bioinformatics 2008;24:840, what CellNOptR reads, and
the tables of HPN-DREAM (Hill et al., Nat Methods 2016;13:310).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ...common.errors import FormatError
from ...common.files import read_start, read_text, stem
from ...model.conditions import MODALITIES
from ...model.error_base import HMLMError, did_you_mean
from ...model.network import SignalingNetwork
from ..tables import PathLike, header_of_text, number_of, rows_of
from .drug_targets import STRENGTH
from .line_sets import sets_of_lines
from .measured_set import (
    DRUG,
    STIMULUS,
    MeasuredSet,
    Measurement,
    Scale,
    Treatment,
    condition_name,
)
from .midas_columns import KINDS_OF_COLUMNS, Columns, Given, kind_of_column, name_of_column
from .set_tables import EMPTY, check_time, dose_of
from .time_units import HOURS_OF

INHIBITION = STRENGTH
"""Share of what a molecule passes on that its inhibitor takes away at level 1, unless stated."""


def read_midas_sets(
    path: PathLike,
    network: SignalingNetwork | None = None,
    *,
    time_unit: str = "minutes",
    modality: str = "",
    inhibition: float = INHIBITION,
    scale: str = "linear",
) -> tuple[MeasuredSet, ...]:
    """Read a table of MIDAS as measured sets, one for each cell line.

    Conditions are named by what was done, such as `TGFa + MEK12i`. What was measured before
    anything was given stays the condition that it is in the table, such as an inhibitor alone at
    time 0, and is not carried to others. Rows of one condition and time are replicates.

    Args:
        path: the table.
        network: tells inhibitors from stimuli, where columns do not state their type.
        time_unit: of its times, of `HOURS_OF`; MIDAS does not state it.
        modality: of its values; activities where all lie in [0, 1], else phosphoproteins, unless
            stated.
        scale: of its values. Raw intensities are put on log2, see `on_log2`.
        inhibition: strength of an inhibitor at level 1.

    Raises:
        FormatError: a missing file, no columns of one of the three kinds, a value without a time,
            two columns of one name, a treatment of a type that is not known, a row of another
            length, a level below 0, a time or value that is no number or out of its range, or
            no rows. The message names file and row.
        HMLMError: an unknown unit, modality or scale, or an inhibition outside [0, 1].
    """
    for what, stated, known in (
        ("time_unit", time_unit, HOURS_OF),
        ("modality", modality or MODALITIES[0], MODALITIES),
    ):
        if stated not in known:
            raise HMLMError(f"{what} is {stated!r}; expected one of {', '.join(known)}")
    if not 0 <= inhibition <= 1:
        raise HMLMError(f"inhibition is {inhibition}; expected a strength in [0, 1]")
    text = read_text(path)
    reader = _Reader(path, Columns.from_header(header_of_text(text), path, network))
    reader.hours, reader.scale = HOURS_OF[time_unit], Scale.parse(scale)
    for place, row in rows_of(path, reader.columns.read, text=text):
        reader.add(row, place)
    if not reader.lines:
        raise FormatError("it holds no rows", path=path)
    modality = modality or reader.likely_modality()
    base = re.sub(r"^(MD|MIDAS)[-_]", "", stem(path))
    lines = {
        line: (rows.conditions, [replace(m, modality=modality) for m in rows.measurements])
        for line, rows in reader.lines.items()
    }
    return sets_of_lines(base, lines, reader.notes(), inhibition)


def one_line(sets: tuple[MeasuredSet, ...], cell_line: str | None, path: PathLike) -> MeasuredSet:
    """The set of a cell line, or the only one.

    Raises:
        FormatError: there are several, or none of this name.
    """
    lines = {one.cell_line: one for one in sets}
    if cell_line is None:
        if len(sets) > 1:
            raise FormatError(
                f"it is of the cell lines {', '.join(map(repr, lines))}; expected the name of the "
                "one to read, as cell_line or --cell-line",
                path=path,
            )
        return sets[0]
    if cell_line not in lines:
        hint = did_you_mean(cell_line, lines)
        there = ", ".join(lines) or "none"
        raise FormatError(f"there is no cell line {cell_line!r}; it has {there}{hint}", path=path)
    return lines[cell_line]


def is_midas(path: PathLike) -> bool:
    """Whether a file is a MIDAS table, by its header: columns of at least two of the three kinds.

    Raises:
        FormatError: there is no such file, or it cannot be read.
    """
    start = read_start(path).decode("utf-8-sig", errors="replace")
    kinds = {kind_of_column(column) for column in header_of_text(start)}
    return len(kinds & KINDS_OF_COLUMNS.keys()) > 1


@dataclass
class _Rows:
    """What the rows of one cell line hold."""

    conditions: dict[str, tuple[Treatment, ...]] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)
    replicates: Counter[tuple[str, str, float]] = field(default_factory=Counter)


@dataclass
class _Reader:
    """Collects the rows of a table by cell line."""

    path: PathLike
    columns: Columns
    hours: float = 1.0
    scale: Scale = Scale()
    lines: dict[str, _Rows] = field(default_factory=dict)

    def add(self, row: Mapping[str, str], place: str) -> None:
        """
        Raises:
            FormatError: a level, time or value that is no number or out of its range.
        """
        rows = self.lines.setdefault(self._line(row, place), _Rows())
        done = self._done(row, place)
        name = condition_name(done)
        if rows.conditions.setdefault(name, done) != done:
            raise FormatError(
                f"what was done is called {name!r}, as is something else that was; expected other "
                "names of treatments",
                path=self.path,
                place=place,
            )
        for column, time_column in self.columns.time_of.items():
            if row[column].casefold() in EMPTY:
                continue
            value = number_of(row, column, self.path, place)
            hours = number_of(row, time_column, self.path, place) * self.hours
            check_time(hours, self.path, place, time_column)
            readout = name_of_column(column)
            rows.replicates[name, readout, hours] += 1
            count = rows.replicates[name, readout, hours]
            rows.measurements.append(
                Measurement(
                    name, readout, hours, value, scale=self.scale,
                    replicate=str(count) if count > 1 else "", place=f"{place}, {column}",
                )
            )  # fmt: skip

    def _line(self, row: Mapping[str, str], place: str) -> str:
        """The cell line of a row: what its columns are named, or the text that they hold."""
        found = []
        for column in self.columns.cells:
            text = row[column]
            try:
                is_on = text.casefold() not in EMPTY and float(text) > 0
            except ValueError:
                found.append(text)
                continue
            if is_on:
                found.append(name_of_column(column))
        return " and ".join(sorted(found))

    def _done(self, row: Mapping[str, str], place: str) -> tuple[Treatment, ...]:
        """
        Raises:
            FormatError: a level that is none.
        """
        levels: dict[Given, float] = {}
        for column, given in self.columns.given.items():
            level = dose_of(row, column, self.path, place)
            for one in given if level else ():
                key = Given(one.kind, one.name)
                levels[key] = max(levels.get(key, 0.0), level * one.level)
        return tuple(
            Treatment(given.kind, given.name, level, place=place) for given, level in levels.items()
        )

    def likely_modality(self) -> str:
        """Activities where all values lie in [0, 1], else phosphoproteins, which MIDAS is for."""
        values = (m.value for rows in self.lines.values() for m in rows.measurements)
        return "activity" if all(0 <= value <= 1 for value in values) else "phosphoprotein"

    def notes(self) -> tuple[str, ...]:
        """What was made of columns that do not say it themselves."""
        drugs, untyped = [], []
        for column, given in self.columns.given.items():
            for one in given:
                if one.kind == DRUG:
                    drugs.append(one.name)
                elif one.kind != STIMULUS and column.count(":") == 1:
                    untyped.append(f"{name_of_column(column)} inhibits {one.name}")
        return tuple(
            f"{what}: {', '.join(dict.fromkeys(names))}"
            for what, names in (
                ("taken for inhibitors by their names", untyped),
                ("drugs by their names", drugs),
            )
            if names
        )
