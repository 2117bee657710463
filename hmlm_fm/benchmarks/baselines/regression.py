"""Ridge regression on the condition, with its penalty from the data in two ways.

Shapes: C training conditions, T times, X features, P molecules that are free in the same
conditions, R singular values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .condition_regression import ConditionRegression

PENALTIES = np.logspace(-3, 3, 25)
EVIDENCE_ROUNDS = 100


class RidgeOnCondition(ConditionRegression):
    """Ridge regression; one penalty and the choice of features by leaving out each condition."""

    def _weigh(
        self, tasks: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> tuple[float, list[np.ndarray]]:
        errors, entries = np.zeros(len(PENALTIES)), sum(y.size for _, y in tasks)
        parts = [np.linalg.svd(x, full_matrices=False) for x, _ in tasks]
        for (_, y), (u, s, _) in zip(tasks, parts, strict=True):
            projected = np.einsum("cr,ctp->rtp", u, y)
            for i, penalty in enumerate(PENALTIES):
                kept = s**2 / (s**2 + penalty)
                rest = y - np.einsum("cr,r,rtp->ctp", u, kept, projected)
                # The intercept, which centring has taken out, has a share in the leverage.
                leverage = (u**2) @ kept + 1 / len(y)
                errors[i] += np.sum((rest / (1 - np.minimum(leverage, 0.9999))[:, None, None]) ** 2)
        best = int(np.argmin(errors))
        self.penalty = float(PENALTIES[best])
        weights = [
            np.einsum("rx,r,cr,ctp->xtp", v, s / (s**2 + self.penalty), u, y, optimize=True)
            for (_, y), (u, s, v) in zip(tasks, parts, strict=True)
        ]
        return float(errors[best] / entries), weights


class BayesianRidge(ConditionRegression):
    """Ridge regression with priors and noise of each molecule by the largest evidence.

    MacKay's fixed point (Neural Comput 1992;4:415-447): the times of a molecule share the
    precision of its weights and of its noise.
    """

    def _weigh(
        self, tasks: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> tuple[float, list[np.ndarray]]:
        evidence, weights = 0.0, []
        for x, y in tasks:
            u, s, v = np.linalg.svd(x, full_matrices=False)
            projected = np.einsum("cr,ctp->rtp", u, y)
            # One degree of freedom went into the mean; at time 0 there is nothing to explain.
            count = (len(y) - 1) * max(y.shape[1] - 1, 1)
            outside = np.maximum(np.sum(y**2, (0, 1)) - np.sum(projected**2, (0, 1)), 0.0)
            size = np.sum(projected**2, 1)
            beta = 1 / (np.sum(y**2, (0, 1)) / count + 1e-8)
            alpha, times = np.ones_like(beta), max(y.shape[1] - 1, 1)
            for _ in range(EVIDENCE_ROUNDS):
                energy = beta * s[:, None] ** 2
                kept = energy / (alpha + energy)
                determined = times * kept.sum(0)
                shrunk = np.sum((kept / np.maximum(s[:, None], 1e-12)) ** 2 * size, 0)
                misfit = outside + np.sum((1 - kept) ** 2 * size, 0)
                alpha = np.clip(determined / np.maximum(shrunk, 1e-12), 1e-6, 1e6)
                beta = np.clip(np.maximum(count - determined, 1.0) / (misfit + 1e-8), 1e-2, 1e6)
            energy = beta * s[:, None] ** 2
            kept = energy / (alpha + energy)
            misfit = outside + np.sum((1 - kept) * size, 0)
            evidence += 0.5 * np.sum(
                count * np.log(beta) + times * np.log1p(-kept).sum(0) - beta * misfit
            )
            shrink = kept / np.maximum(s[:, None], 1e-12)
            weights.append(np.einsum("rx,rp,rtp->xtp", v, shrink, projected, optimize=True))
        return -float(evidence), weights
