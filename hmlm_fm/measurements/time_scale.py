"""The time scale on which a model follows measurements that were over within minutes.

Its drives are renewed every quarter of an hour at the soonest (`transducer.grid_hours`), and a
signal goes one molecule further each time: what is over in half an hour would be over before
anything had come through a cascade. The equations know no unit of time, so that fast measurements
are given to the model, and predicted by it, on a longer scale: as many of its hours pass in one
true hour as the time scale says, and its time constants are shorter by as much.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..model.conditions import Condition, Observation

SLOW_HOURS, USUAL_HOURS = 4.0, 24.0
"""Measurements that go on for as long as the first are followed as they are; others as if they had
gone on for the second."""


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
