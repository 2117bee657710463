"""What a benchmark asks of each of its rows.

Shapes: N molecules, Q asked conditions, U query times.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np

from ..model.conditions import Condition
from ..model.network import SignalingNetwork
from .measured import Measurements


class Rival(ABC):
    """A row: learns from measurements, then predicts any condition of the same network."""

    name: str

    @abstractmethod
    def fit(self, seen: Measurements) -> Self:
        """Learn from measurements; returns itself."""

    @abstractmethod
    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        """States (Q, U, N) of conditions at query times (U), from the baseline at time 0."""


def condition_features(conditions: Sequence[Condition], network: SignalingNetwork) -> np.ndarray:
    """What is done to each molecule (Q, 2N): its stimulus, and how much of it is taken away.

    A stimulus counts by its level, a perturbation by its strength.
    """
    features = np.zeros((len(conditions), 2 * len(network.molecules)))
    for row, condition in enumerate(conditions):
        condition.check(network)
        for name, level in condition.stimuli.items():
            features[row, network.molecule_index[name]] = level
        for p in condition.perturbations:
            features[row, len(network.molecules) + network.molecule_index[p.target]] = p.strength
    return features


def mean_squared_error(rival: Rival, truth: Measurements) -> float:
    """Over all that was measured after time 0."""
    later = truth.times_hours > 0
    predicted = rival.predict(truth.conditions, truth.times_hours[later])
    there = truth.measured[:, later]
    return float(np.mean((predicted - truth.states[:, later])[there] ** 2))
