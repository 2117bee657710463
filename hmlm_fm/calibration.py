"""How uncertain fitted members are, by what each of them foresaw of what it held out.

Shapes: M members, C conditions, T times, N molecules, Q conditions at once, H held-out
values of one condition.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from .next_state_head import NORMAL_QUANTILE

COVERAGE = 0.9
LEAST_CHANGE = 0.02
"""Of molecules that move less, nearly everything is covered whatever the interval."""
LEAST_CALIBRATED = 16
"""Conditions of a group, for which one group's factor can be told from the other's."""
HIGHEST_LEVEL = 0.98
"""Of the quantile that is covered: beyond it, which fewer than a dozen conditions ask for, are the
few worst of thousands of errors."""
AT_ONCE, LEAST_FACTOR = 16, 1e-3

Predict = Callable[[np.ndarray], tuple[torch.Tensor, torch.Tensor]]
"""States and their standard deviations, two (M, Q, T, N), of some conditions by position (Q)."""


def in_parts(conditions: int) -> list[np.ndarray]:
    """Positions of conditions, as many at once as are predicted together."""
    return np.array_split(np.arange(conditions), math.ceil(conditions / AT_ONCE))


@torch.no_grad()
def calibrate(
    predict: Predict,
    held_out: torch.Tensor,
    states: torch.Tensor,
    measured: torch.Tensor,
    baseline: torch.Tensor,
    perturbed: np.ndarray,
) -> torch.Tensor:
    """Factors on standard deviations with which 90 % of what members held out is covered (2):
    without and with a perturbation, since what a knock-out does is harder to foresee.

    Of molecules that move; of the others nearly everything is covered whatever the factor. The
    quantiles are those of split conformal prediction, with conditions as what is exchangeable, or
    the molecules of a single one, whose few times would ask for the largest error of all: (1 + 1/C)
    times the level, up to `HIGHEST_LEVEL` (Lei et al., J Am Stat Assoc 2018;113:1094), group by
    group (Vovk et al., Algorithmic Learning in a Random World, 2005, section 4.5). A group with too
    few conditions is taken with the other one.

    Args:
        predict: by the members, fitted.
        held_out: (M, C, T) what each has not seen.
        states, measured: (C, T, N) what was measured, and where.
        baseline: (N) the state at rest.
        perturbed: (C) whether a condition has a perturbation.
    """
    moves = measured & ((states - baseline).abs() > LEAST_CHANGE)
    ratios = _held_out_ratios(predict, held_out, states, moves)
    moving = int((held_out.any(0).unsqueeze(-1) & moves).any(0).any(0).sum())
    factors = []
    for group in (~perturbed, perturbed):
        if group.sum() < LEAST_CALIBRATED:
            group = np.ones_like(group)
        exchangeable = int(group.sum()) if len(states) > 1 else moving
        level = min(COVERAGE * (1 + 1 / max(exchangeable, 1)), HIGHEST_LEVEL)
        factors.append(_factor([ratios[c] for c in np.flatnonzero(group)], level))
    return torch.tensor(factors)


def _factor(ratios: list[torch.Tensor], level: float) -> float:
    """What standard deviations are to be multiplied with to cover a share of the ratios."""
    together = torch.cat(ratios).cpu().numpy()
    if not len(together):
        return 1.0
    return max(float(np.quantile(together, level)) / NORMAL_QUANTILE, LEAST_FACTOR)


def _held_out_ratios(
    predict: Predict, held_out: torch.Tensor, states: torch.Tensor, moves: torch.Tensor
) -> list[torch.Tensor]:
    """Of each condition, what members miss of what they held out, in standard deviations (H).

    Args:
        moves: (C, T, N) what counts of the states.
    """
    by_condition: list[torch.Tensor] = []
    for chosen in in_parts(len(states)):
        found, scale = predict(chosen)
        spread = (scale.square().mean(0) + found.var(0, correction=0)).sqrt()
        missed = (found - states[chosen]).abs() / spread
        for place, condition in enumerate(chosen):
            by_condition.append(
                missed[:, place][held_out[:, condition, :, None] & moves[condition]]
            )
    return by_condition
