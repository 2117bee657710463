"""What a measured set holds, in figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .measured_set import MeasuredSet


@dataclass(frozen=True)
class SetStatistics:
    """Counts of a measured set.

    Attributes:
        conditions: how many.
        controls: conditions with values in which nothing was given.
        treatments: distinct ones, whatever their dose.
        readouts, times, values: how many.
        replicates: the most values of one condition, readout and time.
        batches: how many are named.
    """

    conditions: int
    controls: int
    treatments: int
    readouts: int
    times: int
    values: int
    replicates: int
    batches: int


def statistics_of_set(measured: MeasuredSet) -> SetStatistics:
    """Count what a set holds."""
    values = measured.measurements
    with_values = {m.condition for m in values}
    same = Counter((m.condition, m.readout, m.time_hours, m.modality) for m in values)
    return SetStatistics(
        conditions=len(measured.conditions),
        controls=sum(
            name in with_values and not any(t.value for t in done)
            for name, done in measured.conditions.items()
        ),
        treatments=len({t.key for done in measured.conditions.values() for t in done}),
        readouts=len(measured.readout_names),
        times=len(measured.times_hours),
        values=len(values),
        replicates=max(same.values(), default=0),
        batches=len({m.batch for m in values if m.batch}),
    )
