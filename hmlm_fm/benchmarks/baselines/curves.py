"""Baselines that need a trajectory's own observations: curves through what was observed of it.

Each predicts the conditions that it was fitted to, and no other. After the last observed time they
know nothing but that curve.

Shapes: C conditions, T observed times, N molecules, Q query conditions, U query times.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from ...measurements.baseline import Baseline
from ...measurements.measured import Measurements
from ...measurements.trivial import hold_perturbed
from ...model.conditions import Condition
from ...model.error_base import HMLMError


class ObservedCurve(Baseline):
    """A curve of every molecule in every condition, through its own observations."""

    def fit(self, training: Measurements) -> Self:
        self.training = training
        return self

    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        """
        Raises:
            HMLMError: nothing was observed of a condition.
        """
        rows = self.training.positions_of(conditions)
        if rows is None:
            raise HMLMError(f"{type(self).__name__} predicts only conditions that it was fitted to")
        series = self.training.states[rows].transpose(1, 0, 2)
        flat = self.curve(self.training.times_hours, series.reshape(len(series), -1), hours)
        states = flat.reshape(len(hours), *series.shape[1:]).transpose(1, 0, 2)
        return hold_perturbed(states, conditions, hours, self.training.network)

    @abstractmethod
    def curve(
        self, observed_hours: np.ndarray, values: np.ndarray, hours: np.ndarray
    ) -> np.ndarray:
        """Values (U, ·) at query times, from those (T, ·) at observed times."""


class LastObservation(ObservedCurve):
    """The last observation stays."""

    def curve(
        self, observed_hours: np.ndarray, values: np.ndarray, hours: np.ndarray
    ) -> np.ndarray:
        last = np.searchsorted(observed_hours, hours, side="right") - 1
        return values[np.clip(last, 0, None)]


class LinearInterpolation(ObservedCurve):
    """Straight lines between observations, and the last value after them."""

    def curve(
        self, observed_hours: np.ndarray, values: np.ndarray, hours: np.ndarray
    ) -> np.ndarray:
        return np.stack([np.interp(hours, observed_hours, of) for of in values.T], axis=-1)


class NaturalSpline(ObservedCurve):
    """A cubic spline that keeps its last observed value afterwards."""

    def curve(
        self, observed_hours: np.ndarray, values: np.ndarray, hours: np.ndarray
    ) -> np.ndarray:
        within = np.clip(hours, observed_hours[0], observed_hours[-1])
        return CubicSpline(observed_hours, values, bc_type="natural")(within)


class MonotoneSpline(ObservedCurve):
    """A cubic that overshoots no observation (Fritsch and Carlson 1980)."""

    def curve(
        self, observed_hours: np.ndarray, values: np.ndarray, hours: np.ndarray
    ) -> np.ndarray:
        within = np.clip(hours, observed_hours[0], observed_hours[-1])
        return PchipInterpolator(observed_hours, values)(within)


class GaussianProcess(ObservedCurve):
    """Gaussian-process regression, with the length and the noise of each series by the largest
    marginal likelihood (Rasmussen and Williams 2006, section 5.4.1)."""

    def curve(
        self, observed_hours: np.ndarray, values: np.ndarray, hours: np.ndarray
    ) -> np.ndarray:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        span = float(observed_hours[-1] - observed_hours[0])
        kernel = ConstantKernel(1.0, (0.1, 100.0)) * Matern(
            span / 3, (span / 50, 3 * span), nu=2.5
        ) + WhiteKernel(1e-3, (1e-6, 1.0))
        predicted = np.empty((len(hours), values.shape[1]))
        with warnings.catch_warnings():
            # A bound that is met is no fault: a series may be straight, or free of noise.
            warnings.simplefilter("ignore", ConvergenceWarning)
            for i, series in enumerate(values.T):
                if np.ptp(series) < 1e-6:
                    predicted[:, i] = series[-1]
                    continue
                process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
                predicted[:, i] = process.fit(observed_hours[:, None], series).predict(
                    hours[:, None]
                )
        return predicted
