"""MIDAS, the tables of measurements that CellNOpt and the DREAM challenges use.

A row for each treatment and time. Columns, by the start of their names:

- `TR:NAME` or `TR:NAME:TYPE`: what was given, as a level in [0, 1]; empty for none. Of the type
  `CellLine` or `CellType` it names the cells. Of the type `Inhibitors`, or without a type and
  named as a molecule with an `i` behind, it inhibits that molecule. `NOCYTO` and `NOINHIB` do
  nothing.
- `DA:NAME`, or `DA:ALL` for all of them: when it was measured.
- `DV:NAME`: the value; empty, `NA` or `NaN` where there is none.

Names are those of the network, or its only ones but for case; of what was measured a `p-` before
the name is nothing but that. Source of the format: Saez-Rodriguez et al., Bioinformatics
2008;24:840, and what CellNOptR reads.
"""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...common.errors import FormatError, FormatWarning
from ...common.files import read_start, read_text
from ...model.conditions import MODALITIES, Condition, Observation, Perturbation
from ...model.error_base import HMLMError, did_you_mean, quoted
from ...model.network import SignalingNetwork
from ..tables import PathLike, header_of_text, number_of, rows_of, warn_of_unknown
from .condition_tables import check_ranges
from .midas_columns import (
    CELLS,
    KINDS_OF_COLUMNS,
    Columns,
    Treatment,
    kind_of_column,
    name_of_column,
    type_of_treatment,
)

HOURS_OF = {"minutes": 1 / 60, "hours": 1.0}
INHIBITION = 0.9
"""Share of what a molecule passes on that its inhibitor takes away at level 1, unless stated."""

_EMPTY = ("", "na", "nan")


def read_midas(
    path: PathLike,
    network: SignalingNetwork,
    *,
    time_unit: str = "minutes",
    modality: str = "activity",
    inhibition: float = INHIBITION,
    cell_line: str | None = None,
) -> tuple[dict[str, Condition], dict[str, tuple[Observation, ...]]]:
    """Read a table of MIDAS.

    Replicates are averaged: two or three are too few for their spread. Conditions are named by
    what was done, such as `TGFa + MEK12i`. What was measured before anything was given stays the
    condition that it is in the table, such as an inhibitor alone at time 0, and is not carried to
    others.

    Args:
        path: the table.
        network: whose molecules it names. What is done to others, and what was measured of
            them, is left out, and one `FormatWarning` names them.
        time_unit: of its times, of `HOURS_OF`; MIDAS does not state it.
        modality: of its values.
        inhibition: strength of an inhibitor at level 1.
        cell_line: whose rows to read; needed where there are several.

    Returns:
        Conditions and observations by condition. Conditions of which nothing was measured are left
        out, and a `FormatWarning` names them.

    Raises:
        FormatError: a missing file, no columns of one of the three kinds, a value without a time,
            two columns of one molecule, a treatment of a type that is not known, a row of another
            length, a level outside [0, 1], a time or value that is no number or out of its range,
            several cell lines or an unknown one, or no molecule of the network. The message names
            file and row.
        HMLMError: an unknown unit or modality, or an inhibition outside [0, 1].
    """
    for what, stated, known in (
        ("time_unit", time_unit, HOURS_OF),
        ("modality", modality, MODALITIES),
    ):
        if stated not in known:
            raise HMLMError(f"{what} is {stated!r}; expected one of {', '.join(known)}")
    if not 0 <= inhibition <= 1:
        raise HMLMError(f"inhibition is {inhibition}; expected a strength in [0, 1]")
    text = read_text(path)
    columns = Columns.from_header(header_of_text(text), network, path)
    unmeasured = [c for c, molecule in columns.molecule_of.items() if molecule is None]
    read = _Rows(unknown={name_of_column(column): [] for column in unmeasured})
    for place, row in _rows_of_cells(path, text, columns.read, cell_line):
        name = _add_condition(read, row, columns, inhibition, path, place)
        _add_values(read, name, row, columns, HOURS_OF[time_unit], modality, path, place)
    if not read.conditions:
        raise FormatError("it holds no rows", path=path)
    changed = tuple(dict.fromkeys(name for names in read.unknown.values() for name in names))
    warn_of_unknown(read.unknown, columns.molecules(), network, path, changed)
    return _measured_conditions(read, modality, network, path)


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
    """What the rows of a table hold.

    Attributes:
        unknown: molecules that the network has not, with the conditions that name them.
        conditions: by name.
        values: of the replicates, by condition, molecule and hours.
    """

    unknown: dict[str, list[str]]
    conditions: dict[str, Condition] = field(default_factory=dict)
    values: dict[tuple[str, str, float], list[float]] = field(default_factory=dict)


def _add_condition(
    read: _Rows,
    row: Mapping[str, str],
    columns: Columns,
    inhibition: float,
    path: PathLike,
    place: str,
) -> str:
    """Add what was done in a row; returns the name of the condition.

    Raises:
        FormatError: a level that is none, or another condition of the same name.
    """
    done = {
        column: level
        for column in (*(t.column for t in columns.treatments), *columns.unknown)
        if (level := _level(row, column, path, place))
    }
    name = _name_of_condition(done, columns.treatments)
    condition = _condition(columns.treatments, done, inhibition, path, place)
    if read.conditions.setdefault(name, condition) != condition:
        raise FormatError(
            f"what was done is called {name!r}, as is something else that was; expected other "
            "names of treatments",
            path=path,
            place=place,
        )
    for column in columns.unknown:
        read.unknown.setdefault(name_of_column(column), []).extend([name] * (column in done))
    return name


def _add_values(
    read: _Rows,
    name: str,
    row: Mapping[str, str],
    columns: Columns,
    hours_per_unit: float,
    modality: str,
    path: PathLike,
    place: str,
) -> None:
    """Add what was measured in a row under the condition `name`.

    Raises:
        FormatError: a time or value that is no number or out of its range.
    """
    for column, molecule in columns.molecule_of.items():
        if molecule is None or row[column].casefold() in _EMPTY:
            continue
        value = number_of(row, column, path, place)
        time_column = columns.time_of[column]
        hours = number_of(row, time_column, path, place) * hours_per_unit
        observation = Observation(molecule, hours, value, modality)
        check_ranges(observation, path, place, time_column, column)
        read.values.setdefault((name, molecule, hours), []).append(value)


def _measured_conditions(
    read: _Rows, modality: str, network: SignalingNetwork, path: PathLike
) -> tuple[dict[str, Condition], dict[str, tuple[Observation, ...]]]:
    """The conditions of which something was measured, and the means of the replicates.

    Raises:
        FormatError: nothing was measured of any.
    """
    observations: dict[str, tuple[Observation, ...]] = dict.fromkeys(read.conditions, ())
    for (name, molecule, hours), replicates in read.values.items():
        mean = statistics.fmean(replicates)
        observations[name] += (Observation(molecule, hours, mean, modality),)
    bare = [name for name, measured in observations.items() if not measured]
    if len(bare) == len(read.conditions):
        raise FormatError(f"it holds no value of a molecule of network {network.name!r}", path=path)
    if bare:
        warnings.warn(
            f"{path}: left out condition {quoted(bare)}, of which nothing was measured",
            FormatWarning,
            stacklevel=3,
        )
    kept = [name for name in read.conditions if name not in bare]
    return {n: read.conditions[n] for n in kept}, {n: observations[n] for n in kept}


def _rows_of_cells(
    path: PathLike, text: str, columns: Sequence[str], cell_line: str | None
) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of one cell line.

    Raises:
        FormatError: there are several, or none of this name.
    """
    lines = {
        name_of_column(column): column
        for column in columns
        if kind_of_column(column) == "TR" and type_of_treatment(column) in CELLS
    }
    if cell_line is not None and cell_line not in lines:
        hint = did_you_mean(cell_line, lines)
        there = ", ".join(lines) or "none"
        raise FormatError(f"there is no cell line {cell_line!r}; it has {there}{hint}", path=path)
    first: str | None = None
    for place, row in rows_of(path, columns, text=text):
        of = {name for name, column in lines.items() if _level(row, column, path, place)}
        if cell_line is not None:
            if cell_line in of:
                yield place, row
            continue
        line = " and ".join(sorted(of))
        first = line if first is None else first
        if line != first:
            raise FormatError(
                f"it is of cell line {line!r}, and others of {first!r}; expected the name of the "
                "one to read, as cell_line or --cell-line",
                path=path,
                place=place,
            )
        yield place, row


def _level(row: Mapping[str, str], column: str, path: PathLike, place: str) -> float:
    """
    Raises:
        FormatError: it is no number in [0, 1].
    """
    if row[column].casefold() in _EMPTY:
        return 0.0
    level = number_of(row, column, path, place)
    if not 0 <= level <= 1:
        raise FormatError(
            f"{column} is {row[column]!r}; expected a level in [0, 1], not a concentration",
            path=path,
            place=place,
        )
    return level


def _name_of_condition(done: Mapping[str, float], treatments: Sequence[Treatment]) -> str:
    inhibitors = {treatment.column for treatment in treatments if treatment.inhibits}
    parts = []
    for column, level in done.items():
        name = name_of_column(column)
        if column in inhibitors and not name.endswith(("i", "I")):
            name += "i"
        parts.append(name + (f" {level:.12g}" if level != 1 else ""))
    return " + ".join(parts) or "control"


def _condition(
    treatments: Sequence[Treatment],
    done: Mapping[str, float],
    inhibition: float,
    path: PathLike,
    place: str,
) -> Condition:
    """
    Raises:
        FormatError: a molecule is given, or inhibited, twice.
    """
    stimuli: dict[str, float] = {}
    inhibited: dict[str, Perturbation] = {}
    for treatment in treatments:
        if treatment.column not in done:
            continue
        level, molecule = done[treatment.column], treatment.molecule
        if molecule in (inhibited if treatment.inhibits else stimuli):
            raise FormatError(
                f"{treatment.column} does to {molecule!r} what another column does; expected one",
                path=path,
                place=place,
            )
        if treatment.inhibits:
            inhibited[molecule] = Perturbation(molecule, "inhibition", level * inhibition)
        else:
            stimuli[molecule] = level
    return Condition(stimuli, tuple(inhibited.values()))
