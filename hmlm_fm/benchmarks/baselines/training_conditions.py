"""Measured conditions as baselines that are trained by gradients take them.

Shapes: C conditions, T measured times, G grid times, N molecules.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from ...measurements.measured import Measurements
from ...model.conditions import Condition
from .roll_out import ConditionGrid, time_grid

BATCH_CONDITIONS = 32
"""Most conditions of one step."""


class TrainingConditions:
    """Measured conditions as tensors, and how far a module is from them."""

    def __init__(self, training: Measurements) -> None:
        grid = time_grid(float(training.times_hours[-1]))
        self.given = ConditionGrid.from_conditions(training.conditions, training.network, grid)
        self.states = torch.tensor(training.states, dtype=torch.float32)
        self.measured = torch.tensor(training.measured)
        self.count = len(training.conditions)
        # Measured times may lie between those of the grid: (T, G) weights of its neighbours.
        weights = np.stack(
            [np.interp(training.times_hours, grid, unit) for unit in np.eye(len(grid))]
        )
        self.at_times = torch.tensor(weights.T, dtype=torch.float32)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Conditions for one step: all where they are few."""
        if self.count <= BATCH_CONDITIONS:
            return np.arange(self.count)
        return np.sort(rng.choice(self.count, BATCH_CONDITIONS, replace=False))

    def loss(self, module: nn.Module, chosen: np.ndarray) -> torch.Tensor:
        states = torch.einsum("tg,cgn->ctn", self.at_times, module(self.given.subset(chosen)))
        return ((states - self.states[chosen])[self.measured[chosen]] ** 2).mean()


def with_resting_condition(training: Measurements) -> Measurements:
    """The same with one more condition, in which nothing is done and the baseline stays."""
    one = (1, *training.states.shape[1:])
    states = np.concatenate([training.states, np.broadcast_to(training.baseline_or_zero, one)])
    known = np.broadcast_to(np.isfinite(training.baseline), one)
    return replace(
        training,
        conditions=(*training.conditions, Condition()),
        states=states,
        measured=np.concatenate([training.measured, known]),
    )
