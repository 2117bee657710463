"""The time scale on which a model follows measurements that last only minutes.

Its drives are renewed every quarter of an hour at the soonest (`transducer.grid_hours`), and a
signal goes one molecule further each time: measurements of half an hour would end before a signal
had passed a cascade. The equations have no unit of time, so that fast measurements are given to the
model, and predicted by it, on a longer scale: the time scale is the number of the model's hours per
hour, and its time constants are shorter by that factor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..model.conditions import Condition, Observation

SLOW_HOURS, USUAL_HOURS = 4.0, 24.0
"""Measurements that last at least as long as the first have a time scale of 1; shorter ones are
stretched to last as long as the second."""


def time_scale_for(times_hours: Iterable[float]) -> float:
    """How many of the model's hours pass in one hour of measurements at these times."""
    last = max(times_hours, default=0.0)
    return USUAL_HOURS / last if 0 < last < SLOW_HOURS else 1.0


def scale_condition(condition: Condition, time_scale: float) -> Condition:
    """The same condition, its windows in the model's hours."""
    perturbations = (
        replace(p, start_hours=p.start_hours * time_scale, end_hours=p.end_hours * time_scale)
        for p in condition.perturbations
    )
    return Condition(condition.stimuli, tuple(perturbations))


def scale_observation(observation: Observation, time_scale: float) -> Observation:
    """The same observation at the model's time."""
    return replace(observation, time_hours=observation.time_hours * time_scale)
