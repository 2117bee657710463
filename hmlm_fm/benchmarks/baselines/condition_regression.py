"""Regression of the change from the baseline on what is done to the network.

Every molecule has its own regression at every measured time, from all the conditions in which it
was measured and no perturbation holds it; between the times runs a monotone cubic spline. That
nothing happens where nothing is done is known, and counts as one more condition.

Shapes: C training conditions, T times, N molecules, Q query conditions, U query times, X features,
P molecules that are free in the same conditions.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Self

import numpy as np
from scipy.interpolate import PchipInterpolator

from ...measurements.baseline import Baseline, condition_features
from ...measurements.measured import Measurements
from ...measurements.trivial import hold_perturbed
from ...model.condition_tensors import held_states
from ...model.conditions import Condition


class ConditionRegression(Baseline):
    """What the regressions share: their features, their targets, and the curves in between."""

    def fit(self, training: Measurements) -> Self:
        self.network, self.baseline = training.network, training.baseline_or_zero
        self.times_hours = training.times_hours
        single = condition_features(training.conditions, training.network)
        self.used = np.flatnonzero(single.any(0))
        stimuli = [i for i in self.used if i < len(training.network.molecules)]
        self.pairs = [p for p in combinations(stimuli, 2) if single[:, p].all(1).any()]
        change = np.where(training.measured, training.states - training.baseline_or_zero, 0.0)
        change = np.concatenate([change, np.zeros_like(change[:1])])
        is_held, _ = held_states(training.conditions, training.times_hours, training.network)
        free = (training.measured & ~is_held).all(1)
        free = np.concatenate([free, np.ones_like(free[:1])])
        rested = (*training.conditions, Condition())
        options = [False, True] if self.pairs else [False]
        solved = [self._solve(self._features(rested, with_), change, free) for with_ in options]
        best = int(np.argmin([badness for badness, _, _ in solved]))
        self.with_pairs = options[best]
        _, self.weights, self.intercept = solved[best]
        return self

    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        features = self._features(conditions, self.with_pairs)
        change = np.einsum("qx,xtn->qtn", features, self.weights) + self.intercept
        spline = PchipInterpolator(self.times_hours, self.baseline + change, axis=1)
        # A cubic runs away beyond the last measured time; the last state is the safer guess.
        within = np.clip(hours, self.times_hours[0], self.times_hours[-1])
        return hold_perturbed(spline(within), conditions, hours, self.network)

    def _features(self, conditions: Sequence[Condition], with_pairs: bool) -> np.ndarray:
        """The used features (Q, X), optionally with products of pairs of stimuli."""
        single = condition_features(conditions, self.network)
        columns = [single[:, self.used]]
        if with_pairs:
            columns += [single[:, [i]] * single[:, [j]] for i, j in self.pairs]
        return np.concatenate(columns, axis=1)

    def _solve(
        self, features: np.ndarray, change: np.ndarray, free: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """How bad it is, weights (X, T, N) and intercepts (T, N) of changes (C, T, N)."""
        weights = np.zeros((features.shape[1], *change.shape[1:]))
        intercept = np.zeros(change.shape[1:])
        groups = list(_alike(free))
        tasks = []
        for rows, molecules in groups:
            x, y = features[rows], change[rows][:, :, molecules]
            tasks.append((x - x.mean(0), y - y.mean(0)))
        badness, found = self._weigh(tasks)
        for (rows, molecules), of_group in zip(groups, found, strict=True):
            weights[:, :, molecules] = of_group
            mean = np.einsum("x,xtp->tp", features[rows].mean(0), of_group)
            intercept[:, molecules] = change[rows].mean(0)[:, molecules] - mean
        return badness, weights, intercept

    @abstractmethod
    def _weigh(
        self, tasks: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> tuple[float, list[np.ndarray]]:
        """How bad it is, and weights (X, T, P), from centred pairs of (C, X) and (C, T, P)."""


def _alike(free: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and molecules of every set of molecules that are free in the same conditions (C, N)."""
    patterns, of_molecule = np.unique(free, axis=1, return_inverse=True)
    for i, pattern in enumerate(patterns.T):
        molecules = np.flatnonzero(of_molecule.ravel() == i)
        rows = np.flatnonzero(pattern) if pattern.sum() > 1 else np.arange(len(free))
        yield rows, molecules
