"""The one training loop of all rows that learn by gradients.

Several members are trained and their predictions averaged. Each learns from four fifths of the
conditions, watching the rest, which says how many steps are enough; then, where asked for, anew
from all of them for as many steps.

Shapes: C conditions, G grid times, N molecules, Q asked conditions, U query times.
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

from ...measurements.baseline import Rival
from ...measurements.measured import Measurements
from ...measurements.trivial import hold_perturbed
from ...model.conditions import Condition
from .roll_out import Given, time_grid
from .training_conditions import BATCH_CONDITIONS, Lesson, with_rest

LOOK_EVERY = 10
WARM_UP_STEPS = 20
LARGEST_GRADIENT = 1.0


class GradientRival(Rival):
    """A row whose module maps what is done, `Given`, to states on a grid (C, G, N).

    Args:
        steps: most steps of Adam, on a cosine schedule.
        rate: the learning rate.
        decay: weight decay (of AdamW).
        width: of hidden layers, where there are any.
        members: trained from different first weights, each with a fifth of its own held out.
        refit: train anew on all conditions once the number of steps is known.
    """

    grid: tuple[dict[str, object], ...] = ({},)
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
    def _module(self, seen: Measurements) -> nn.Module:
        """A fresh module for the network and the baseline of `seen`."""

    def fit(self, seen: Measurements) -> Self:
        self.network = seen.network
        # The first member has the seed of the task itself.
        owns = [replace(seen, seed=seen.seed + 1009 * member) for member in range(self.members)]
        with torch.random.fork_rng(devices=[]):
            trained = []
            for own in owns:
                learn, held_out = own.split()
                trained.append(self._train(own, with_rest(learn), held_out, self.steps))
            if self.refit:
                # What one fifth says is chancy where conditions are few; the median is not.
                enough = int(np.median([step for _, step in trained]))
                trained = [self._train(own, with_rest(own), None, enough) for own in owns]
        self.modules = [module for module, _ in trained]
        return self

    @torch.no_grad()
    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        if not len(hours):
            return np.zeros((len(conditions), 0, len(self.network.molecules)))
        grid = time_grid(max(float(np.max(hours)), 1.0))
        given = Given.of(conditions, self.network, grid)
        chunks = np.array_split(np.arange(len(conditions)), -(-len(conditions) // BATCH_CONDITIONS))
        of_chunks = [
            torch.stack([module(given.rows(chunk)) for module in self.modules]).mean(0)
            for chunk in chunks
        ]
        states = torch.cat(of_chunks).double().numpy()
        states = PchipInterpolator(grid, states, axis=1)(hours)
        return hold_perturbed(states, conditions, hours, self.network)

    def _train(
        self, seen: Measurements, learn: Measurements, held_out: Measurements | None, until: int
    ) -> tuple[nn.Module, int]:
        """The module that is best on `held_out` (the last without), and after how many steps."""
        torch.manual_seed(seen.seed)
        rng = np.random.default_rng([seen.seed, 7])
        module = self._module(seen)
        optimizer = torch.optim.AdamW(module.parameters(), self.rate, weight_decay=self.decay)

        def schedule(step: int) -> float:
            warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
            return warm_up * 0.5 * (1 + math.cos(math.pi * min(step / self.steps, 1.0))) + 1e-3

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
        lesson = Lesson(learn)
        exam = Lesson(held_out) if held_out is not None else None
        best, best_step, best_module = math.inf, until, module
        for step in range(1, until + 1):
            optimizer.zero_grad()
            lesson.loss(module, lesson.draw(rng)).backward()
            nn.utils.clip_grad_norm_(module.parameters(), LARGEST_GRADIENT)
            optimizer.step()
            scheduler.step()
            if exam is None or step % LOOK_EVERY:
                continue
            module.eval()
            with torch.no_grad():
                error = float(exam.loss(module, np.arange(exam.count)))
            module.train()
            if error < best:
                best, best_step, best_module = error, step, copy.deepcopy(module)
            elif step - best_step >= self.patience_steps:
                break
        return best_module.eval(), best_step
