"""Figures of a method on the folds of one set and split, beside the ruler's on the same.

Shapes: R conditions of the set, Q held-out ones of a fold, M outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...model.next_state_head import NORMAL_QUANTILE
from .folds import Fold
from .methods import Answer

DRAWS = 2000
"""Of a bootstrap over conditions."""
FEWEST_OF_A_CORRELATION = 4


@dataclass
class Tally:
    """Sums over the folds of a split, by condition.

    Attributes:
        squares: (R) squared errors, in units of one standard deviation of what a fold shows.
        at_rest: (R) those of no change.
        noise: (R) variances of the held-out values about their replicates.
        count: (R) how many values were scored.
    """

    squares: np.ndarray
    at_rest: np.ndarray
    noise: np.ndarray
    count: np.ndarray
    inside: float = 0.0
    width: float = 0.0
    with_sd: int = 0
    predicted: list[np.ndarray] = field(default_factory=list)
    truth: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def of(cls, conditions: int) -> Tally:
        """An empty one of a set with so many conditions."""
        squares, at_rest, noise, count = np.zeros((4, conditions))
        return cls(squares, at_rest, noise, count)

    def add(self, fold: Fold, answer: Answer) -> None:
        """Count what a method said of a fold."""
        unit, there = fold.shown.unit, np.isfinite(fold.truth)
        errors = np.where(there, answer.changes - fold.truth, 0.0) / unit
        rest = np.where(there, fold.truth, 0.0) / unit
        noise = np.where(there, fold.noise, 0.0) / unit**2
        np.add.at(self.squares, fold.rows, (errors**2).sum(1))
        np.add.at(self.at_rest, fold.rows, (rest**2).sum(1))
        np.add.at(self.noise, fold.rows, noise.sum(1))
        np.add.at(self.count, fold.rows, there.sum(1))
        if answer.sd is not None:
            half = NORMAL_QUANTILE * answer.sd / unit
            self.inside += float((np.abs(errors) <= half)[there].sum())
            self.width += float(2 * half[there].sum())
            self.with_sd += int(there.sum())
        self.predicted.append(answer.changes / unit)
        self.truth.append(np.where(there, fold.truth, np.nan) / unit)

    @property
    def mse(self) -> float:
        """The mean squared error."""
        return float(self.squares.sum() / max(self.count.sum(), 1))


def figures(tally: Tally, ruler: Tally) -> dict[str, Any]:
    """The figures of a method.

    Args:
        tally: its own.
        ruler: that of the ruler on the same folds.

    Returns:
        mse with its 95 % interval over conditions, in units of one standard deviation of what was
        shown; ratio to the ruler with its paired interval; pearson, the mean over outputs of r
        over conditions; coverage and width of the 90 % interval; and explained, the share of what
        noise leaves to be explained, None where the noise is not known.
    """
    scored = tally.count > 0
    squares, base, count = tally.squares[scored], ruler.squares[scored], tally.count[scored]
    drawn = np.random.default_rng(0).integers(0, len(squares), (DRAWS, len(squares)))
    errors = squares[drawn].sum(1) / count[drawn].sum(1)
    ratios = squares[drawn].sum(1) / np.maximum(base[drawn].sum(1), 1e-12)
    low, high = np.quantile(errors, [0.025, 0.975])
    ratio_low, ratio_high = np.quantile(ratios, [0.025, 0.975])
    left = tally.at_rest.sum() - tally.noise.sum()
    explained = None
    if np.isfinite(left) and left > 0:
        explained = float((tally.at_rest.sum() - squares.sum()) / left)
    return {
        "mse": tally.mse, "mse_low": float(low), "mse_high": float(high),
        "ratio": float(squares.sum() / max(base.sum(), 1e-12)),
        "ratio_low": float(ratio_low), "ratio_high": float(ratio_high),
        "pearson": _mean_correlation(tally.predicted, tally.truth),
        "coverage": tally.inside / tally.with_sd if tally.with_sd else None,
        "width": tally.width / tally.with_sd if tally.with_sd else None,
        "explained": explained,
    }  # fmt: skip


def _mean_correlation(predicted: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> float | None:
    """Mean over outputs of Pearson's r over conditions; a constant prediction counts as 0, and an
    output that does not vary does not count."""
    a, b = np.concatenate(predicted), np.concatenate(truth)
    found = []
    for x, y in zip(a.T, b.T, strict=True):
        there = np.isfinite(y)
        if there.sum() < FEWEST_OF_A_CORRELATION or np.ptp(y[there]) < 1e-9:
            continue
        x, y = x[there] - x[there].mean(), y[there] - y[there].mean()
        power = np.sqrt((x**2).sum() * (y**2).sum())
        found.append(float((x * y).sum() / power) if power > 1e-12 else 0.0)
    return float(np.mean(found)) if found else None
