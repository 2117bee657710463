"""The task `hmlm benchmark measured`: conditions of the user's own measurements, held out.

A seed holds out a fifth of the conditions; five of them hold out every condition once. Every entry
is fitted to the rest, in the model's hours (`time_scale_for`), and scored where something was
measured.

Shapes: Q query conditions, U query times, N molecules.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...common.errors import FormatError
from ...measurements.measured import HELD_OUT_PART, Measurements
from ...measurements.metrics import LEAST_CHANGE
from ...measurements.reading import read_measurements
from ...measurements.simulated import Budget, SimulatedTask, visible_network
from ...measurements.time_scale import time_scale_for
from ...model.network import SignalingNetwork
from ...model.next_state_head import NORMAL_QUANTILE
from ..entries import ENTRIES
from ..task import Task

SPLIT = "held-out conditions"
FEWEST_CONDITIONS = 10


def measured_task(network: SignalingNetwork, conditions: str, observations: str) -> Task:
    """The task of one network and two tables.

    Args:
        conditions, observations: paths of the tables; see `formats.measurements`.

    Raises:
        FormatError: as `read_measurements`; or fewer than ten conditions with activities, or other
            modalities, which most entries cannot read.
    """
    data = read_measurements(network, conditions, observations)
    if any(data.others):
        found = sorted({o.modality for others in data.others for o in others})
        raise FormatError(
            f"it holds {', '.join(found)}; expected activities alone, which every entry can read",
            path=observations,
        )
    # Without other modalities, each of them has activities after time 0.
    count = len(set(data.conditions))
    if count < FEWEST_CONDITIONS:
        raise FormatError(
            f"{count} different conditions with activities after time 0; expected at least "
            f"{FEWEST_CONDITIONS}, to hold some out",
            path=observations,
        )
    digest = hashlib.sha256()
    for values in (data.times_hours, data.states, data.measured, data.baseline):
        digest.update(np.ascontiguousarray(values).tobytes())
    digest.update(repr(data.conditions).encode())
    budget = Budget(count - count // HELD_OUT_PART, len(data.times_hours))
    return Task(
        f"measured {digest.hexdigest()[:12]}",
        (SPLIT,),
        partial(_draw, data),
        [str(budget)],
        ENTRIES,
        score_measured,
    )


def _draw(
    data: Measurements,
    network: SignalingNetwork,
    budget: Budget,
    track: str,
    seed: int,
) -> SimulatedTask:
    data = data.in_model_hours(time_scale_for(data.times_hours))
    whole = replace(data, network=visible_network(network, track), seed=seed)
    # Replicates of one condition are held out together.
    distinct = list(dict.fromkeys(data.conditions))
    order = np.random.default_rng([2026, 29]).permutation(len(distinct))
    chosen = {distinct[i] for i in np.array_split(order, HELD_OUT_PART)[seed % HELD_OUT_PART]}
    is_held_out = np.array([condition in chosen for condition in data.conditions])
    training, held_out = (np.flatnonzero(mask) for mask in (~is_held_out, is_held_out))
    return SimulatedTask(whole.subset(training), {SPLIT: whole.subset(held_out)})


def score_measured(
    states: np.ndarray, scale: np.ndarray | None, truth: Measurements
) -> dict[str, Any]:
    """Figures of one entry where something was measured after time 0.

    Args:
        states, scale: predicted (Q, U, N), and standard deviations, where the entry has any.

    Returns:
        mse and rmse; with a scale coverage and width of the 90 % interval where what was measured
        is more than 0.02 away from rest; and squared_errors, the mean of each condition.
    """
    there = truth.measured & (truth.times_hours > 0)[:, None]
    squared = np.where(there, (states - truth.states) ** 2, 0.0)
    mse = float(squared.sum() / there.sum())
    found: dict[str, Any] = {
        "mse": mse,
        "rmse": mse**0.5,
        # Each condition counts by how much was measured of it, so that their mean is the error.
        "squared_errors": (squared.sum((1, 2)) * len(squared) / there.sum()).tolist(),
    }
    moves = there & ~(np.abs(truth.states - truth.baseline) <= LEAST_CHANGE)
    if scale is not None and moves.any():
        inside = np.abs(states - truth.states) <= NORMAL_QUANTILE * scale
        found["coverage"] = float(inside[moves].mean())
        found["width"] = float(2 * NORMAL_QUANTILE * scale[moves].mean())
    return found
