"""The pace of what was measured within minutes, in hours that the model can follow.

Drives are renewed every quarter of an hour at the soonest (`transducer.grid_hours`), and a signal
goes one molecule further each time: what is over in half an hour would be over before anything had
come through a cascade. The equations know no unit of time, so that fast measurements are told to
the model, and asked of it, in hours that pass faster: as many of its hours pass in one true hour as
the pace says, and its time constants are shorter by as much.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..model.conditions import Condition, Observation
from ..model.modeling_hmlm import HMLMForSignaling

SLOW_HOURS, USUAL_HOURS = 4.0, 24.0
"""Measurements that go on for as long as the first are followed as they are; others are told as if
they had gone on for the second."""


def pace_of(times_hours: Iterable[float]) -> float:
    """How many of the model's hours pass in one hour of measurements at these times."""
    last = max(times_hours, default=0.0)
    return USUAL_HOURS / last if 0 < last < SLOW_HOURS else 1.0


def pace_of_tissue(model: HMLMForSignaling) -> float:
    """That of the tissue a model is fine-tuned to; 1 of one that is not."""
    return float((model.config.tissue or {}).get("pace", 1.0))


def condition_at(condition: Condition, pace: float) -> Condition:
    """The same condition, its windows in the model's hours."""
    perturbations = (
        replace(p, start_hours=p.start_hours * pace, end_hours=p.end_hours * pace)
        for p in condition.perturbations
    )
    return Condition(condition.stimuli, tuple(perturbations))


def observation_at(observation: Observation, pace: float) -> Observation:
    """The same observation at the model's time."""
    return replace(observation, time_hours=observation.time_hours * pace)
