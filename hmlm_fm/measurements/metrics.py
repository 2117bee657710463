"""Metrics of predicted trajectories.

Shapes: Q conditions, U times, N molecules.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from ..model.next_state_head import NORMAL_QUANTILE
from .measured import Measurements

LEAST_CHANGE = 0.02
"""States that change less are left out: nearly any interval covers them."""

MARKERS = ("proCI", "proCIII", "fibronectin", "aSMA", "periostin", "TNC", "CTGF", "LOX")
"""Fibrosis markers; those of them that a network has are scored separately."""


def score(
    states: np.ndarray, scale: np.ndarray | None, truth: Measurements
) -> dict[str, float | list[float]]:
    """All metrics of one method on one split.

    Args:
        states: predicted (Q, U, N).
        scale: their standard deviations (Q, U, N), where the method has any.
        truth: the query conditions, with their true states.

    Returns:
        mse; markers_mse; pearson (mean over molecules, across conditions at the last time);
        direction (share of right signs of the change at the last time, where it exceeds 0.02);
        with a scale coverage and width of the 90 % interval where the true change exceeds 0.02, and
        crps; and squared_errors, the mean of each condition.
    """
    squared = (states - truth.states) ** 2
    names = truth.network.names
    markers = [i for i, name in enumerate(names) if name in MARKERS]
    change, predicted = truth.states - truth.baseline_or_zero, states - truth.baseline_or_zero
    last, predicted_last = change[:, -1], predicted[:, -1]
    moved = np.abs(last) > LEAST_CHANGE
    same_sign = np.sign(predicted_last) == np.sign(last)
    found: dict[str, float | list[float]] = {
        "mse": float(squared.mean()),
        "pearson": _mean_correlation(predicted_last, last),
        "direction": float(same_sign[moved].mean()) if moved.any() else 0.0,
        "squared_errors": squared.mean((1, 2)).tolist(),
    }
    if markers:
        found["markers_mse"] = float(squared[..., markers].mean())
    if scale is not None:
        changed = np.abs(change) > LEAST_CHANGE
        inside = np.abs(states - truth.states) <= NORMAL_QUANTILE * scale
        found["coverage"] = float(inside[changed].mean())
        found["width"] = float(2 * NORMAL_QUANTILE * scale[changed].mean())
        found["crps"] = float(_crps(states, scale, truth.states).mean())
    return found


def interval(values: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Mean and 95 % interval of errors by seed and condition.

    Several seeds: Student's interval of their means. One: the bootstrap over its conditions.
    """
    means = np.array([np.mean(errors) for errors in values])
    if len(means) > 1:
        half = stats.t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means))
        return float(means.mean()), float(max(means.mean() - half, 0.0)), float(means.mean() + half)
    own = np.array(values[0])
    drawn = np.random.default_rng(0).choice(own, (2000, len(own))).mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(own.mean()), float(low), float(high)


def _mean_correlation(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Mean over molecules that move of Pearson's r across conditions; a constant counts as 0."""
    a, b = predicted - predicted.mean(0), truth - truth.mean(0)
    moves = b.std(0) > LEAST_CHANGE
    if not moves.any():
        return 0.0
    power = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    r = np.where(power > 1e-12, (a * b).sum(0) / np.maximum(power, 1e-12), 0.0)
    return float(r[moves].mean())


def _crps(mean: np.ndarray, scale: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Of a normal distribution (Gneiting and Raftery, J Am Stat Assoc 2007;102:359, eq. 21)."""
    z = (truth - mean) / scale
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return scale * (z * (2 * stats.norm.cdf(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))
