"""What a network leaves unexplained of a tissue, as effects of what was done that add up.

A pathway that is missing from a network shows in what its fitted gates miss, again and again where
the same thing was done. These residuals are told from what was done by ridge regression, one for
all molecules and times, and added to the states of other conditions: the model discrepancy of
Kennedy and O'Hagan (J R Stat Soc B 2001;63:425), with a linear kernel. Travels with checkpoints.

Shapes: R rows (asked conditions), C fitted conditions, T measured times, U query times, N
molecules, X things that were done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from .batch_graph import perturbed_at
from .conditions import ConditionTensors

PENALTIES = np.logspace(-1.5, 1.5, 7)
ALWAYS = 0.5
"""What counts as done in every condition, for what all of them have in common."""
WORTHWHILE = 0.1
"""What share of the squared residuals it has to explain of conditions that are left out: gates are
easier to read without it."""
SHARED_COUNT = 4
"""As many errors of a molecule weigh as much as the usual size of all of them."""


class Discrepancy(nn.Module):
    """Effects of what was done on every molecule, at the measured times.

    Attributes:
        weight: (1 + X, T, N) the effects, first of what all conditions have in common.
        spread: (N) standard deviation of what is left.
    """

    weight: nn.Parameter
    spread: nn.Parameter

    def __init__(
        self, done: list[int], hours: list[float], molecules: int, explained: float
    ) -> None:
        """
        Args:
            done: (X) columns of `ConditionTensors.done_RX`.
            hours: (T) the measured times, all after 0 and in order.
            explained: share of the squared residuals of conditions that are left out.
        """
        super().__init__()
        self.done, self.hours, self.explained = done, hours, explained
        self.weight = nn.Parameter(torch.zeros(1 + len(done), len(hours), molecules))
        self.spread = nn.Parameter(torch.zeros(molecules))

    def forward(
        self, states: torch.Tensor, conditions: ConditionTensors, hours: torch.Tensor
    ) -> torch.Tensor:
        """States with these effects, within their range; what a perturbation holds stays.

        Args:
            states: (B, Q, U, N) rolled out; `hours`: (B, Q, U).
            conditions: B · Q rows.
        """
        done_RX = _with_always(conditions.done_RX[:, self.done])
        effect_RTN = torch.einsum("rx,xtn->rtn", done_RX, self.weight.to(done_RX))
        # Nothing has happened yet at time 0, and after the last time nothing more is known.
        effect_RTN = torch.cat([torch.zeros_like(effect_RTN[:, :1]), effect_RTN], 1)
        known = torch.tensor([0.0, *self.hours], dtype=hours.dtype, device=hours.device)
        asked_RU = hours.flatten(0, 1).contiguous()
        after = torch.searchsorted(known, asked_RU, right=True).clamp(1, len(known) - 1)
        share = ((asked_RU - known[after - 1]) / (known[after] - known[after - 1])).clamp(max=1)
        rows = torch.arange(len(after), device=after.device)[:, None]
        effect_RUN = torch.lerp(
            effect_RTN[rows, after - 1],
            effect_RTN[rows, after],
            share.to(effect_RTN).unsqueeze(-1),
        )
        held, ymax = perturbed_at(conditions, hours)
        moved = (states + effect_RUN.view_as(states)).clamp(min=0)
        return torch.where(held, states, torch.minimum(moved, torch.maximum(states, ymax)))


@dataclass(frozen=True)
class Unexplained:
    """What a fit found of a discrepancy.

    Attributes:
        done, hours, explained: as in `Discrepancy`.
        weight: (1 + X, T, N) the effects.
        left_out: (C, T, N) what is said of each condition by the others alone.
        spread: (N) standard deviation of what that leaves, of a molecule that was not measured
            that of all.
    """

    done: list[int]
    hours: list[float]
    weight: np.ndarray
    left_out: np.ndarray
    spread: np.ndarray
    explained: float

    @property
    def shape(self) -> dict[str, Any]:
        """What a `Discrepancy` is made from."""
        return {
            "done": self.done,
            "hours": self.hours,
            "molecules": len(self.spread),
            "explained": self.explained,
        }

    @torch.no_grad()
    def fill(self, discrepancy: Discrepancy) -> Discrepancy:
        """The same discrepancy, with what was found."""
        discrepancy.weight.copy_(torch.tensor(self.weight))
        discrepancy.spread.copy_(torch.tensor(self.spread))
        return discrepancy


def find_discrepancy(
    conditions: ConditionTensors, residual: np.ndarray, measured: np.ndarray, hours: np.ndarray
) -> Unexplained | None:
    """The discrepancy of a fit; None where it would not be `WORTHWHILE`.

    The penalty is the one with which conditions are told best by the others; those to which the
    same was done are left out together. What perturbations hold tells nothing.

    Args:
        conditions: C rows.
        residual, measured: (C, T, N) what was measured less what was fitted, and where it was.
        hours: (T) when, after 0.
    """
    held = conditions.effects_at_times(torch.tensor(hours).expand(len(residual), -1)).held_RN
    measured = measured & ~held.numpy()
    done_RX = conditions.done_RX
    done = torch.nonzero(done_RX.any(0)).flatten().tolist()
    x = _with_always(done_RX[:, done]).double().numpy()
    _, alike = np.unique(x, axis=0, return_inverse=True)
    missed = np.where(measured, residual, 0.0)
    there_TN = np.asarray(measured.any(0))
    flat, there = missed.reshape(len(x), -1), measured.reshape(len(x), -1)
    patterns, of_column = np.unique(there, axis=1, return_inverse=True)
    weights = np.zeros((len(PENALTIES), x.shape[1], flat.shape[1]))
    errors = np.zeros((len(PENALTIES), *flat.shape))
    for pattern, rows in enumerate(patterns.T):
        columns = np.flatnonzero(of_column.ravel() == pattern)
        if not rows.any():
            continue
        own, y = x[rows], flat[np.ix_(rows, columns)]
        for p, penalty in enumerate(PENALTIES):
            inverse = np.linalg.inv(own @ own.T + penalty * np.eye(len(own)))
            dual = inverse @ y
            weights[p][:, columns] = own.T @ dual
            errors[p][np.ix_(rows, columns)] = _left_out_errors(inverse, dual, alike[rows])
    best = int((errors**2).sum((1, 2)).argmin())
    squared = (errors[best] ** 2).reshape(missed.shape)
    total = (missed**2).sum()
    if squared.sum() > (1 - WORTHWHILE) * total or not total:
        return None
    count = measured.sum((0, 1))
    usual = squared.sum() / count.sum()
    spread = np.sqrt((squared.sum((0, 1)) + SHARED_COUNT * usual) / (count + SHARED_COUNT))
    weight = _at_all_times(weights[best].reshape(-1, *missed.shape[1:]), there_TN, hours)
    left_out = missed - errors[best].reshape(missed.shape)
    return Unexplained(
        done, hours.tolist(), weight, left_out, spread, float(1 - squared.sum() / total)
    )


def _with_always(done_RX: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.full_like(done_RX[:, :1], ALWAYS), done_RX], 1)


def _left_out_errors(inverse: np.ndarray, dual: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """What ridge regression misses of rows that it is not shown, those alike left out together.

    The block form of the leave-one-out residual (Cawley and Talbot, Neural Networks 2004;17:1467).
    """
    errors = np.zeros_like(dual)
    for group in np.unique(alike):
        own = np.flatnonzero(alike == group)
        errors[own] = np.linalg.solve(inverse[np.ix_(own, own)], dual[own])
    return errors


def _at_all_times(weight: np.ndarray, measured: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """Effects (X, T, N) at the times where a molecule was not measured (T, N), between those where
    it was."""
    weight = weight.copy()
    for molecule in np.flatnonzero(measured.any(0) & ~measured.all(0)):
        known = np.flatnonzero(measured[:, molecule])
        for effects in weight[:, :, molecule]:
            effects[:] = np.interp(hours, [0.0, *hours[known]], [0.0, *effects[known]])
    return weight
