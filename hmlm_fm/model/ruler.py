"""The ruler: the simplest method that may win on measured sets, and the base that HMLM adds to.

Kernel regression from treatment vectors to changes from the control, averaged over kernels,
constants and penalties by their leave-one-out errors. It knows neither the network nor the names,
and costs milliseconds.

Shapes: C context conditions, K treatments, M outputs (a readout at a time), Q queries; and of the
fits F kernels with a constant, P penalties.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

PRODUCTS = (0.0, 0.15, 0.6)
"""Weights g of the kernels L + g·L², of which the squares are products of two treatments."""
LENGTHS = (1.0, 2.0)
"""Of the radial kernels, in units of the largest dose."""
LINEAR_SHARE = 0.3
"""Of the linear kernel in the radial ones, which alone would forget far from the context."""
CONSTANTS = (0.0, 0.1, 1.0)
"""Added to kernels: what all changes have in common, such as the noise of their control."""
LINEAR = slice(0, 1)
"""The first of the kernels: linear, without a constant."""
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
SHARPNESS = 20.0
"""How fast the weight of a fit falls with its error."""
PRIOR_CONDITIONS = 4.0
"""As how many conditions the error over all outputs counts towards that of one output."""


@dataclass(frozen=True)
class RulerPrediction:
    """What the ruler says.

    Attributes:
        changes: (Q, M) of the queries, in the unit of the context's changes.
        left_out: (C, M) of the context's conditions, each from the others; NaN where nothing was
            measured.
        sd: (M) of the errors that it makes of conditions that were left out.
        known: (M) whether an output was measured often enough; others are 0.
    """

    changes: np.ndarray
    left_out: np.ndarray
    sd: np.ndarray
    known: np.ndarray


def scaled_doses(doses: np.ndarray, query_doses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Doses (C, K) and (Q, K) over the largest of each treatment in the context, 1 if there is
    none, so that other queries change nothing."""
    largest = np.abs(doses).max(0, initial=0.0)
    largest = np.where(largest > 0, largest, 1.0)
    return doses / largest, query_doses / largest


def kernels(doses: np.ndarray, query_doses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All kernels, with every constant: (F, C, C) within the context and (F, Q, C) to the queries.

    Args:
        doses, query_doses: scaled, (C, K) and (Q, K).
    """
    own, asked = doses @ doses.T, query_doses @ doses.T
    norms, query_norms = (doses**2).sum(1), (query_doses**2).sum(1)
    found = [(own + g * own**2, asked + g * asked**2) for g in PRODUCTS]
    for length in LENGTHS:
        found.append(
            (
                _radial(norms, norms, own, length) + LINEAR_SHARE * own,
                _radial(query_norms, norms, asked, length) + LINEAR_SHARE * asked,
            )
        )
    pairs = [(k + constant, q + constant) for k, q in found for constant in CONSTANTS]
    return np.stack([k for k, _ in pairs]), np.stack([q for _, q in pairs])


def _radial(a: np.ndarray, b: np.ndarray, products: np.ndarray, length: float) -> np.ndarray:
    """The radial kernel less its value at the control, so that the control has no change."""
    squares = a[:, None] + b[None] - 2 * products
    scale = -0.5 / length**2
    return np.exp(scale * squares) - np.outer(np.exp(scale * a), np.exp(scale * b))


def ruler(
    doses: np.ndarray,
    changes: np.ndarray,
    query_doses: np.ndarray,
    chosen: slice = slice(None),
    penalties: tuple[float, ...] = PENALTIES,
    sharpness: float = SHARPNESS,
) -> RulerPrediction:
    """Predict changes of queries from those of context conditions.

    Args:
        doses: (C, K) treatment vectors of the context.
        changes: (C, M) from the control, NaN where nothing was measured.
        query_doses: (Q, K).
        chosen: of the kernels with constants; all by default.
        penalties: those that are averaged over.
        sharpness: how fast the weight of a fit falls with its error; infinite for the best alone.
    """
    return rulers(doses, changes, query_doses, (chosen,), penalties, sharpness)[0]


def rulers(
    doses: np.ndarray,
    changes: np.ndarray,
    query_doses: np.ndarray,
    choices: Sequence[slice],
    penalties: tuple[float, ...] = PENALTIES,
    sharpness: float = SHARPNESS,
) -> list[RulerPrediction]:
    """As `ruler`, for each of several choices of kernels at little more than the cost of one."""
    scaled, scaled_queries = scaled_doses(doses, query_doses)
    inner, cross = kernels(scaled, scaled_queries)
    numbers = np.arange(len(inner))
    used = np.unique(np.concatenate([numbers[chosen] for chosen in choices]))
    inner, cross = inner[used], cross[used]
    there = np.isfinite(changes)
    unit = changes[there].std() if there.any() else 1.0
    unit = unit if unit > 0 else 1.0
    fits = [
        _Fit(
            inner[:, rows][:, :, rows], cross[:, :, rows], scaled[rows],
            changes[np.ix_(rows, outputs)] / unit, rows, outputs, penalties,
        )
        for rows, outputs in _patterns(there)
    ]  # fmt: skip
    errors = np.full((len(inner), len(penalties), changes.shape[1]), np.nan)
    for fit in fits:
        errors[:, :, fit.outputs] = (fit.left**2).mean(2)
    known = np.isfinite(errors).all((0, 1))
    found = []
    for chosen in choices:
        own = np.isin(used, numbers[chosen])
        weights = np.zeros(errors.shape)
        weights[np.ix_(own, np.ones(len(penalties), dtype=bool), known)] = _weights(
            errors[own][:, :, known], sharpness
        )
        predicted = np.zeros((len(query_doses), changes.shape[1]))
        left_out = np.full(changes.shape, np.nan)
        for fit in fits:
            asked, residuals = fit.averaged(weights[:, :, fit.outputs], own)
            predicted[:, fit.outputs] = asked
            left_out[np.ix_(fit.rows, fit.outputs)] = fit.values - residuals
        spread = _spread(changes, left_out * unit, unit)
        found.append(RulerPrediction(predicted * unit, left_out * unit, spread, known))
    return found


class _Fit:
    """Kernel regressions of outputs that were measured in the same conditions.

    Conditions with the same treatment vector have the same row of the kernel, so that only as many
    eigenvectors are needed as there are distinct ones.

    Attributes:
        cross: (F, Q, C) kernels to the queries.
        dual: (F, P, C, M) coefficients.
        left: (F, P, C, M) residuals of each condition when it is left out.
    """

    def __init__(
        self,
        inner: np.ndarray,
        cross: np.ndarray,
        doses: np.ndarray,
        values: np.ndarray,
        rows: np.ndarray,
        outputs: np.ndarray,
        penalties: tuple[float, ...],
    ) -> None:
        self.rows, self.outputs, self.values, self.cross = rows, outputs, values, cross
        _, first, which, count = np.unique(
            doses, axis=0, return_index=True, return_inverse=True, return_counts=True
        )
        weight, which = np.sqrt(count), which.ravel()
        power, vectors = np.linalg.eigh(
            inner[:, first][:, :, first] * weight[:, None] * weight[None, :]
        )
        vectors = (vectors / weight[:, None])[:, which]
        penalty = np.array(penalties)[:, None]
        # (K + p)^-1 is 1/p but for the eigenvectors.
        inverse = 1 / (np.maximum(power, 0)[:, None] + penalty) - 1 / penalty
        projected = vectors.transpose(0, 2, 1) @ values
        self.dual = vectors[:, None] @ (inverse[..., None] * projected[:, None])
        self.dual += values / penalty[..., None]
        diagonal = (vectors**2 @ inverse.transpose(0, 2, 1)).transpose(0, 2, 1) + 1 / penalty
        self.left = self.dual / diagonal[..., None]

    def averaged(self, weights: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predictions (Q, M) and residuals (C, M), averaged by the weights (F, P, M) of its own
        kernels (F)."""
        by_kernel = (weights[own][:, :, None] * self.dual[own]).sum(1)
        predicted = (self.cross[own] @ by_kernel).sum(0)
        return predicted, (weights[own][:, :, None] * self.left[own]).sum((0, 1))


def _patterns(there: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Conditions and outputs of each pattern of what was measured (C, M), two conditions or
    more."""
    patterns, of_output = np.unique(there, axis=1, return_inverse=True)
    for i, pattern in enumerate(patterns.T):
        if pattern.sum() > 1:
            yield np.flatnonzero(pattern), np.flatnonzero(of_output.ravel() == i)


def _weights(errors: np.ndarray, sharpness: float) -> np.ndarray:
    """Weights of fits (F, P, M) from their leave-one-out errors: half by the error over all
    outputs, half by that of the output, each over the least."""
    if not errors.size:
        return errors
    of_set = errors.mean(2)
    least = np.maximum(errors.min((0, 1)), 1e-9)
    badness = 0.5 * (of_set / max(of_set.min(), 1e-9))[..., None] + 0.5 * errors / least
    excess = badness - badness.min((0, 1))
    weights = (excess == 0).astype(float) if np.isinf(sharpness) else np.exp(-sharpness * excess)
    normalised: np.ndarray = weights / weights.sum((0, 1))
    return normalised


def _spread(changes: np.ndarray, left_out: np.ndarray, unit: float) -> np.ndarray:
    """Standard deviations (M) of the errors of conditions that were left out, drawn towards that
    over all outputs."""
    squares = (changes - left_out) ** 2
    count = np.isfinite(squares).sum(0)
    total = np.where(np.isfinite(squares), squares, 0).sum(0)
    overall = total.sum() / count.sum() if count.sum() else unit**2
    spread: np.ndarray = np.sqrt((total + PRIOR_CONDITIONS * overall) / (count + PRIOR_CONDITIONS))
    return spread
