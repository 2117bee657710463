"""Rolled-out gates with free parameters per network, on the bare signed graph.

Per molecule three units, unit_h = σ(a·Σ_j W_hj·s_j^κ + b_h)·v_h with the sign of W_hj that of the
interaction; drive 1 - Π_h (1 - unit_h), joined by OR with a stimulus; states follow the drive with
a time constant. Started from one average gate per sign, held near it and stopped early, it is the
strongest baseline that knows nothing but the network and its measurements.

Shapes: M members, N molecules, E edges, H units, Q conditions, G grid times, U query times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import torch

from ...fitting.ensemble import FitSettings, Parameters, fit_members
from ...measurements.baseline import Baseline
from ...measurements.measured import Measurements
from ...model.condition_tensors import ConditionTensors, PerturbationEffects
from ...model.conditions import Condition
from ...model.network import SignalingNetwork
from ...model.transducer import grid_hours
from .roll_out import signed_edges

UNITS = 3
SPREAD = {"edge": 0.5, "bias": 0.7, "height": 0.7, "log_tau": 0.6, "power": 0.2, "slope": 0.3}


class GateModel(Baseline):
    """Three sigmoid units per molecule, on signed edges."""

    def __init__(self, settings: FitSettings | None = None) -> None:
        self.settings = settings or FitSettings()

    def fit(self, training: Measurements) -> Self:
        self.training, self.graph = (
            training,
            SignedGraph(training.network, training.baseline_or_zero),
        )
        later = training.times_hours > 0
        hours = training.times_hours[later]
        rows = ConditionTensors.from_conditions(training.conditions, training.network)
        states = torch.tensor(training.states[:, later], dtype=torch.float32)

        def predict(parameters: Parameters, chosen: np.ndarray) -> torch.Tensor:
            return self.graph.roll_out(
                parameters, rows.mapped(lambda of_all: of_all[chosen]), hours
            )

        start = self.graph.start(self.settings.members)
        weight = torch.tensor(training.measured[:, later], dtype=torch.float32)
        self.found = fit_members(
            predict, start, SPREAD, states, self.settings, training.seed, weight
        )
        return self

    @torch.no_grad()
    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        rows = ConditionTensors.from_conditions(conditions, self.training.network)
        return self.graph.roll_out(self.found.parameters, rows, hours).mean(0).numpy()


class SignedGraph:
    """The edges of a network, and the roll-out of gates on them."""

    def __init__(self, network: SignalingNetwork, baseline: np.ndarray) -> None:
        # Where the sign is unknown, a source activates in most of biology.
        (self.source_E, self.target_E), self.sign_E = signed_edges(network, unknown=1)
        self.baseline_N = torch.tensor(baseline, dtype=torch.float32)
        self.molecules = len(network.molecules)
        regulated = torch.zeros(self.molecules, dtype=torch.bool)
        regulated[self.target_E] = True
        self.input_N = torch.where(regulated, 0.0, self.baseline_N)
        # Units of a molecule without regulators count for nothing.
        self.regulated_N = regulated.float()

    def start(self, members: int) -> Parameters:
        """One average gate per sign, its units set apart a little so that they can specialise."""
        apart = torch.tensor([-1.0, 0.0, 1.0])
        edge = torch.full((members, UNITS * len(self.source_E)), 1.5)
        bias = -1.5 + 0.3 * apart.repeat_interleave(self.molecules)
        return {
            "edge": edge,
            "bias": bias.expand(members, -1).clone(),
            "height": torch.zeros(members, UNITS * self.molecules),
            "log_tau": torch.zeros(members, self.molecules),
            "power": torch.zeros(members, 1),
            "slope": torch.zeros(members, 1),
        }

    def drive_of(
        self, parameters: Parameters, input_NQ: torch.Tensor
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """What states (M, N, Q) move towards; what does not depend on them is worked out once."""
        power = torch.exp(parameters["power"].clamp(-1, 1))[..., None]
        slope = 2.0 * torch.exp(parameters["slope"].clamp(-1.5, 1.5))[..., None]
        edge = torch.nn.functional.softplus(parameters["edge"]).unflatten(1, (UNITS, -1))
        edge = (slope * edge * self.sign_E)[..., None]
        bias = parameters["bias"].unflatten(1, (UNITS, -1))[..., None]
        height = torch.sigmoid(parameters["height"]).unflatten(1, (UNITS, -1))[..., None]
        height = height * self.regulated_N[:, None]
        none = edge.new_zeros(len(edge), UNITS, self.molecules, input_NQ.shape[1])

        def drive(state_MNQ: torch.Tensor) -> torch.Tensor:
            passed = state_MNQ.clamp(1e-5, 1.0) ** power
            weighted = edge * passed.index_select(1, self.source_E)[:, None]
            total = none.index_add(2, self.target_E, weighted)
            unit = torch.sigmoid(total + bias) * height
            return 1 - (1 - input_NQ) * (1 - unit).prod(1)

        return drive

    def roll_out(
        self, parameters: Parameters, conditions: ConditionTensors, hours: np.ndarray
    ) -> torch.Tensor:
        """States (M, Q, U, N) of conditions at query times."""
        members = len(parameters["log_tau"])
        last = float(max(hours))
        grid = torch.cat([grid_hours(last), torch.as_tensor(hours, dtype=torch.float32)])
        grid = torch.cat([grid, conditions.boundaries_within(last).flatten()]).unique()
        tau = torch.exp(parameters["log_tau"].clamp(-4.6, 4.6))[..., None]
        inputs = torch.where(
            conditions.stimulated_RN.T, conditions.stimulus_RN.T, self.input_N[:, None]
        )
        drive_of = self.drive_of(parameters, inputs)
        count = len(conditions.stimulus_RN)

        def effects_at(time: float) -> PerturbationEffects:
            return conditions.effects_at(torch.full((count,), time)).transposed()

        effects = effects_at(0.0)
        # Nothing changes between windows: only those within the roll-out are computed again.
        window = conditions.perturbation_window_RE2
        windows = bool(((window > 0) & (window <= last)).any())
        state = self.baseline_N[None, :, None].expand(members, -1, count)
        state = effects.hold(state)
        found = [state]
        for now, then in zip(grid[:-1].tolist(), grid[1:].tolist(), strict=True):
            drive = drive_of(state * effects.output_factor_RN) * effects.ymax_factor_RN
            state = state + (drive - state) * -torch.expm1(-(then - now) / tau)
            effects = effects_at(then) if windows else effects
            state = effects.hold(state)
            found.append(state)
        at = torch.searchsorted(grid, torch.as_tensor(hours, dtype=torch.float32))
        return torch.stack([found[i] for i in at.tolist()], dim=1).permute(0, 3, 1, 2)
