"""The simplest baselines, and how a perturbation holds a state in every baseline.

Shapes: C training conditions, T times, N molecules, Q query conditions, U query times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from ..model.condition_tensors import held_states
from ..model.conditions import Condition
from ..model.network import SignalingNetwork
from .baseline import Baseline
from .measured import Measurements


def hold_perturbed(
    states: np.ndarray,
    conditions: Sequence[Condition],
    hours: np.ndarray,
    network: SignalingNetwork,
) -> np.ndarray:
    """States (Q, U, N) in [0, 1], those that a perturbation holds at their value in its window."""
    is_held, value = held_states(conditions, hours, network)
    return np.where(is_held, value, np.clip(states, 0.0, 1.0))


class Hold(Baseline):
    """Nothing happens: every condition stays at the baseline."""

    def fit(self, training: Measurements) -> Self:
        self.network, self.baseline = training.network, training.baseline_or_zero
        return self

    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        shape = (len(conditions), len(hours), len(self.baseline))
        states = np.broadcast_to(self.baseline, shape)
        return hold_perturbed(states, conditions, hours, self.network)


class TrainingMean(Baseline):
    """The same happens in every condition: the mean of the measured ones, linear in between.

    States that a perturbation holds are left out of the mean: they do not predict other conditions.
    """

    def fit(self, training: Measurements) -> Self:
        self.network, self.times_hours = training.network, training.times_hours
        is_held, _ = held_states(training.conditions, training.times_hours, training.network)
        free = training.measured & ~is_held
        count, total = free.sum(0), np.where(free, training.states, 0.0).sum(0)
        self.mean = np.where(count > 0, total / np.maximum(count, 1), training.baseline_or_zero)
        return self

    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        mean = np.stack([np.interp(hours, self.times_hours, of) for of in self.mean.T], axis=-1)
        states = np.broadcast_to(mean, (len(conditions), *mean.shape))
        return hold_perturbed(states, conditions, hours, self.network)
