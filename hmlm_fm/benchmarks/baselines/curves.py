"""Rows that need a trajectory's own observations: they draw curves through what was seen of it.

Each answers for the conditions that it was fitted to, and for no other. Behind the last seen time
they know nothing but that curve.

Shapes: C conditions, T seen times, N molecules, Q asked conditions, U query times.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from ...measurements.baseline import Rival
from ...measurements.measured import Measurements
from ...measurements.trivial import hold_perturbed
from ...model.conditions import Condition
from ...model.errors import HMLMError


class OfObserved(Rival):
    """A curve of every molecule in every condition, through its own observations."""

    grid: tuple[dict[str, object], ...] = ({},)

    def fit(self, seen: Measurements) -> Self:
        self.seen = seen
        return self

    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        """
        Raises:
            ValueError: nothing was seen of a condition.
        """
        rows = self.seen.positions_of(conditions)
        if rows is None:
            raise HMLMError(f"{self.name} answers only for conditions that it has seen")
        series = self.seen.states[rows].transpose(1, 0, 2)
        flat = self.curve(self.seen.times_hours, series.reshape(len(series), -1), hours)
        states = flat.reshape(len(hours), *series.shape[1:]).transpose(1, 0, 2)
        return hold_perturbed(states, conditions, hours, self.seen.network)

    @abstractmethod
    def curve(self, seen_hours: np.ndarray, values: np.ndarray, hours: np.ndarray) -> np.ndarray:
        """Values (U, ·) at query times, from those (T, ·) at seen times."""


class LastObservation(OfObserved):
    """What was seen last stays."""

    name = "last observation carried forward"

    def curve(self, seen_hours: np.ndarray, values: np.ndarray, hours: np.ndarray) -> np.ndarray:
        last = np.searchsorted(seen_hours, hours, side="right") - 1
        return values[np.clip(last, 0, None)]


class LinearInterpolation(OfObserved):
    """Straight lines between what was seen, the last value behind it."""

    name = "linear interpolation"

    def curve(self, seen_hours: np.ndarray, values: np.ndarray, hours: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(hours, seen_hours, of) for of in values.T], axis=-1)


class Spline(OfObserved):
    """A cubic spline that may not leave what was seen behind its last time."""

    name = "cubic spline"

    def curve(self, seen_hours: np.ndarray, values: np.ndarray, hours: np.ndarray) -> np.ndarray:
        within = np.clip(hours, seen_hours[0], seen_hours[-1])
        return CubicSpline(seen_hours, values, bc_type="natural")(within)


class MonotoneSpline(OfObserved):
    """A cubic that overshoots nothing that was seen (Fritsch and Carlson 1980)."""

    name = "monotone cubic spline"

    def curve(self, seen_hours: np.ndarray, values: np.ndarray, hours: np.ndarray) -> np.ndarray:
        within = np.clip(hours, seen_hours[0], seen_hours[-1])
        return PchipInterpolator(seen_hours, values)(within)


class GaussianProcess(OfObserved):
    """Gaussian-process regression, with the length and the noise of each series by the largest
    marginal likelihood (Rasmussen and Williams 2006, section 5.4.1)."""

    name = "Gaussian process"

    def curve(self, seen_hours: np.ndarray, values: np.ndarray, hours: np.ndarray) -> np.ndarray:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        span = float(seen_hours[-1] - seen_hours[0])
        kernel = ConstantKernel(1.0, (0.1, 100.0)) * Matern(
            span / 3, (span / 50, 3 * span), nu=2.5
        ) + WhiteKernel(1e-3, (1e-6, 1.0))
        told = np.empty((len(hours), values.shape[1]))
        with warnings.catch_warnings():
            # A bound that is met is no fault: a series may be straight, or free of noise.
            warnings.simplefilter("ignore", ConvergenceWarning)
            for i, series in enumerate(values.T):
                if np.ptp(series) < 1e-6:
                    told[:, i] = series[-1]
                    continue
                process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
                told[:, i] = process.fit(seen_hours[:, None], series).predict(hours[:, None])
        return told


CURVES = (LastObservation, LinearInterpolation, Spline, MonotoneSpline, GaussianProcess)
