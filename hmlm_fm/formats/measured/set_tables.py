"""The two tables of a measured set: what was done in each condition, and what was measured.

Separated by commas, semicolons or tabs, possibly gzipped, with a header:

- conditions: `condition`, `kind` (of `KINDS`), `molecule` (or the drug), `value` (the level or
  strength in [0, 1], or a dose), and optionally `start_hours`, `end_hours`, and `unit` (of a dose).
  One row for each thing that is done; a row that names only its condition does nothing, as a
  control's.
- observations: `condition`, `molecule` (what was measured), `time_hours` (or `late`), `value`, and
  optionally `modality` (activity where empty), `sd` (in the unit of the value), `scale`,
  `replicate` and `batch`.

Other columns are not read. Numbers have a decimal point.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence

from ...common.errors import FormatError
from ...common.files import write_text
from ...model.conditions import LONGEST_HOURS, MODALITIES, Perturbation
from ...model.error_base import HMLMError, did_you_mean
from ..lost_content import refuse_breaks
from ..tables import PathLike, is_repeated, number_of, rows_of, text_of
from .measured_set import DRUG, KINDS, LATE, STIMULUS, Measurement, Scale, Treatment

CONDITION_COLUMNS = ("condition", "kind", "molecule", "value")
DETAIL_COLUMNS = ("start_hours", "end_hours", "unit")
OBSERVATION_COLUMNS = ("condition", "molecule", "time_hours", "value")
OPTIONAL_OBSERVATION_COLUMNS = ("modality", "sd", "scale", "replicate", "batch")

_REPLICATES = " (replicates have a column replicate)"


def read_treatments(path: PathLike) -> dict[str, tuple[Treatment, ...]]:
    """Read a table of conditions: what was done in each, in the order of the table.

    Raises:
        FormatError: a missing file or column, a row of another length, no rows, an unknown kind, a
            level or strength outside [0, 1], a negative dose, an empty window, or one thing done
            twice with different values. The message names file and row.
    """
    earlier: dict[tuple[object, ...], tuple[object, str]] = {}
    found: dict[str, list[Treatment]] = {}
    for place, row in rows_of(path, CONDITION_COLUMNS, DETAIL_COLUMNS):
        name = text_of(row, "condition", path, place)
        done = found.setdefault(name, [])
        treatment = _treatment(row, path, place)
        if treatment is None:
            continue
        stated = (treatment.value, treatment.unit)
        if not is_repeated(earlier, (name, *treatment.key), stated, path, place):
            done.append(treatment)
    if not found:
        raise FormatError("it holds no conditions", path=path)
    return {name: tuple(done) for name, done in found.items()}


def read_values(
    path: PathLike, conditions: Mapping[str, object] | None = None
) -> tuple[Measurement, ...]:
    """Read a table of what was measured, in the order of the table.

    Args:
        path: the table.
        conditions: those that there are, by name; any where None.

    Raises:
        FormatError: a missing file or column, a row of another length, no rows, an unknown
            modality or scale, values of one readout on two scales, a time that is negative, beyond
            `LONGEST_HOURS` or no number, an sd that is not above 0, one thing measured twice with
            different values, or an unknown condition. The message names file and row.
    """
    found: list[Measurement] = []
    earlier: dict[tuple[object, ...], tuple[object, str]] = {}
    scales: dict[tuple[str, str], Measurement] = {}
    for place, row in rows_of(path, OBSERVATION_COLUMNS, OPTIONAL_OBSERVATION_COLUMNS):
        name = text_of(row, "condition", path, place)
        if conditions is not None and name not in conditions:
            hint = did_you_mean(name, conditions)
            raise FormatError(
                f"condition {name!r} is none of the {len(conditions)} that are defined{hint}",
                path=path,
                place=place,
            )
        measurement = _measurement(row, path, place)
        m = measurement
        key = (name, m.readout, m.time_hours, m.modality, m.replicate, m.batch)
        if is_repeated(earlier, key, (m.value, m.sd), path, place, _REPLICATES):
            continue
        first = scales.setdefault((m.readout, m.modality), m)
        if first.scale != m.scale:
            raise FormatError(
                f"{m.readout} is on the scale {str(m.scale)!r}, in {first.place} on "
                f"{str(first.scale)!r}; expected one scale of all values of a readout",
                path=path,
                place=place,
            )
        found.append(measurement)
    if not found:
        raise FormatError("it holds no observations", path=path)
    return tuple(found)


def write_treatments(conditions: Mapping[str, Sequence[Treatment]], path: PathLike) -> None:
    """Write conditions as a comma-separated table that `read_treatments` reads.

    Raises:
        FormatError: there are none, or a name is blank, padded, or has a tab or a line break.
        OSError: the file cannot be written.
    """
    if not conditions:
        raise FormatError("there are no conditions to write", path=path)
    rows: list[tuple[str, ...]] = []
    for name, done in conditions.items():
        _refuse_names((name, *(t.name for t in done)), "a table of conditions")
        rows += [(name, *_treatment_cells(t)) for t in done] or [(name, *[""] * 6)]
    _write((*CONDITION_COLUMNS, *DETAIL_COLUMNS), rows, path)


def write_values(measurements: Sequence[Measurement], path: PathLike) -> None:
    """Write values as a comma-separated table that `read_values` reads.

    Raises:
        FormatError: there are none, or a name is blank, padded, or has a tab or a line break.
        OSError: the file cannot be written.
    """
    if not measurements:
        raise FormatError("there are none; a table of observations cannot hold that", path=path)
    _refuse_names(
        {name for m in measurements for name in (m.condition, m.readout)},
        "a table of observations",
    )
    rows = [
        (
            m.condition, m.readout, "late" if m.time_hours == LATE else _number(m.time_hours),
            _number(m.value), m.modality, "" if m.sd is None else _number(m.sd), str(m.scale),
            m.replicate, m.batch,
        )
        for m in measurements
    ]  # fmt: skip
    _write((*OBSERVATION_COLUMNS, *OPTIONAL_OBSERVATION_COLUMNS), rows, path)


# -- rows ---------------------------------------------------------------------------------------


def _treatment(row: Mapping[str, str], path: PathLike, place: str) -> Treatment | None:
    """What a row does, or nothing."""
    kind, unit = row["kind"], row.get("unit", "")
    window = [row.get(column, "") for column in DETAIL_COLUMNS[:2]]
    if not any((kind, row["molecule"], row["value"], *window)):
        return None
    if kind not in KINDS:
        found = f"kind is {kind!r}" if kind else "kind is empty"
        hint = did_you_mean(kind, KINDS)
        raise FormatError(
            f"{found}; expected one of {', '.join(KINDS)}{hint}", path=path, place=place
        )
    molecule = text_of(row, "molecule", path, place)
    value = 1.0
    if kind not in ("knockout", DRUG) or row["value"]:
        value = number_of(row, "value", path, place)
    if kind == DRUG or unit:
        if value < 0:
            raise FormatError(
                f"value is {row['value']!r}; expected a dose of at least 0", path=path, place=place
            )
    elif not 0.0 <= value <= 1.0:
        raise FormatError(
            f"value is {row['value']!r}; expected a number in [0, 1], or a dose with its unit in a "
            "column unit",
            path=path,
            place=place,
        )
    start = number_of(row, "start_hours", path, place) if window[0] else 0.0
    end = number_of(row, "end_hours", path, place) if window[1] else math.inf
    try:
        if kind not in (STIMULUS, DRUG) and not unit:
            Perturbation(molecule, kind, value)
    except HMLMError as error:
        raise FormatError(str(error), path=path, place=place) from None
    if not (start < end and end >= 0):
        raise FormatError(
            f"window {start:g} to {end:g} hours; expected start < end, and an end after 0 (or "
            "at 0, of what was taken away then)",
            path=path,
            place=place,
        )
    return Treatment(kind, molecule, value, start, end, unit, place)


def _measurement(row: Mapping[str, str], path: PathLike, place: str) -> Measurement:
    molecule = text_of(row, "molecule", path, place)
    modality = row.get("modality") or "activity"
    if modality not in MODALITIES:
        raise FormatError(
            f"modality is {modality!r}; expected one of {', '.join(MODALITIES)}"
            + did_you_mean(modality, MODALITIES),
            path=path,
            place=place,
        )
    is_late = row["time_hours"].casefold() == "late"
    hours = LATE if is_late else number_of(row, "time_hours", path, place)
    check_time(hours, path, place)
    value = number_of(row, "value", path, place)
    sd = None
    if row.get("sd"):
        sd = number_of(row, "sd", path, place)
        if sd <= 0:
            raise FormatError(
                f"sd is {row['sd']!r}; expected a number above 0, or nothing",
                path=path,
                place=place,
            )
    try:
        scale = Scale.parse(row.get("scale", ""))
    except HMLMError as error:
        raise FormatError(str(error), path=path, place=place) from None
    return Measurement(
        row["condition"], molecule, hours, value, modality, sd, scale, row.get("replicate", ""),
        row.get("batch", ""), place,
    )  # fmt: skip


EMPTY = ("", "na", "nan", "n/a", "null", "nd", "n.d.", "n.a.", "-", "#n/a")
"""Cells of published tables that hold nothing, in lower case."""


def dose_of(row: Mapping[str, str], column: str, path: PathLike, place: str) -> float:
    """A level or a dose of a published table; nothing is 0.

    Raises:
        FormatError: it is no number of at least 0.
    """
    if row[column].casefold() in EMPTY:
        return 0.0
    dose = number_of(row, column, path, place)
    if dose < 0:
        raise FormatError(
            f"{column} is {row[column]!r}; expected a level or a dose of at least 0",
            path=path,
            place=place,
        )
    return dose


def check_time(hours: float, path: PathLike, place: str, column: str = "time_hours") -> None:
    """
    Raises:
        FormatError: it is negative, or beyond `LONGEST_HOURS` and not `LATE`.
    """
    if hours != LATE and not 0 <= hours <= LONGEST_HOURS:
        raise FormatError(
            f"{column} is {hours!r} hours; expected from 0 to {LONGEST_HOURS:g} hours",
            path=path,
            place=place,
        )


# -- writing ------------------------------------------------------------------------------------


def _treatment_cells(t: Treatment) -> tuple[str, ...]:
    return (
        t.kind,
        t.name,
        "" if t.kind == "knockout" else _number(t.value),
        "" if t.start_hours == 0 else _number(t.start_hours),
        "" if t.end_hours == math.inf else _number(t.end_hours),
        t.unit,
    )


def _number(value: float) -> str:
    return repr(float(value))  # the shortest text that is read as the same number


def _refuse_names(names: Iterable[str], format_name: str) -> None:
    names = tuple(names)
    refuse_breaks(names, format_name)
    for name in names:
        if not name or name != name.strip():
            raise FormatError(f"{format_name} cannot hold the name {name!r}")


def _write(columns: Sequence[str], rows: Iterable[Sequence[str]], path: PathLike) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *rows])
    write_text(path, text.getvalue())
