"""What a benchmark gives to each of its rows, and what it asks of them.

Shapes: C training conditions, T times, N molecules, Q asked conditions, U query times, S seen
times after 0, X features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from hmlm_fm.conditions import Condition
from hmlm_fm.network import SignalingNetwork

HELD_OUT_PART = 5
"""One in so many training conditions is held out where a row chooses or stops by them."""


@dataclass(frozen=True)
class Measurements:
    """What every row of a benchmark is given, and all that it is given.

    Attributes:
        network: without kinetics, and in track `signs` without AND groups.
        conditions: C of them.
        times_hours: (T) when each was measured, 0 among them.
        states: (C, T, N) activities in [0, 1].
        baseline: (N) the state at rest, from which every condition starts.
        seed: of all that a row draws.
    """

    network: SignalingNetwork
    conditions: tuple[Condition, ...]
    times_hours: np.ndarray
    states: np.ndarray
    baseline: np.ndarray
    seed: int = 0

    def of(self, chosen: np.ndarray) -> Measurements:
        """The same with some of the conditions only."""
        conditions = tuple(self.conditions[i] for i in chosen)
        return replace(self, conditions=conditions, states=self.states[chosen])

    def rows_of(self, conditions: Sequence[Condition]) -> list[int] | None:
        """Positions of conditions among those measured; None where one of them is not."""
        position = {condition: i for i, condition in enumerate(self.conditions)}
        if any(condition not in position for condition in conditions):
            return None
        return [position[condition] for condition in conditions]

    def after_start(self, conditions: Sequence[Condition]) -> tuple[np.ndarray, np.ndarray] | None:
        """Times after 0 (S) and what was seen of conditions there (Q, S, N); None where nothing
        was, or nothing of one of them."""
        rows, later = self.rows_of(conditions), self.times_hours > 0
        if rows is None or not later.any():
            return None
        return self.times_hours[later], self.states[rows][:, later]

    def split(self) -> tuple[Measurements, Measurements]:
        """Conditions to learn from, and a fifth of them to choose and to stop by."""
        order = np.random.default_rng([self.seed, 5]).permutation(len(self.conditions))
        held_out = max(1, len(order) // HELD_OUT_PART)
        return self.of(np.sort(order[held_out:])), self.of(np.sort(order[:held_out]))


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

    A stimulus counts by its level, a knockout as 1, other perturbations by their strength.
    """
    features = np.zeros((len(conditions), 2 * len(network.molecules)))
    for row, condition in enumerate(conditions):
        condition.check(network)
        for name, level in condition.stimuli.items():
            features[row, network.molecule_index[name]] = level
        for p in condition.perturbations:
            strength = 1.0 if p.kind == "knockout" else p.strength
            features[row, len(network.molecules) + network.molecule_index[p.target]] = strength
    return features


def mean_squared_error(rival: Rival, truth: Measurements) -> float:
    """Over all conditions, times after 0 and molecules."""
    later = truth.times_hours > 0
    predicted = rival.predict(truth.conditions, truth.times_hours[later])
    return float(np.mean((predicted - truth.states[:, later]) ** 2))
