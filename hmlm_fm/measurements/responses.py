"""What the treatments of a measured set do to its readouts: the table that benchmarks score.

Shapes: C treatment vectors, K treatments, M outputs (a readout at a time).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..formats.measured.measured_set import LATE, MeasuredSet, Measurement

FEWEST_REPEATED = 4
"""Conditions and times that must have replicates: those of one may be unlike all others."""
REPLICATES, NEAR_REPLICATES = "replicates", "conditions of equal doses"
FEWEST_DEGREES = 6
"""Degrees of freedom that replicates must have for their noise to be told."""


@dataclass(frozen=True)
class Output:
    """What is predicted: one readout at one time.

    Attributes:
        readout: its name.
        hours: the time; `LATE` of a steady state.
        modality: of the readout.
    """

    readout: str
    hours: float
    modality: str

    @property
    def label(self) -> str:
        unit = "" if self.hours == LATE else " h"
        return f"{self.readout} {hours_text(self.hours)}{unit}"


def hours_text(hours: float) -> str:
    """A time as tables have it: `late` of a steady state."""
    return "late" if hours == LATE else f"{hours:.10g}"


@dataclass(frozen=True)
class Responses:
    """Changes from the control under each distinct treatment vector.

    Attributes:
        measured: the set.
        treatments: (K) what was given, by `Treatment.key`.
        doses: (C, K) treatment vectors, each treatment relative to its largest dose in the set; the
            control is none of them.
        conditions: (C) the names of the conditions that have each vector.
        outputs: (M) what was measured; times after 0, where there are any.
        changes: (C, M) means over replicates, NaN where nothing was measured.
        counts: (C, M) how many values each is the mean of.
        control: (M) the mean of what changes are from, 0 of what was published as changes; NaN
            where there is no control, and changes are values, of which the mean over training
            conditions is to be taken off.
        noise: (M) variance of one value about the mean of its replicates; NaN where it is not
            known.
        noise_source: `REPLICATES`, `NEAR_REPLICATES`, or nothing.
    """

    measured: MeasuredSet
    treatments: tuple[tuple[str, str, float, float], ...]
    doses: np.ndarray
    conditions: tuple[tuple[str, ...], ...]
    outputs: tuple[Output, ...]
    changes: np.ndarray
    counts: np.ndarray
    control: np.ndarray
    noise: np.ndarray
    noise_source: str = ""

    @property
    def has_control(self) -> np.ndarray:
        """Whether the changes of each output (M) are from a control."""
        there: np.ndarray = np.isfinite(self.control)
        return there

    @property
    def labels(self) -> tuple[str, ...]:
        """What each treatment is called (K)."""
        of_key = {t.key: t.label for t in self.measured.treatments}
        return tuple(of_key[key] for key in self.treatments)

    @property
    def background(self) -> np.ndarray:
        """Which treatments (K) more than half of the vectors have."""
        shared: np.ndarray = (self.doses > 0).mean(0) > 0.5
        return shared

    def reference_of(self, changes: np.ndarray) -> np.ndarray:
        """What changes of each output (M) are from, beside the control: where there is none, the
        mean of what is shown (C, M) takes its place."""
        count = np.isfinite(changes).sum(0)
        mean = np.nansum(changes, 0) / np.maximum(count, 1)
        found: np.ndarray = np.where(self.has_control, 0.0, mean)
        return found

    def subset(self, rows: np.ndarray) -> Responses:
        """The same with some of the vectors only, by their positions."""
        return replace(
            self,
            doses=self.doses[rows],
            conditions=tuple(self.conditions[i] for i in rows),
            changes=self.changes[rows],
            counts=self.counts[rows],
        )


def responses_of(measured: MeasuredSet) -> Responses:
    """The responses of a measured set.

    Values are changes from the mean of the controls of the same time and batch; where there is
    none, from those of the same time, else from those of time 0. Conditions with the same treatment
    vector are one, whatever they are called.
    """
    treatments = tuple(t.key for t in measured.treatments)
    vectors = _vectors(measured, treatments)
    later = [m for m in measured.measurements if m.time_hours > 0]
    used = later or list(measured.measurements)
    keys = dict.fromkeys((m.readout, m.time_hours, m.modality) for m in used)
    outputs = tuple(Output(*key) for key in keys)
    place = {key: i for i, key in enumerate(keys)}
    controls = _Controls(measured)
    distinct: dict[tuple[float, ...], list[str]] = {}
    for name, vector in vectors.items():
        if any(vector):
            distinct.setdefault(vector, []).append(name)
    row_of = {name: i for i, names in enumerate(distinct.values()) for name in names}
    values: dict[tuple[int, int], list[float]] = {}
    references: list[list[float]] = [[] for _ in outputs]
    for m in used:
        if m.condition not in row_of:
            continue
        output = place[m.readout, m.time_hours, m.modality]
        reference = controls.reference(m)
        references[output].append(math.nan if reference is None else reference)
        change = m.value - (reference or 0.0)
        values.setdefault((row_of[m.condition], output), []).append(change)
    shape = (len(distinct), len(outputs))
    changes, counts = np.full(shape, np.nan), np.zeros(shape, dtype=int)
    for (row, output), found in values.items():
        changes[row, output], counts[row, output] = math.fsum(found) / len(found), len(found)
    noise, source = _noise(measured, controls, vectors, outputs)
    doses = np.array(list(distinct), dtype=float).reshape(len(distinct), len(treatments))
    doses = doses / np.maximum(doses.max(0, initial=0.0), 1e-300)
    names = tuple(tuple(of) for of in distinct.values())
    control = np.array([np.mean(of) if of else math.nan for of in references])
    return Responses(
        measured, treatments, doses, names, outputs, changes, counts, control, noise, source
    )


def _vectors(
    measured: MeasuredSet, treatments: Sequence[tuple[str, str, float, float]]
) -> dict[str, tuple[float, ...]]:
    """The treatment vector of every condition."""
    place = {key: i for i, key in enumerate(treatments)}
    found = {}
    for name, done in measured.conditions.items():
        vector = [0.0] * len(treatments)
        for treatment in done:
            vector[place[treatment.key]] = treatment.value
        found[name] = tuple(vector)
    return found


class _Controls:
    """Means of the conditions in which nothing was done."""

    def __init__(self, measured: MeasuredSet) -> None:
        names = {
            name for name, done in measured.conditions.items() if not any(t.value for t in done)
        }
        exact: dict[tuple[str, str, float, str], list[float]] = {}
        of_time: dict[tuple[str, str, float], list[float]] = {}
        for m in measured.measurements:
            if m.condition in names:
                exact.setdefault((m.readout, m.modality, m.time_hours, m.batch), []).append(m.value)
                of_time.setdefault((m.readout, m.modality, m.time_hours), []).append(m.value)
        self.exact = {key: math.fsum(v) / len(v) for key, v in exact.items()}
        self.of_time = {key: math.fsum(v) / len(v) for key, v in of_time.items()}

    def reference(self, m: Measurement) -> float | None:
        """What a value is a change from; None where there is nothing."""
        if m.scale.is_change:
            return 0.0
        found = self.exact.get((m.readout, m.modality, m.time_hours, m.batch))
        if found is None:
            found = self.of_time.get((m.readout, m.modality, m.time_hours))
        if found is None:
            found = self.of_time.get((m.readout, m.modality, 0.0))
        return found


def _noise(
    measured: MeasuredSet,
    controls: _Controls,
    vectors: Mapping[str, tuple[float, ...]],
    outputs: Sequence[Output],
) -> tuple[np.ndarray, str]:
    """The variance (M) of one value about its replicates, at any time, and what replicates are:
    values of one condition, or else of conditions with equal doses."""
    names = {name: str(vector) for name, vector in vectors.items()}
    for source, group_of in ((REPLICATES, {}), (NEAR_REPLICATES, names)):
        groups: dict[tuple[str, str, str, float], list[float]] = {}
        for m in measured.measurements:
            key = (m.readout, m.modality, group_of.get(m.condition, m.condition), m.time_hours)
            groups.setdefault(key, []).append(m.value - (controls.reference(m) or 0.0))
        squares: dict[tuple[str, str], float] = {}
        degrees: dict[tuple[str, str], int] = {}
        for (readout, modality, _, _), found in groups.items():
            mean = math.fsum(found) / len(found)
            of = (readout, modality)
            squares[of] = squares.get(of, 0.0) + sum((value - mean) ** 2 for value in found)
            degrees[of] = degrees.get(of, 0) + len(found) - 1
        total = sum(degrees.values())
        repeated = {key[2:] for key, found in groups.items() if len(found) > 1}
        if total >= FEWEST_DEGREES and len(repeated) >= FEWEST_REPEATED:
            # Readouts with few replicates borrow from the others.
            borrowed = FEWEST_DEGREES * sum(squares.values()) / total
            noise = {
                of: (squares[of] + borrowed) / (degrees[of] + FEWEST_DEGREES) for of in squares
            }
            return np.array([noise[o.readout, o.modality] for o in outputs]), source
    return np.full(len(outputs), np.nan), ""
