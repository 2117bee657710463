"""The interface of every method of a benchmark: learn from measurements, then predict conditions.

Shapes: N molecules, Q query conditions, U query times.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np

from ..model.conditions import Condition
from ..model.network import SignalingNetwork
from .measured import Measurements


class Baseline(ABC):
    """A method that learns from measurements and predicts any condition of the same network."""

    @abstractmethod
    def fit(self, training: Measurements) -> Self:
        """Learn from measurements; returns itself."""

    @abstractmethod
    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        """States (Q, U, N) of conditions at query times (U), from the baseline at time 0."""


def condition_features(conditions: Sequence[Condition], network: SignalingNetwork) -> np.ndarray:
    """The treatment of each molecule (Q, 2N): its stimulus, and by how much it is perturbed.

    A stimulus counts by its level, a perturbation by its strength.

    Raises:
        NetworkError: a molecule that is not in the network.
    """
    features = np.zeros((len(conditions), 2 * len(network.molecules)))
    for q, condition in enumerate(conditions):
        condition.check(network)
        for name, level in condition.stimuli.items():
            features[q, network.molecule_index[name]] = level
        for p in condition.perturbations:
            features[q, len(network.molecules) + network.molecule_index[p.target]] = p.strength
    return features


def mean_squared_error(fitted: Baseline, truth: Measurements) -> float:
    """The error of a fitted method over all states that were measured after time 0."""
    later = truth.times_hours > 0
    predicted = fitted.predict(truth.conditions, truth.times_hours[later])
    there = truth.measured[:, later]
    return float(np.mean((predicted - truth.states[:, later])[there] ** 2))
