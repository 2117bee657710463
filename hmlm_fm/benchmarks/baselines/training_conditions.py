"""Measured conditions as rows trained by gradients see them.

Shapes: C conditions, T measured times, G grid times, N molecules.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from ...measurements.measured import Measurements
from ...model.conditions import Condition
from .roll_out import Given, time_grid

BATCH_CONDITIONS = 32
"""Most conditions of one step."""


class Lesson:
    """Measured conditions as tensors, and how far a module is from them."""

    def __init__(self, seen: Measurements) -> None:
        grid = time_grid(float(seen.times_hours[-1]))
        self.given = Given.of(seen.conditions, seen.network, grid)
        self.states = torch.tensor(seen.states, dtype=torch.float32)
        self.measured = torch.tensor(seen.measured)
        self.count = len(seen.conditions)
        # Measured times may lie between those of the grid: (T, G) weights of its neighbours.
        weights = np.stack([np.interp(seen.times_hours, grid, unit) for unit in np.eye(len(grid))])
        self.at_times = torch.tensor(weights.T, dtype=torch.float32)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Conditions for one step: all where they are few."""
        if self.count <= BATCH_CONDITIONS:
            return np.arange(self.count)
        return np.sort(rng.choice(self.count, BATCH_CONDITIONS, replace=False))

    def loss(self, module: nn.Module, chosen: np.ndarray) -> torch.Tensor:
        states = torch.einsum("tg,cgn->ctn", self.at_times, module(self.given.rows(chosen)))
        return ((states - self.states[chosen])[self.measured[chosen]] ** 2).mean()


def with_rest(seen: Measurements) -> Measurements:
    """With one more condition, known to all: nothing is done, and the baseline stays."""
    one = (1, *seen.states.shape[1:])
    states = np.concatenate([seen.states, np.broadcast_to(seen.baseline_or_zero, one)])
    known = np.broadcast_to(np.isfinite(seen.baseline), one)
    return replace(
        seen,
        conditions=(*seen.conditions, Condition()),
        states=states,
        measured=np.concatenate([seen.measured, known]),
    )
