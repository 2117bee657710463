"""The methods of `hmlm benchmark real` that know treatment vectors alone.

Shapes: C shown conditions, Q queries, K treatments, M outputs.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...model.ruler import PRIOR_CONDITIONS, ruler, scaled_doses
from .folds import Shown

LINEAR = slice(0, 1)
"""The first of the ruler's kernels: linear, without a constant."""
RIDGE_PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
MOST_OUTPUTS_OF_LIKELIHOOD = 50
"""A Gaussian process finds its hyperparameters by so many outputs at most."""


@dataclass(frozen=True)
class Answer:
    """What a method predicts of the queries.

    Attributes:
        changes: (Q, M) from the control, in the unit of what was shown.
        sd: (Q, M) standard deviations; None where the method has none.
    """

    changes: np.ndarray
    sd: np.ndarray | None = None


class Method(Protocol):
    """Predicts conditions that are held out from those that are shown."""

    def answer(self, shown: Shown) -> Answer:
        """Changes of the queries."""


class Ruler:
    """Kernel regressions, averaged; see `model.ruler`."""

    def answer(self, shown: Shown) -> Answer:
        found = ruler(shown.doses, shown.changes, shown.query_doses)
        changes = _between_times(found.changes, found.known, shown)
        return Answer(changes, np.broadcast_to(found.sd, changes.shape))


class Ridge:
    """Linear regression on treatment vectors through the control, its penalty chosen by
    leave-one-out errors."""

    def answer(self, shown: Shown) -> Answer:
        found = ruler(
            shown.doses, shown.changes, shown.query_doses, LINEAR, RIDGE_PENALTIES, math.inf
        )
        return Answer(found.changes, np.broadcast_to(found.sd, found.changes.shape))


class NoChange:
    """Nothing differs from the control."""

    def answer(self, shown: Shown) -> Answer:
        changes = np.zeros((len(shown.query_doses), len(shown.outputs)))
        return Answer(changes, np.broadcast_to(_spread(shown.changes, shown), changes.shape))


class Mean:
    """The mean of what is shown."""

    def answer(self, shown: Shown) -> Answer:
        changes = np.broadcast_to(
            mean_of(shown.changes), (len(shown.query_doses), len(shown.outputs))
        )
        left_out = shown.changes - _left_out_mean(shown.changes)
        return Answer(changes, np.broadcast_to(_spread(left_out, shown), changes.shape))


class BayesianRidge:
    """Bayesian linear regression of each output on treatment vectors (scikit-learn)."""

    def answer(self, shown: Shown) -> Answer:
        from sklearn.linear_model import BayesianRidge as Regression

        doses, queries = scaled_doses(shown.doses, shown.query_doses)
        changes = np.zeros((len(queries), len(shown.outputs)))
        sd = np.full_like(changes, shown.unit)
        for m, values in enumerate(shown.changes.T / shown.unit):
            there = np.isfinite(values)
            if there.sum() < 3 or not np.ptp(values[there]):
                continue
            fitted = Regression().fit(doses[there], values[there])
            mean, spread = fitted.predict(queries, return_std=True)
            changes[:, m], sd[:, m] = mean * shown.unit, spread * shown.unit
        return Answer(changes, sd)


class Nearest:
    """The mean of the nearest treatment vectors."""

    def answer(self, shown: Shown) -> Answer:
        doses, queries = scaled_doses(shown.doses, shown.query_doses)
        changes = _nearest(_squares(queries, doses), shown.changes)
        own = _squares(doses, doses)
        np.fill_diagonal(own, np.inf)
        left_out = shown.changes - _nearest(own, shown.changes)
        return Answer(changes, np.broadcast_to(_spread(left_out, shown), changes.shape))


class GaussianProcess:
    """A Gaussian process on treatment vectors, its kernel a radial and a linear part with noise,
    by marginal likelihood (scikit-learn)."""

    def answer(self, shown: Shown) -> Answer:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel

        doses, queries = scaled_doses(shown.doses, shown.query_doses)
        # Of several lines the mean: a process of hundreds of conditions takes long.
        doses, which = np.unique(doses, axis=0, return_inverse=True)
        values = np.array(
            [_mean_or_nothing(shown.changes[which.ravel() == i]) for i in range(len(doses))]
        )
        values = values / shown.unit
        changes = np.zeros((len(queries), len(shown.outputs)))
        sd = np.ones_like(changes)
        kernel = (
            ConstantKernel(0.5, (1e-3, 1e2)) * RBF(1.5, (0.3, 30))
            + ConstantKernel(0.5, (1e-3, 1e2)) * DotProduct(0.1, (1e-3, 10))
            + WhiteKernel(0.3, (1e-3, 3))
        )
        process = GaussianProcessRegressor(kernel, random_state=0)
        is_first = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of hyperparameters at their bounds
            for rows, outputs in _patterns(values):
                y = values[np.ix_(rows, outputs)]
                if is_first:
                    process.fit(doses[rows], y[:, :MOST_OUTPUTS_OF_LIKELIHOOD])
                    process = GaussianProcessRegressor(process.kernel_, optimizer=None)
                    is_first = False
                process.fit(doses[rows], y)
                mean, spread = process.predict(queries, return_std=True)
                shape = (len(queries), len(outputs))
                changes[:, outputs] = mean.reshape(shape)
                sd[:, outputs] = spread.reshape(len(queries), -1)
        return Answer(changes * shown.unit, sd * shown.unit)


class OtherLines:
    """The mean of the same condition in the other lines; of a condition that none of them has, the
    ruler's answer."""

    def answer(self, shown: Shown) -> Answer:
        foreign = shown.lines != shown.query_line
        return _mean_of_alike(shown, np.where(foreign, 0.0, np.inf)[None] + _squares(
            shown.query_doses, shown.doses
        ))  # fmt: skip


class OtherTreatments:
    """The mean of conditions in which another treatment takes the place of the one that is held
    out; of a query for which there is none, the mean of all."""

    def answer(self, shown: Shown) -> Answer:
        assert shown.held_out is not None
        rest = np.arange(len(shown.treatments)) != shown.held_out
        changes = np.tile(mean_of(shown.changes), (len(shown.query_doses), 1))
        for q, query in enumerate(shown.query_doses):
            more = shown.doses[:, rest] - query[rest]
            alike = ((more >= 0).all(1)) & ((more > 0).sum(1) == 1)
            if alike.any():
                found = mean_of(shown.changes[alike])
                there = np.isfinite(shown.changes[alike]).any(0)
                changes[q, there] = found[there]
        left_out = shown.changes - _left_out_mean(shown.changes)
        return Answer(changes, np.broadcast_to(_spread(left_out, shown), changes.shape))


def mean_of(changes: np.ndarray) -> np.ndarray:
    """Means (M) over conditions (C, M); 0 where nothing was measured."""
    count = np.isfinite(changes).sum(0)
    means: np.ndarray = np.nansum(changes, 0) / np.maximum(count, 1)
    return means


def _mean_or_nothing(changes: np.ndarray) -> np.ndarray:
    """Means (M) over conditions (C, M); NaN where nothing was measured."""
    return np.where(np.isfinite(changes).any(0), mean_of(changes), np.nan)


def _left_out_mean(changes: np.ndarray) -> np.ndarray:
    """Means (C, M) over the other conditions."""
    there = np.isfinite(changes)
    others = there.sum(0) - there
    means: np.ndarray = (np.nansum(changes, 0) - np.nan_to_num(changes)) / np.maximum(others, 1)
    return means


def _spread(errors: np.ndarray, shown: Shown) -> np.ndarray:
    """Root mean squares (M) of errors (C, M), drawn towards that over all outputs."""
    squares = errors**2
    count = np.isfinite(squares).sum(0)
    total = np.nansum(squares, 0)
    overall = total.sum() / count.sum() if count.sum() else shown.unit**2
    spread: np.ndarray = np.sqrt((total + PRIOR_CONDITIONS * overall) / (count + PRIOR_CONDITIONS))
    return spread


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances (A, B) of vectors."""
    found: np.ndarray = ((a[:, None] - b[None]) ** 2).sum(2)
    return found


def _nearest(squares: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Means (Q, M) of the changes (C, M) at the least squared distances (Q, C) of each output."""
    found = np.zeros((len(squares), changes.shape[1]))
    there = np.isfinite(changes)
    for q, distance in enumerate(squares):
        masked = np.where(there, distance[:, None], np.inf)
        least = masked.min(0)
        near = (masked <= least + 1e-9) & np.isfinite(masked)
        found[q] = np.where(near, np.nan_to_num(changes), 0.0).sum(0) / np.maximum(near.sum(0), 1)
    return found


def _mean_of_alike(shown: Shown, squares: np.ndarray) -> Answer:
    """Means of shown conditions at no distance from each query, else the ruler's answer."""
    fallback = Ruler().answer(shown)
    changes = fallback.changes.copy()
    for q, distance in enumerate(squares):
        alike = distance < 1e-9
        there = np.isfinite(shown.changes[alike]).any(0)
        changes[q, there] = mean_of(shown.changes[alike])[there]
    return Answer(changes, fallback.sd)


def _between_times(changes: np.ndarray, known: np.ndarray, shown: Shown) -> np.ndarray:
    """Changes with outputs that were never shown taken linearly between the times of their readout
    that were; 0 where none was."""
    found = changes.copy()
    for m in np.flatnonzero(~known):
        output = shown.outputs[m]
        others = [i for i in np.flatnonzero(known) if shown.outputs[i].readout == output.readout]
        others.sort(key=lambda i: shown.outputs[i].hours)
        hours = [shown.outputs[i].hours for i in others]
        if others and math.isfinite(output.hours) and all(map(math.isfinite, hours)):
            found[:, m] = [np.interp(output.hours, hours, row[others]) for row in changes]
    return found


def _patterns(values: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Conditions and outputs of each pattern of what was measured; that of most outputs first."""
    patterns, of_output = np.unique(np.isfinite(values), axis=1, return_inverse=True)
    count = np.bincount(of_output.ravel())
    for i in np.argsort(-count, kind="stable"):
        rows = np.flatnonzero(patterns[:, i])
        if len(rows) > 1:
            yield rows, np.flatnonzero(of_output.ravel() == i)
