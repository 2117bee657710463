"""How uncertain fitted members are, by what each of them foresaw of what it held out.

Shapes: M members, C conditions, T times, N molecules, H errors of one condition.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

COVERAGE, NORMAL_QUANTILE = 0.9, 1.6448536
LEAST_CHANGE = 0.02
"""Of molecules that move less, nearly everything is covered whatever the interval."""
LEAST_CALIBRATED = 16
"""Conditions of a group, for which one group's factor can be told from the other's."""
AT_ONCE = 16
SHARES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
"""Of the variance that the model foretells, which are tried beside that between members."""

Predict = Callable[[np.ndarray], tuple[torch.Tensor, torch.Tensor]]
"""States and their standard deviations, two (M, Q, T, N), of some conditions by position (Q)."""


@torch.no_grad()
def calibrate(
    predict: Predict,
    held_out: torch.Tensor,
    states: torch.Tensor,
    measured: torch.Tensor,
    baseline: torch.Tensor,
    perturbed: np.ndarray,
) -> torch.Tensor:
    """What the 90 % interval is made of: the factors on standard deviations without and with a
    perturbation, since what a knock-out does is harder to foresee, and the share of the variance
    that the model foretells, beside the variance between members (3).

    Factors cover 90 % of what members held out, of molecules that move. The quantiles are those of
    split conformal prediction, with conditions as what is exchangeable, or the times of a single
    one: (1 + 1/C) times the level (Lei et al., J Am Stat Assoc 2018;113:1094), group by group (Vovk
    et al., Algorithmic Learning in a Random World, 2005, section 4.5). A group with too few
    conditions is taken with the other one. Of the shares, all calibrated alike, the one with the
    narrowest intervals is best (Gneiting et al., J R Stat Soc B 2007;69:243).

    Args:
        predict: by the members, fitted.
        held_out: (M, C, T) what each has not seen.
        states, measured: (C, T, N) what was measured, and where.
        baseline: (N) the state at rest.
        perturbed: (C) whether a condition has a perturbation.
    """
    errors = _held_out_errors(predict, held_out, states, measured, baseline)
    groups = []
    for group in (~perturbed, perturbed):
        whole = group if group.sum() >= LEAST_CALIBRATED else np.ones_like(group)
        exchangeable = int(whole.sum()) if len(states) > 1 else states.shape[1]
        level = min(COVERAGE * (1 + 1 / exchangeable), 1.0)
        groups.append(([errors[c] for c in np.flatnonzero(whole)], level))
    tried = []
    for share in SHARES:
        found = [_factor_and_width(torch.cat(of_group, 1), share, q) for of_group, q in groups]
        tried.append((sum(width for _, width in found), [factor for factor, _ in found], share))
    _, factors, share = min(tried)
    return torch.tensor([*factors, share])


def _factor_and_width(errors_3H: torch.Tensor, share: float, level: float) -> tuple[float, float]:
    """The factor that covers a share of the errors, and the mean width that this takes."""
    if not errors_3H.numel():
        return 1.0, 0.0
    missed, foretold, between = errors_3H.cpu().double().numpy()
    spread = np.sqrt(share * foretold + between)
    factor = max(float(np.quantile(missed / spread, level)) / NORMAL_QUANTILE, 1e-3)
    return factor, factor * float(spread.mean())


def _held_out_errors(
    predict: Predict,
    held_out: torch.Tensor,
    states: torch.Tensor,
    measured: torch.Tensor,
    baseline: torch.Tensor,
) -> list[torch.Tensor]:
    """Of each condition, what members miss of what they held out: the absolute error, the variance
    that the model foretells and that between members (3, H)."""
    by_condition: list[torch.Tensor] = []
    for chosen in np.array_split(np.arange(len(states)), math.ceil(len(states) / AT_ONCE)):
        found, scale = predict(chosen)
        missed = (found - states[chosen]).abs()
        foretold = scale.square().mean(0).expand_as(missed)
        between = found.var(0, correction=0).expand_as(missed)
        moves = measured[chosen] & ((states[chosen] - baseline).abs() > LEAST_CHANGE)
        for place, condition in enumerate(chosen):
            asked = held_out[:, condition, :, None] & moves[place]
            of_one = [values[:, place][asked] for values in (missed, foretold, between)]
            by_condition.append(torch.stack(of_one))
    return by_condition
