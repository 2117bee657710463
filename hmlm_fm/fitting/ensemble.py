"""Fitting the parameters of a network's roll-out to measurements, as several members at once.

Every member holds out a part of the conditions of its own, stops where it predicts them best, and
is held near where it started: with few measurements the start and the stop are most of the gain.
Fine-tuning and the fitted baselines of the benchmark share this one loop, so that none of them has
an advantage from it.

Shapes: M members, C conditions, Q of them in one step, U times, N molecules, L parameters of a
kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from ..model.error_base import HMLMError

Parameters = dict[str, torch.Tensor]
Predict = Callable[[Parameters, np.ndarray], torch.Tensor]
"""States (M, Q, U, N) of some conditions by their positions (Q), from parameters (M, L) by kind."""

MANY_CONDITIONS, VERY_MANY_CONDITIONS = 48, 200
"""With this many conditions or more, measurements determine gates better than a first guess."""
HELD_OUT_AT_ONCE, LONE_PARTS = 12, 5
BETTER_BY = 1e-3
STEPS_BETWEEN_EVALUATIONS = 5
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
    """The default settings: more conditions allow more steps and a weaker hold."""
    if conditions >= VERY_MANY_CONDITIONS:
        return FitSettings(members=4, steps=1000, patience=120, hold=1e-5, batch=24)
    if conditions >= MANY_CONDITIONS:
        return FitSettings(members=6, steps=600, patience=100, hold=3e-4, batch=16)
    return FitSettings()


@dataclass(frozen=True)
class Processes:
    """The processes that fit members together, each some of them.

    Attributes:
        index: which of them this is, from 0; `count`: how many there are.
        summed: the sum of a tensor over all of them.
    """

    index: int = 0
    count: int = 1
    summed: Callable[[torch.Tensor], torch.Tensor] = lambda values: values

    def share(self, members: int) -> slice:
        """The members of this process; at least one where there are as many as processes."""
        return slice(*(members * part // self.count for part in (self.index, self.index + 1)))


ONE_PROCESS = Processes()


@dataclass(frozen=True)
class HeldOut:
    """Measurements that members are not fitted to.

    Attributes:
        measurements: (M, C, U) which of them each member holds out.
        watched: positions of the conditions by whose held-out measurements a fit is stopped.
    """

    measurements: torch.Tensor
    watched: np.ndarray


@dataclass(frozen=True)
class Fit:
    """The result of a fit.

    Attributes:
        parameters: of every member (M, L) by kind, where each predicted its own part best.
        held_out: (M, C, U) which measurements a member was not fitted to.
        held_out_error: (M) mean squared error there; `error_at_start`: (M) the same of the start.
        steps: how many were made.
        compared: mean squared errors of this and of simpler methods there, by name, where they were
            compared.
    """

    parameters: Parameters
    held_out: torch.Tensor
    held_out_error: torch.Tensor
    error_at_start: torch.Tensor
    steps: int
    compared: Mapping[str, float] = field(default_factory=dict)


def fit_members(
    predict: Predict,
    start: Parameters,
    spread: Mapping[str, float],
    states: torch.Tensor,
    settings: FitSettings,
    seed: int = 0,
    weight: torch.Tensor | None = None,
    progress: Callable[[int, float], object] = lambda step, error: None,
    processes: Processes = ONE_PROCESS,
    parts: HeldOut | None = None,
    fixed: Collection[str] = (),
) -> Fit:
    """Fit every member to the conditions that it does not hold out; of a single condition, to the
    times.

    Each process fits its share, and what it finds is the same on any number of them, but for
    rounding: they agree on the length of gradients, and on when to stop.

    Args:
        predict: differentiable in the parameters, of this process' share of the members.
        start: (M, L) by kind.
        spread: of each kind: how far a parameter may be off.
        states: measured (C, U, N), or whatever else is predicted.
        settings: of the fit.
        seed: of the order of conditions, and of the held-out parts.
        weight: how much each of `states` counts (C, U, N), 0 where it was not measured; all alike
            without it.
        progress: called with the step and the mean held-out error.
        processes: one by default.
        parts: the parts that members hold out; drawn from the seed by default.
        fixed: kinds of parameters that stay where they start; not all of them.

    Raises:
        HMLMError: one condition at one time, or a held-out part without measurements.
    """
    weight = torch.ones_like(states) if weight is None else weight.to(states)
    parts = parts or held_out_parts(weight.sum(2), settings.members, seed)
    fit = _MemberFit(predict, start, spread, states, weight, settings, processes, parts, fixed)
    chance, step = np.random.default_rng([seed, 6]), 0
    for step in range(settings.steps + 1):
        if step % STEPS_BETWEEN_EVALUATIONS == 0:
            progress(step, fit.evaluate(step))
            if step - fit.last_better >= settings.patience or step == settings.steps:
                break
        batch = min(settings.batch, len(states))
        fit.learn(step, chance.choice(len(states), size=batch, replace=False))
    return Fit(
        {name: fit.gathered(value) for name, value in fit.best.items()},
        parts.measurements,
        fit.gathered(fit.best_error),
        fit.gathered(fit.error_at_start),
        step,
    )


class _MemberFit:
    """A fit under way: the parameters of this process' members, and the best of each so far."""

    def __init__(
        self,
        predict: Predict,
        start: Parameters,
        spread: Mapping[str, float],
        states: torch.Tensor,
        weight: torch.Tensor,
        settings: FitSettings,
        processes: Processes,
        parts: HeldOut,
        fixed: Collection[str],
    ) -> None:
        """As `fit_members`."""
        self.predict, self.spread, self.settings = predict, spread, settings
        self.states, self.weight, self.count_CU = states, weight, weight.sum(2)
        self.processes, self.own = processes, processes.share(settings.members)
        self.watched, self.held_out = parts.watched, parts.measurements[self.own]
        self.start = {name: value[self.own] for name, value in start.items()}
        self.parameters = {
            name: value.clone().requires_grad_(name not in fixed)
            for name, value in self.start.items()
        }
        self.tuned = {name: v for name, v in self.parameters.items() if name not in fixed}
        self.size = sum(value.shape[1] for value in self.tuned.values())
        self.optimizer = torch.optim.Adam(
            [
                {"params": [v], "lr": settings.learning_rate * spread[n], "spread": spread[n]}
                for n, v in self.tuned.items()
            ],
            betas=(0.9, 0.99),
        )
        self.best = {name: value.clone() for name, value in self.start.items()}
        self.best_error = torch.full((len(self.held_out),), math.inf, device=states.device)
        self.error_at_start, self.last_better = self.best_error, 0

    def evaluate(self, step: int) -> float:
        """Keep what predicts a member's held-out part better than before; the mean error of all
        members there."""
        with torch.no_grad():
            error = self._errors(self.watched, self.held_out[:, self.watched])
        if step == 0:
            self.error_at_start = error
        better = error < self.best_error * (1 - BETTER_BY)
        self.best_error = torch.where(better, error, self.best_error)
        for name, value in self.parameters.items():
            self.best[name][better] = value.detach()[better]
        found = torch.stack([better.sum().to(self.best_error), self.best_error.sum()])
        total = self.processes.summed(found)
        self.last_better = step if total[0] > 0 else self.last_better
        return float(total[1]) / self.settings.members

    def learn(self, step: int, chosen: np.ndarray) -> None:
        """One step of Adam on some of the conditions."""
        settings = self.settings
        wave = 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        rate = settings.learning_rate * (0.1 + 0.9 * wave)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["spread"]
        loss = self._errors(chosen, ~self.held_out[:, chosen]).sum()
        far = sum(
            (((value - self.start[name]) / self.spread[name]) ** 2).sum()
            for name, value in self.tuned.items()
        )
        self.optimizer.zero_grad()
        (loss + settings.hold * far / self.size).backward()
        length = torch.nn.utils.get_total_norm(
            [p.grad for p in self.tuned.values() if p.grad is not None]
        )
        length = self.processes.summed(length**2).sqrt()
        torch.nn.utils.clip_grads_with_norm_(list(self.tuned.values()), LONGEST_GRADIENT, length)
        self.optimizer.step()

    def gathered(self, found: torch.Tensor) -> torch.Tensor:
        """Values of the members of all processes (M, …)."""
        every = found.new_zeros((self.settings.members, *found.shape[1:]))
        every[self.own] = found
        return self.processes.summed(every)

    def _errors(self, chosen: np.ndarray, counted_MQU: torch.Tensor) -> torch.Tensor:
        """Mean squared error of every member over the measurements that count for it (M), by their
        weights."""
        predicted = self.predict(self.parameters, chosen)
        squared = (predicted - self.states[chosen]) ** 2 * self.weight[chosen]
        total = (squared.sum(3) * counted_MQU).sum((1, 2))
        # Weights may be small, and of some chosen conditions a member may hold out all there is.
        count = (self.count_CU[chosen] * counted_MQU).sum((1, 2))
        return total / count.clamp(min=LEAST_WEIGHT)


def held_out_parts(count_CU: torch.Tensor, members: int, seed: int) -> HeldOut:
    """A part for each member, of conditions that were measured, or of the times of a single one.

    Members hold out all of them between them; one alone holds out a fifth.

    Args:
        count_CU: how many measurements there are of each condition at each time, or their weight.

    Raises:
        HMLMError: nothing was measured but one condition at one time.
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
