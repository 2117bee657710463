"""The inputs of baselines that are trained by gradients, and their roll-out of states in time.

Shapes: C conditions, G grid times, N molecules, E signed edges, X features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ...measurements.baseline import condition_features
from ...model.condition_tensors import ConditionTensors, PerturbationEffects
from ...model.conditions import Condition
from ...model.network import SignalingNetwork

GRID = ((0.0, 4.0, 0.5), (4.0, 10.0, 1.0), (10.0, 24.0, 2.0), (24.0, np.inf, 3.0))
"""Stretches of time and their steps in hours: fine while signals pass, coarse afterwards."""


def time_grid(until_hours: float) -> np.ndarray:
    """Times (G) from 0 to at least `until_hours`."""
    stretches = [
        np.arange(start, min(end, until_hours + step), step)
        for start, end, step in GRID
        if start <= until_hours
    ]
    grid = np.concatenate(stretches)
    return grid if grid[-1] >= until_hours else np.append(grid, until_hours)


@dataclass(frozen=True)
class ConditionGrid:
    """Conditions as tensors, at the times of a grid.

    Attributes:
        grid_hours: (G).
        features: (C, X) of `condition_features`, then whether each molecule is stimulated.
        stimulus, stimulated: (C, N) level and 1 where there is one.
        effects: of perturbations, one for all times where none has a window, else G of them.
    """

    grid_hours: torch.Tensor
    features: torch.Tensor
    stimulus: torch.Tensor
    stimulated: torch.Tensor
    effects: tuple[PerturbationEffects, ...]

    @classmethod
    def from_conditions(
        cls, conditions: Sequence[Condition], network: SignalingNetwork, grid_hours: np.ndarray
    ) -> ConditionGrid:
        tensors = ConditionTensors.from_conditions(conditions, network)
        count, last = len(conditions), float(grid_hours[-1])
        window = tensors.perturbation_window_RE2
        used = window[..., 1] > window[..., 0]
        lasting = (window[..., 0] <= 0) & (window[..., 1] > last)
        times = [0.0] if bool((lasting | ~used).all()) else grid_hours.tolist()
        single = torch.tensor(condition_features(conditions, network), dtype=torch.float32)
        stimulated = tensors.stimulated_RN.float()
        return cls(
            torch.tensor(grid_hours, dtype=torch.float32),
            torch.cat([single, stimulated], dim=-1),
            tensors.stimulus_RN,
            stimulated,
            tuple(tensors.effects_at(torch.full((count,), time)) for time in times),
        )

    def subset(self, chosen: np.ndarray) -> ConditionGrid:
        """Some of the conditions."""
        effects = tuple(e.mapped(lambda value: value[chosen]) for e in self.effects)
        return replace(
            self,
            features=self.features[chosen],
            stimulus=self.stimulus[chosen],
            stimulated=self.stimulated[chosen],
            effects=effects,
        )

    def effects_at(self, step: int) -> PerturbationEffects:
        return self.effects[min(step, len(self.effects) - 1)]


def roll_out(
    given: ConditionGrid,
    baseline: torch.Tensor,
    tau_hours: torch.Tensor,
    drive: Callable[[torch.Tensor, PerturbationEffects], torch.Tensor],
) -> torch.Tensor:
    """States (C, G, N) of tau · ds/dt = drive(s) - s from the baseline (N).

    Exponential Euler: the decay is exact, so no time constant is too short for the grid.
    """
    effects = given.effects_at(0)
    state = effects.hold(baseline.expand(len(given.stimulus), -1))
    states = [state]
    for step, hours in enumerate(given.grid_hours.diff(), start=1):
        target = drive(state, effects)
        effects = given.effects_at(step)
        state = effects.hold(target + (state - target) * torch.exp(-hours / tau_hours))
        states.append(state)
    return torch.stack(states, dim=1)


def signed_edges(network: SignalingNetwork, unknown: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Source and target (2, E) and sign (E) of every pair that the network names, each once;
    `unknown` stands for a sign that is not known."""
    index = network.molecule_index
    edges = sorted(
        {
            (index[source], index[i.target], sign or unknown)
            for i in network.interactions
            for source, sign in zip(i.sources, i.signs, strict=True)
        }
    )
    table = torch.tensor(edges, dtype=torch.long).reshape(-1, 3)
    return table[:, :2].T.contiguous(), table[:, 2]
