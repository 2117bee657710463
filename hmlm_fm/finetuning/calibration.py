"""How uncertain fitted members are, by what each of them foresaw of what it held out.

Shapes: M members, C conditions, T times, K columns (molecules' states, then what molecules show in
other modalities).
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
"""Conditions of a group, for which one group's factor can be told from the other's."""
HIGHEST_LEVEL = 0.98
"""Of the quantile that is covered: beyond it, which fewer than a dozen conditions ask for, are the
few worst of thousands of errors."""
LEAST_FACTOR, LEAST_MISSED = 1e-3, 1e-5
SHARED_COUNT = 4
"""As many errors of a column weigh as much as the usual size of all of them."""


Correction = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Calibration:
    """What makes 90 % of what members held out lie in their interval.

    Attributes:
        missed: (K) standard deviation of what members missed of what they held out; see
            `variance_of_members`.
        factors: (2) on standard deviations, without and with a perturbation, since what a knock-out
            does is harder to foresee.
    """

    missed: torch.Tensor
    factors: torch.Tensor


@dataclass(frozen=True)
class HeldOutErrors:
    """What members foretold, and what was so.

    Attributes:
        told: (M, C, T, K) by every member.
        held_out: (M, C, T) what each has not seen.
        values, measured: (C, T, K) what was measured, and where, but for what is known anyway.
        rest: (K) the state at rest, or another value that what moves is told from.
        unit: (K) by how much values differ as activities differ by 1.
        perturbed: (C) whether a condition has a perturbation.
        correct: what members say and the standard deviations of it (M, C, T, K), corrected by what
            each has seen of the same condition; asked where there is one condition alone, of which
            all have seen something.
    """

    told: torch.Tensor
    held_out: torch.Tensor
    values: torch.Tensor
    measured: torch.Tensor
    rest: torch.Tensor
    unit: torch.Tensor
    perturbed: np.ndarray
    correct: Correction | None = None


@torch.no_grad()
def calibrate(errors: HeldOutErrors) -> Calibration:
    """What covers 90 % of what members held out.

    Of what moves; of the rest nearly everything is covered whatever the factor. The quantiles are
    those of split conformal prediction, with conditions as what is exchangeable, or the columns of
    a single one, whose few times would ask for the largest error of all: (1 + 1/C) times the level,
    up to `HIGHEST_LEVEL` (Lei et al., J Am Stat Assoc 2018;113:1094), group by group (Vovk et al.,
    Algorithmic Learning in a Random World, 2005, section 4.5). A group with too few conditions is
    taken with the other one. A single condition is asked again by who has watched it, so that its
    errors are those that are left after a correction by what was seen.
    """
    counted = errors.held_out.unsqueeze(-1) & errors.measured

    def missed_by(told: torch.Tensor) -> torch.Tensor:
        return torch.where(counted, told - errors.values, 0.0)

    told_of = counted.any(0).any(-1).any(-1).cpu().numpy()
    # A condition says nothing of how sure one is of itself, nor a time of a single condition.
    alone = told_of.sum() == 1
    axes = (0, 1) if alone else (0, 2)
    squared = (missed_by(errors.told) / errors.unit).square().sum(axes)
    count = counted.sum(axes)
    by_others = _usual_size(squared.sum(0) - squared, count.sum(0) - count)
    by_others = by_others.unsqueeze(0 if alone else 1)

    moves = (errors.values - errors.rest).abs() > LEAST_CHANGE * errors.unit
    told, in_common = errors.told, (by_others * errors.unit).expand_as(errors.told)
    if alone and errors.correct is not None:
        told, in_common = errors.correct(told, in_common)
    ratios = missed_by(told).abs() / variance_of_members(told, in_common**2).sqrt()
    asked = counted & moves
    moving = int(asked.any(0).any(0).any(0).sum())
    factors = []
    for group in (told_of & ~errors.perturbed, told_of & errors.perturbed):
        if group.sum() < LEAST_CALIBRATED:
            group = told_of
        chosen = torch.tensor(group, device=ratios.device)
        exchangeable = moving if alone else int(group.sum())
        level = min(COVERAGE * (1 + 1 / max(exchangeable, 1)), HIGHEST_LEVEL)
        factors.append(_factor(ratios[:, chosen][asked[:, chosen]], level))
    of_all = _usual_size(squared.sum(0), count.sum(0)) * errors.unit
    return Calibration(of_all, torch.tensor(factors))


def _usual_size(squared: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """Standard deviations of columns (…, K), each by its own errors and those of all: a column of
    which nothing was measured has that of all, and where nothing at all was, they vary as states
    do."""
    every = count.sum(-1, keepdim=True)
    of_all = squared.sum(-1, keepdim=True) / every.clamp(min=1)
    of_all = torch.where(every > 0, of_all, ACTIVITY_SPREAD**2)
    found = ((squared + SHARED_COUNT * of_all) / (count + SHARED_COUNT)).sqrt()
    return found.clamp(min=LEAST_MISSED)


def _factor(ratios: torch.Tensor, level: float) -> float:
    """What standard deviations are to be multiplied with to cover a share of the ratios."""
    if not len(ratios):
        return 1.0
    found = np.quantile(ratios.cpu().numpy(), level)
    return max(float(found) / NORMAL_QUANTILE, LEAST_FACTOR)
