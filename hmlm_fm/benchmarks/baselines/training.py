"""The one training loop of all baselines that learn by gradients.

Several members are trained and their predictions averaged. Each learns from four fifths of the
conditions, with the error on the rest deciding how many steps are enough; then, if requested, anew
from all of them for as many steps.

Shapes: C conditions, G grid times, N molecules, Q query conditions, U query times.
"""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from torch import nn

from ...measurements.baseline import Baseline
from ...measurements.measured import Measurements
from ...measurements.trivial import hold_perturbed
from ...model.conditions import Condition
from .roll_out import ConditionGrid, time_grid
from .training_conditions import BATCH_CONDITIONS, TrainingConditions, with_resting_condition

LOOK_EVERY = 10
WARM_UP_STEPS = 20
LARGEST_GRADIENT = 1.0


class GradientBaseline(Baseline):
    """A baseline whose module maps conditions, a `ConditionGrid`, to states on a grid (C, G, N).

    Args:
        steps: most steps of Adam, on a cosine schedule.
        rate: the learning rate.
        decay: weight decay (of AdamW).
        width: of hidden layers, where there are any.
        members: trained from different first weights, each with a fifth of its own held out.
        refit: train anew on all conditions once the number of steps is known.
    """

    patience_steps = 150

    def __init__(
        self,
        steps: int = 600,
        rate: float = 0.01,
        decay: float = 1e-3,
        width: int = 64,
        members: int = 4,
        refit: bool = True,
    ) -> None:
        self.steps, self.rate, self.decay, self.width = steps, rate, decay, width
        self.members, self.refit = members, refit

    @abstractmethod
    def _module(self, training: Measurements) -> nn.Module:
        """A fresh module for the network and the baseline of the training conditions."""

    def fit(self, training: Measurements) -> Self:
        self.network = training.network
        # The first member has the seed of the task itself.
        owns = [
            replace(training, seed=training.seed + 1009 * member) for member in range(self.members)
        ]
        with torch.random.fork_rng(devices=[]):
            trained = []
            for own in owns:
                learn, held_out = own.split()
                trained.append(
                    self._train(own, with_resting_condition(learn), held_out, self.steps)
                )
            if self.refit:
                # What one fifth finds is chancy where conditions are few; the median is not.
                enough = int(np.median([step for _, step in trained]))
                trained = [
                    self._train(own, with_resting_condition(own), None, enough) for own in owns
                ]
        self.modules = [module for module, _ in trained]
        return self

    @torch.no_grad()
    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        if not len(hours):
            return np.zeros((len(conditions), 0, len(self.network.molecules)))
        grid = time_grid(max(float(np.max(hours)), 1.0))
        given = ConditionGrid.from_conditions(conditions, self.network, grid)
        chunks = np.array_split(np.arange(len(conditions)), -(-len(conditions) // BATCH_CONDITIONS))
        of_chunks = [
            torch.stack([module(given.subset(chunk)) for module in self.modules]).mean(0)
            for chunk in chunks
        ]
        states = torch.cat(of_chunks).double().numpy()
        states = PchipInterpolator(grid, states, axis=1)(hours)
        return hold_perturbed(states, conditions, hours, self.network)

    def _train(
        self, training: Measurements, learn: Measurements, held_out: Measurements | None, until: int
    ) -> tuple[nn.Module, int]:
        """The module that is best on `held_out` (the last without), and after how many steps."""
        torch.manual_seed(training.seed)
        rng = np.random.default_rng([training.seed, 7])
        module = self._module(training)
        optimizer = torch.optim.AdamW(module.parameters(), self.rate, weight_decay=self.decay)

        def schedule(step: int) -> float:
            warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
            return warm_up * 0.5 * (1 + math.cos(math.pi * min(step / self.steps, 1.0))) + 1e-3

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
        fitted_to = TrainingConditions(learn)
        stopped_by = TrainingConditions(held_out) if held_out is not None else None
        best, best_step, best_module = math.inf, until, module
        for step in range(1, until + 1):
            optimizer.zero_grad()
            fitted_to.loss(module, fitted_to.draw(rng)).backward()
            nn.utils.clip_grad_norm_(module.parameters(), LARGEST_GRADIENT)
            optimizer.step()
            scheduler.step()
            if stopped_by is None or step % LOOK_EVERY:
                continue
            module.eval()
            with torch.no_grad():
                error = float(stopped_by.loss(module, np.arange(stopped_by.count)))
            module.train()
            if error < best:
                best, best_step, best_module = error, step, copy.deepcopy(module)
            elif step - best_step >= self.patience_steps:
                break
        return best_module.eval(), best_step
