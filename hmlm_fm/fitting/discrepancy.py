"""What a network leaves unexplained of a tissue, as additive effects of treatments.

Where a pathway is missing from a network, the residuals of its fitted gates repeat in conditions
with the same treatment. Ridge regression predicts these residuals from the treatments, one for all
measured columns and times, and they are added to predictions of other conditions: the model
discrepancy of Kennedy and O'Hagan (J R Stat Soc B 2001;63:425), with a linear kernel. Travels with
checkpoints.

Shapes: C fitted conditions, T measured times, U query times, N molecules, K columns (states of
molecules, or their values in a modality), X treatments, P penalties.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..model.condition_tensors import ConditionTensors
from ..model.tissue import Discrepancy, with_always

PENALTIES = np.logspace(-1.5, 1.5, 7)
WORTHWHILE = 0.1
"""The share of the squared residuals of left-out conditions that it has to explain, besides the
share that one group of conditions has of all: gates are easier to read without it, and with few
conditions the others sometimes predict even noise."""
LEAST_WEIGHT = 1e-3
"""Measurements of a smaller weight are ignored."""


@dataclass(frozen=True)
class Unexplained:
    """A discrepancy that was found for a fit.

    Attributes:
        done, hours, explained: as in `Discrepancy`.
        weight: (1 + X, T, K) the effects.
        fitted, left_out: (C, T, K) predictions of each condition from all of them, and from the
            others alone.
    """

    done: list[int]
    hours: list[float]
    weight: np.ndarray
    fitted: np.ndarray
    left_out: np.ndarray
    explained: float

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of `Discrepancy`, except its columns."""
        return {
            "done": self.done,
            "hours": self.hours,
            "explained": self.explained,
        }

    def in_units(self, unit_K: np.ndarray) -> Unexplained:
        """The same, of columns that were divided by a unit each."""
        scaled = ("weight", "fitted", "left_out")
        return replace(self, **{name: getattr(self, name) * unit_K for name in scaled})

    @torch.no_grad()
    def fill(self, discrepancy: Discrepancy) -> Discrepancy:
        """The given discrepancy, with the effects that were found."""
        discrepancy.weight.copy_(torch.tensor(self.weight))
        return discrepancy


def find_discrepancy(
    conditions: ConditionTensors,
    residual: np.ndarray,
    weight: np.ndarray,
    hours: np.ndarray,
    molecule_K: np.ndarray | None = None,
) -> Unexplained | None:
    """The discrepancy of a fit; None where it would not be `WORTHWHILE`.

    The penalty is the one with which conditions are predicted best from the others; those with the
    same treatment are left out together. States that perturbations hold are ignored.

    Args:
        conditions: C rows.
        residual: (C, T, K) measured less fitted values.
        weight: (C, T, K) how much each counts, 1 where it is exact, 0 where nothing was measured.
        hours: (T) the measured times, after 0.
        molecule_K: the molecule of each column; all molecules in order by default.
    """
    held = conditions.effects_at_times(torch.tensor(hours).expand(len(residual), -1)).held_RN
    held_K = held.numpy()[..., slice(None) if molecule_K is None else molecule_K]
    counted = np.where(held_K | (weight < LEAST_WEIGHT), 0.0, weight)
    treatment_RX = conditions.treatment_RX
    done = torch.nonzero(treatment_RX.any(0)).flatten().tolist()
    x = with_always(treatment_RX[:, done]).double().numpy()
    _, treatment_of = np.unique(x, axis=0, return_inverse=True)
    known = np.where(counted > 0, residual, 0.0)
    flat, weight_flat = known.reshape(len(x), -1), counted.reshape(len(x), -1)
    effects, errors = _regressions(x, flat, weight_flat, treatment_of)
    squared_PCK = weight_flat * errors**2
    best = int(squared_PCK.sum((1, 2)).argmin())
    left, total = squared_PCK[best].sum(), (weight_flat * flat**2).sum()
    groups = len(np.unique(treatment_of[(weight_flat > 0).any(1)]))
    # There are no residuals, or some are not numbers.
    if not total > 0 or not 1 - left / total >= WORTHWHILE + 1 / groups:
        return None
    shape = (-1, *known.shape[1:])
    measured = np.asarray((counted > 0).any(0))
    found = _at_all_times(effects[best].reshape(shape), measured, hours)
    return Unexplained(
        done,
        hours.tolist(),
        found,
        np.einsum("cx,xtk->ctk", x, found),
        known - errors[best].reshape(shape),
        float(1 - left / total),
    )


def _regressions(
    x: np.ndarray, flat: np.ndarray, weight_flat: np.ndarray, treatment_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For every penalty, the effects (P, X, ·) and the errors on rows left out (P, C, ·).

    Args:
        x: (C, X) treatments.
        flat, weight_flat: (C, ·) residuals, and their weights.
        treatment_of: (C) the treatment of each row; rows with the same are left out together.
    """
    patterns, pattern_of = np.unique(weight_flat, axis=1, return_inverse=True)
    effects = np.zeros((len(PENALTIES), x.shape[1], flat.shape[1]))
    errors = np.zeros((len(PENALTIES), *flat.shape))
    for pattern, weights in enumerate(patterns.T):
        rows, columns = weights > 0, np.flatnonzero(pattern_of.ravel() == pattern)
        if not rows.any():
            continue
        own, y = x[rows], flat[np.ix_(rows, columns)]
        for p, penalty in enumerate(PENALTIES):
            inverse = np.linalg.inv(own @ own.T + np.diag(penalty / weights[rows]))
            dual = inverse @ y
            effects[p][:, columns] = own.T @ dual
            errors[p][np.ix_(rows, columns)] = _left_out_errors(inverse, dual, treatment_of[rows])
    return effects, errors


def _left_out_errors(inverse: np.ndarray, dual: np.ndarray, treatment_of: np.ndarray) -> np.ndarray:
    """Errors of ridge regression on rows that are left out, those of one treatment together.

    The block form of the leave-one-out residual (Cawley and Talbot, Neural Networks 2004;17:1467).
    """
    errors = dual / np.diag(inverse)[:, None]
    groups, counts = np.unique(treatment_of, return_counts=True)
    for group in groups[counts > 1]:
        own = np.flatnonzero(treatment_of == group)
        errors[own] = np.linalg.solve(inverse[np.ix_(own, own)], dual[own])
    return errors


def _at_all_times(effects: np.ndarray, measured: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """Effects (X, T, K) at the times where a column was not measured (T, K), between those where
    it was."""
    effects = effects.copy()
    for column in np.flatnonzero(measured.any(0) & ~measured.all(0)):
        known = np.flatnonzero(measured[:, column])
        for course in effects[:, :, column]:
            course[:] = np.interp(hours, [0.0, *hours[known]], [0.0, *course[known]])
    return effects
