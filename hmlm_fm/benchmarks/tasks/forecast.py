"""The task `hmlm benchmark forecast`: how conditions that were observed for hours continue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...measurements.simulated import HORIZON_HOURS, Budget, SimulatedTask, simulate_task
from ...model.error_base import HMLMError
from ...model.network import SignalingNetwork


def draw_forecast(
    network: SignalingNetwork, budget: Budget, track: str = "signs", seed: int = 0
) -> SimulatedTask:
    """Conditions as `simulate_task` trains on, measured hourly from 0 on;
    queries are the hours after.

    A budget of 16x7 gives hours 0 to 6 of 16 conditions.

    Raises:
        HMLMError: as `simulate_task`; or no hours are left to predict.
        NetworkError: the network has no dynamics.
    """
    if not 2 <= budget.times <= HORIZON_HOURS:
        raise HMLMError(
            f"budget {budget} has {budget.times} hours from 0 on; expected 2 to {HORIZON_HOURS}, "
            f"since hours up to {HORIZON_HOURS} are predicted"
        )
    every_hour = Budget(budget.conditions, HORIZON_HOURS + 1)
    whole = simulate_task(network, every_hour, track, seed, splits=()).training
    sides = np.split(np.arange(len(whole.times_hours)), [budget.times])
    observed, later = (
        replace(
            whole,
            times_hours=whole.times_hours[side],
            states=whole.states[:, side],
            measured=whole.measured[:, side],
        )
        for side in sides
    )
    return SimulatedTask(observed, {"later hours": later})
