"""The uncertainty of fitted members, from the errors of each on its held-out measurements.

Shapes: M members, C conditions, T times, K columns (states of molecules, then values in other
modalities).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ..measurements.metrics import LEAST_CHANGE
from ..model.next_state_head import NORMAL_QUANTILE
from ..model.tissue import variance_of_members
from .targets import ACTIVITY_SPREAD

COVERAGE = 0.9
LEAST_CALIBRATED = 16
"""Conditions that a group needs for a factor of its own."""
HIGHEST_LEVEL = 0.98
"""The highest quantile that is covered. Fewer than a dozen conditions would require a higher one,
which only a few of thousands of errors determine."""
LEAST_FACTOR, LEAST_MISSED = 1e-3, 1e-5
SHARED_COUNT = 4
"""The usual size of all columns counts as this many errors in that of a column."""


Correction = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Calibration:
    """Standard deviations with which 90 % of held-out measurements lie in their interval.

    Attributes:
        missed: (K) standard deviation of the members' errors on held-out measurements; see
            `variance_of_members`.
        factors: (2) on standard deviations, without and with a perturbation, since effects of
            knock-outs are harder to predict.
    """

    missed: torch.Tensor
    factors: torch.Tensor


@dataclass(frozen=True)
class HeldOutErrors:
    """Predictions of members, and measured values.

    Attributes:
        predicted: (M, C, T, K) by every member.
        held_out: (M, C, T) measurements that each was not fitted to.
        values, measured: (C, T, K) measured values, and where there are any, except states that are
            known exactly.
        rest: (K) the state at rest, or another value that changes are relative to.
        unit: (K) the difference of values that corresponds to 1 of activity.
        perturbed: (C) whether a condition has a perturbation.
        correct: predictions of members and their standard deviations (M, C, T, K), corrected by
            the measurements of the same condition that each was fitted to; used where there is
            only one condition, to parts of which all were fitted.
    """

    predicted: torch.Tensor
    held_out: torch.Tensor
    values: torch.Tensor
    measured: torch.Tensor
    rest: torch.Tensor
    unit: torch.Tensor
    perturbed: np.ndarray
    correct: Correction | None = None


@torch.no_grad()
def calibrate(errors: HeldOutErrors) -> Calibration:
    """The calibration that covers 90 % of held-out measurements.

    Only values that change count; nearly any factor covers the others. The quantiles are those of
    split conformal prediction, with conditions as exchangeable units, or the columns of a single
    condition, whose few times would require the largest error of all: (1 + 1/C) times the level,
    up to `HIGHEST_LEVEL` (Lei et al., J Am Stat Assoc 2018;113:1094), group by group (Vovk et al.,
    Algorithmic Learning in a Random World, 2005, section 4.5). A group with too few conditions is
    pooled with the other one. Predictions of a single condition are corrected by the measurements
    of it that were fitted to, so that its errors are those after a correction by observations.
    """
    counted = errors.held_out.unsqueeze(-1) & errors.measured

    def error_of(predicted: torch.Tensor) -> torch.Tensor:
        return torch.where(counted, predicted - errors.values, 0.0)

    has_error = counted.any(0).any(-1).any(-1).cpu().numpy()
    # The errors of a condition do not calibrate its own, nor those of a time of a single condition.
    alone = has_error.sum() == 1
    axes = (0, 1) if alone else (0, 2)
    squared = (error_of(errors.predicted) / errors.unit).square().sum(axes)
    count = counted.sum(axes)
    by_others = _usual_size(squared.sum(0) - squared, count.sum(0) - count)
    by_others = by_others.unsqueeze(0 if alone else 1)

    moves = (errors.values - errors.rest).abs() > LEAST_CHANGE * errors.unit
    predicted, in_common = errors.predicted, (by_others * errors.unit).expand_as(errors.predicted)
    if alone and errors.correct is not None:
        predicted, in_common = errors.correct(predicted, in_common)
    ratios = error_of(predicted).abs() / variance_of_members(predicted, in_common**2).sqrt()
    moving_there = counted & moves
    moving = int(moving_there.any(0).any(0).any(0).sum())
    factors = []
    for group in (has_error & ~errors.perturbed, has_error & errors.perturbed):
        if group.sum() < LEAST_CALIBRATED:
            group = has_error
        chosen = torch.tensor(group, device=ratios.device)
        exchangeable = moving if alone else int(group.sum())
        level = min(COVERAGE * (1 + 1 / max(exchangeable, 1)), HIGHEST_LEVEL)
        factors.append(_factor(ratios[:, chosen][moving_there[:, chosen]], level))
    pooled = _usual_size(squared.sum(0), count.sum(0)) * errors.unit
    return Calibration(pooled, torch.tensor(factors))


def _usual_size(squared: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """Standard deviations of columns (…, K), each by its own errors and those of all: a column
    without errors has that of all, and where there are no errors at all, that of states."""
    every = count.sum(-1, keepdim=True)
    pooled = squared.sum(-1, keepdim=True) / every.clamp(min=1)
    pooled = torch.where(every > 0, pooled, ACTIVITY_SPREAD**2)
    found = ((squared + SHARED_COUNT * pooled) / (count + SHARED_COUNT)).sqrt()
    return found.clamp(min=LEAST_MISSED)


def _factor(ratios: torch.Tensor, level: float) -> float:
    """The factor on standard deviations that covers a share of the ratios."""
    if not len(ratios):
        return 1.0
    found = np.quantile(ratios.cpu().numpy(), level)
    return max(float(found) / NORMAL_QUANTILE, LEAST_FACTOR)
