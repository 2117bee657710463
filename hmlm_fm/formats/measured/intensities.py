"""Raw intensities of an instrument, put on log2 against the control of the same time and batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ...model.conditions import PLAUSIBLE_VALUES
from ...model.error_base import quoted
from .measured_set import MeasuredSet, Measurement, Scale

BACKGROUND = 0.05
"""How far below 0, in shares of the largest value, intensities may lie after background was taken
off."""
WIDE_RANGE = 100
"""Positive values that span more than this factor are intensities too, whatever their unit."""
LEAST_SHARE = 0.01
"""Intensities below this share of a readout's median are taken to be it: background may leave
nothing or less than nothing, of which there is no logarithm."""


def is_raw(measurements: Sequence[Measurement]) -> bool:
    """Whether values are raw intensities: linear, none below 0 but for background, and some larger
    than anything that is relative to something else, or over a hundredfold range."""
    linear = [m for m in measurements if m.scale == Scale() and m.modality != "activity"]
    if not linear:
        return False
    largest, lowest = max(m.value for m in linear), min(m.value for m in linear)
    if largest > PLAUSIBLE_VALUES[linear[0].modality][1]:
        return lowest > -BACKGROUND * largest
    return 0 < lowest * WIDE_RANGE < largest


def on_log2(measured: MeasuredSet) -> MeasuredSet:
    """The set with raw intensities as log2 changes from the control of the same time and batch.

    The control is the mean of conditions in which nothing was done, beside others in which
    something was. Where there is none at a time,
    values are log2 alone; the notes of the set say what was done. Other sets are as they were.
    """
    if not is_raw(measured.measurements):
        return measured
    controls = {name for name, done in measured.conditions.items() if not done}
    if len(controls) == len(measured.conditions):
        controls.clear()  # a change of every value from itself would be none
    raw = [m for m in measured.measurements if m.scale == Scale() and m.modality != "activity"]
    floors = _floors(raw)
    sums: dict[tuple[str, float, str], list[float]] = {}
    for m in raw:
        if m.condition in controls:
            sums.setdefault((m.readout, m.time_hours, m.batch), []).append(m.value)
    reference = {
        place: math.log2(max(math.fsum(values) / len(values), floors[place[0]]))
        for place, values in sums.items()
    }
    whole = all((m.readout, m.time_hours, m.batch) in reference for m in raw)
    scale = Scale("log2", is_change=whole)
    found = []
    for m in measured.measurements:
        if m.scale != Scale() or m.modality == "activity":
            found.append(m)
            continue
        value = max(m.value, floors[m.readout])
        sd = None if m.sd is None else m.sd / value / math.log(2)
        change = math.log2(value)
        if whole:
            change -= reference[m.readout, m.time_hours, m.batch]
        found.append(replace(m, value=change, sd=sd, scale=scale))
    low = sum(m.value < floors[m.readout] for m in raw)
    note = "raw intensities were put on log2 against the control of the same time and batch"
    if not whole:
        times = sorted({m.time_hours for m in raw} - {time for _, time, _ in reference})
        lacking = sorted(
            {m.batch for m in raw if (m.readout, m.time_hours, m.batch) not in reference}
        )
        where = f" at {quoted(f'{t:g} h' for t in times)}" if times else ""
        if not times and any(lacking):
            where = f" at all times of batch {quoted(lacking)}"
        note = f"raw intensities were put on log2; there is no control{where}"
    if low:
        note += (
            f"; {low} of {len(raw)} values lay below {LEAST_SHARE:.0%} of the median of their "
            "readout, and were taken for that"
        )
    return replace(measured, measurements=tuple(found), notes=(*measured.notes, note))


def _floors(raw: Sequence[Measurement]) -> dict[str, float]:
    """The least value of each readout that has a logarithm of any use."""
    values: dict[str, list[float]] = {}
    for m in raw:
        values.setdefault(m.readout, []).append(m.value)
    return {name: max(sorted(of)[len(of) // 2] * LEAST_SHARE, 1e-9) for name, of in values.items()}
