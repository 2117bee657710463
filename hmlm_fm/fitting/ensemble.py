"""Fitting the parameters of a network's roll-out to measurements, as several members at once.

Every member holds out a part of the conditions of its own, stops where it predicts them best, and
is held near where it started: with few measurements the start and the stop are most of the gain.
Fine-tuning and the fitted rivals of the benchmark share this one loop, so that none of them is
better cared for.

Shapes: M members, C conditions, Q of them in one step, U times, N molecules, L parameters of a
kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ..model.errors import HMLMError

Parameters = dict[str, torch.Tensor]
Predict = Callable[[Parameters, np.ndarray], torch.Tensor]
"""States (M, Q, U, N) of some conditions by their positions (Q), from parameters (M, L) by kind."""

MANY_CONDITIONS, VERY_MANY_CONDITIONS = 48, 200
"""From so many on, measurements tell more of gates than a first guess does."""
HELD_OUT_AT_ONCE, LONE_PARTS = 12, 5
BETTER_BY = 1e-3
LONGEST_GRADIENT = 10.0
LEAST_WEIGHT = 1e-9


@dataclass(frozen=True)
class FitSettings:
    """How a fit is run.

    Attributes:
        members: how many fits, each with another part of the conditions held out.
        steps: of Adam, at most.
        patience: steps without a better held-out error of any member before all stop.
        learning_rate: of a parameter with a spread of 1; it falls to a tenth over all steps.
        hold: weight of the mean squared distance from the start, in spreads.
        batch: conditions per step.
    """

    members: int = 8
    steps: int = 400
    patience: int = 80
    learning_rate: float = 0.08
    hold: float = 1e-3
    batch: int = 16


def settings_for(conditions: int) -> FitSettings:
    """The usual ones: more conditions bear more steps, and need less holding."""
    if conditions >= VERY_MANY_CONDITIONS:
        return FitSettings(members=4, steps=1000, patience=120, hold=1e-5, batch=24)
    if conditions >= MANY_CONDITIONS:
        return FitSettings(members=6, steps=600, patience=100, hold=3e-4, batch=16)
    return FitSettings()


@dataclass(frozen=True)
class Team:
    """The processes that fit members together, each some of them.

    Attributes:
        process: which of them this is, from 0; `processes`: how many there are.
        summed: the sum of a tensor over all of them.
    """

    process: int = 0
    processes: int = 1
    summed: Callable[[torch.Tensor], torch.Tensor] = lambda values: values

    def share(self, members: int) -> slice:
        """The members of this process; at least one where there are as many as processes."""
        ends = [members * part // self.processes for part in (self.process, self.process + 1)]
        return slice(*ends)


ALONE = Team()


@dataclass(frozen=True)
class HeldOut:
    """What members do not learn from.

    Attributes:
        measurements: (M, C, U) those that each holds out.
        watched: positions of the conditions in which they are looked at while fitting.
    """

    measurements: torch.Tensor
    watched: np.ndarray


@dataclass(frozen=True)
class Fit:
    """What a fit gave.

    Attributes:
        parameters: of every member (M, L) by kind, where each predicted its own part best.
        held_out: (M, C, U) which measurements a member has not seen.
        held_out_error: (M) mean squared error there; `error_at_start`: (M) the same of the start.
        steps: how many were made.
    """

    parameters: Parameters
    held_out: torch.Tensor
    held_out_error: torch.Tensor
    error_at_start: torch.Tensor
    steps: int


def fit_members(
    predict: Predict,
    start: Parameters,
    spread: Mapping[str, float],
    states: torch.Tensor,
    settings: FitSettings,
    seed: int = 0,
    weight: torch.Tensor | None = None,
    progress: Callable[[int, float], object] = lambda step, error: None,
    team: Team = ALONE,
    parts: HeldOut | None = None,
    fixed: Collection[str] = (),
) -> Fit:
    """Fit every member to the conditions that it does not hold out; to the times, of one alone.

    Each process fits its share, and what it finds is the same on any number of them, but for
    rounding: they agree on how long gradients are, and on when to stop.

    Args:
        predict: differentiable in the parameters, of this process' share of the members.
        start: (M, L) by kind.
        spread: of each kind: how far a parameter may be off.
        states: measured (C, U, N), or whatever else is predicted.
        settings: how.
        seed: of the order of conditions, and of the held-out parts.
        weight: how much each of `states` counts (C, U, N), 0 where it was not measured; all alike
            without it.
        progress: told the step and the mean held-out error.
        team: the processes; one by default.
        parts: that members hold out, where they are drawn already.
        fixed: kinds of parameters that stay where they start; not all of them.

    Raises:
        ValueError: one condition at one time, or a held-out part without measurements.
    """
    conditions, members = len(states), settings.members
    weight = torch.ones_like(states) if weight is None else weight.to(states)
    count_CU = weight.sum(2)
    parts = parts or held_out_parts(count_CU, members, seed)
    held_out, watched = parts.measurements, parts.watched

    own = team.share(members)
    start = {name: value[own] for name, value in start.items()}
    held_out_own = held_out[own]
    parameters = {
        name: value.clone().requires_grad_(name not in fixed) for name, value in start.items()
    }
    tuned = {name: value for name, value in parameters.items() if name not in fixed}
    groups = [
        {"params": [value], "lr": settings.learning_rate * spread[name], "at_start": spread[name]}
        for name, value in tuned.items()
    ]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    size = sum(value.shape[1] for value in tuned.values())
    chance = np.random.default_rng([seed, 6])
    best = {name: value.clone() for name, value in start.items()}
    best_error = torch.full((len(held_out_own),), math.inf, device=states.device)
    error_at_start, last_better, step = best_error, 0, 0

    def errors(chosen: np.ndarray, counted_MQU: torch.Tensor) -> torch.Tensor:
        """Mean squared error of every member over the measurements that count for it (M), by their
        weights."""
        squared = (predict(parameters, chosen) - states[chosen]) ** 2 * weight[chosen]
        total = (squared.sum(3) * counted_MQU).sum((1, 2))
        # Weights may be small, and of some chosen conditions a member may hold out all there is.
        return total / (count_CU[chosen] * counted_MQU).sum((1, 2)).clamp(min=LEAST_WEIGHT)

    for step in range(settings.steps + 1):
        if step % 5 == 0:
            with torch.no_grad():
                error = errors(watched, held_out_own[:, watched])
            if step == 0:
                error_at_start = error
            better = error < best_error * (1 - BETTER_BY)
            best_error = torch.where(better, error, best_error)
            for name, value in parameters.items():
                best[name][better] = value.detach()[better]
            total = team.summed(torch.stack([better.sum().to(best_error), best_error.sum()]))
            last_better = step if total[0] > 0 else last_better
            progress(step, float(total[1]) / members)
            if step - last_better >= settings.patience or step == settings.steps:
                break
        rate = settings.learning_rate
        rate *= 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["at_start"]
        chosen = chance.choice(conditions, size=min(settings.batch, conditions), replace=False)
        loss = errors(chosen, ~held_out_own[:, chosen]).sum()
        far = sum(
            (((value - start[name]) / spread[name]) ** 2).sum() for name, value in tuned.items()
        )
        optimizer.zero_grad()
        (loss + settings.hold * far / size).backward()
        length = torch.nn.utils.get_total_norm(
            [p.grad for p in tuned.values() if p.grad is not None]
        )
        length = team.summed(length**2).sqrt()
        torch.nn.utils.clip_grads_with_norm_(list(tuned.values()), LONGEST_GRADIENT, length)
        optimizer.step()

    def of_all(found: torch.Tensor) -> torch.Tensor:
        every = found.new_zeros((members, *found.shape[1:]))
        every[own] = found
        return team.summed(every)

    return Fit(
        {name: of_all(value) for name, value in best.items()},
        held_out,
        of_all(best_error),
        of_all(error_at_start),
        step,
    )


def held_out_parts(count_CU: torch.Tensor, members: int, seed: int) -> HeldOut:
    """A part for each member, of conditions that were measured, or of the times of a single one.

    Members hold out all of them between them; one alone holds out a fifth.

    Args:
        count_CU: how many measurements there are of each condition at each time, or their weight.

    Raises:
        ValueError: nothing was measured but one condition at one time.
    """
    conditions, times = count_CU.shape
    count = count_CU.cpu().numpy()
    units = measured = np.flatnonzero(count.sum(1))
    by_condition = len(measured) > 1
    if not by_condition:
        units = np.flatnonzero(count.sum(0))
    if len(units) < 2:
        raise HMLMError(
            f"{len(measured)} conditions at {len(units)} times to fit to; expected at least 2 "
            "conditions, or one at 2 times"
        )
    order = np.random.default_rng([seed, 5]).permutation(units)
    parts = np.array_split(order, min(members if members > 1 else LONE_PARTS, len(units)))[:members]
    held_out = torch.zeros(members, conditions, times, dtype=torch.bool, device=count_CU.device)
    for member in range(members):
        part = parts[member % len(parts)]
        held_out[(member, part) if by_condition else (member, measured[0], part)] = True
    if not by_condition:
        return HeldOut(held_out, measured)
    watched = np.sort(np.concatenate([part[:HELD_OUT_AT_ONCE] for part in parts]))
    return HeldOut(held_out, watched)
