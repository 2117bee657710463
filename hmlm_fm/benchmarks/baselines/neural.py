"""Neural dynamics: one that knows no graph, and one that is bound to it.

Shapes: C conditions, G grid times, N molecules, E signed edges, X features.
"""

from __future__ import annotations

import torch
from torch import nn

from ...measurements.measured import Measurements
from .roll_out import ConditionGrid, roll_out, signed_edges
from .training import GradientBaseline

LEAK = 0.01
"""Slope of the saturating activation below 0, which keeps a silent molecule trainable."""


class NeuralODE(GradientBaseline):
    """tau ds/dt = MLP(s, treatment) - s, trained through the roll-out; see `GradientBaseline`."""

    def _module(self, training: Measurements) -> nn.Module:
        return _Field(training, self.width)


class _Field(nn.Module):
    baseline: torch.Tensor

    def __init__(self, training: Measurements, width: int) -> None:
        super().__init__()
        size = len(training.network.molecules)
        self.register_buffer(
            "baseline", torch.tensor(training.baseline_or_zero, dtype=torch.float32)
        )
        self.of_state = nn.Linear(size, width)
        # What is done does not change with the state, so this part is computed once a roll-out.
        self.of_condition = nn.Linear(3 * size, width, bias=False)
        self.rest = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.out = nn.Linear(width, size)
        nn.init.normal_(self.out.weight, std=0.01)
        with torch.no_grad():
            self.out.bias.copy_(torch.logit(self.baseline.clamp(0.02, 0.98)))
        self.log_tau = nn.Parameter(torch.full((size,), 0.7))

    def forward(self, given: ConditionGrid) -> torch.Tensor:
        """States (C, G, N)."""
        condition = self.of_condition(given.features)

        def drive(state, effects):  # type: ignore[no-untyped-def]
            hidden = self.rest(self.of_state(state - self.baseline) + condition)
            return torch.sigmoid(self.out(hidden))

        return roll_out(given, self.baseline, torch.exp(self.log_tau.clamp(-3, 4)), drive)


class RecurrentOnGraph(GradientBaseline):
    """A recurrent network whose weights are the network's signed edges, after LEMBAS.

    Nilsson et al., Nat Commun 2022;13:3069. A weight has the sign of its edge (either where the
    sign is unknown); every molecule has a bias, a time constant and a saturating activation.
    Weights decay, which also keeps the spectral radius small.
    """

    def __init__(
        self,
        steps: int = 800,
        rate: float = 0.02,
        decay: float = 1e-3,
        members: int = 4,
        refit: bool = True,
    ) -> None:
        super().__init__(steps=steps, rate=rate, decay=decay, members=members, refit=refit)

    def _module(self, training: Measurements) -> nn.Module:
        return _Recurrent(training)


class _Recurrent(nn.Module):
    sign: torch.Tensor
    baseline: torch.Tensor

    def __init__(self, training: Measurements) -> None:
        super().__init__()
        size = len(training.network.molecules)
        (self.source, self.target), sign = signed_edges(training.network)
        self.register_buffer("sign", sign.float())
        self.register_buffer(
            "baseline", torch.tensor(training.baseline_or_zero, dtype=torch.float32)
        )
        into = torch.zeros(size).index_add(0, self.target, torch.ones(len(sign)))
        self.weight = nn.Parameter(1 / into[self.target] + 0.05 * torch.rand(len(sign)))
        self.level = nn.Parameter(torch.ones(size))
        self.given_any = nn.Parameter(torch.zeros(size))
        self.log_tau = nn.Parameter(torch.zeros(size))
        # The baseline is at rest under the first weights already: there the activation is linear.
        matrix = self.matrix().detach()
        self.bias = nn.Parameter(_inverse(self.baseline) - matrix @ self.baseline)

    def matrix(self) -> torch.Tensor:
        """Weights (N, N), target by source."""
        weight = torch.where(self.sign == 0, self.weight, self.weight.abs() * self.sign)
        size = len(self.baseline)
        flat = torch.zeros(size * size).index_add(0, self.target * size + self.source, weight)
        return flat.view(size, size)

    def forward(self, given: ConditionGrid) -> torch.Tensor:
        """States (C, G, N)."""
        matrix = self.matrix()
        push = self.bias + given.stimulus * self.level + given.stimulated * self.given_any

        def drive(state, effects):  # type: ignore[no-untyped-def]
            total = (state * effects.output_factor_RN) @ matrix.T + push
            return saturating(total) * effects.ymax_factor_RN

        return roll_out(given, self.baseline, torch.exp(self.log_tau.clamp(-3, 4)), drive)


def saturating(x: torch.Tensor) -> torch.Tensor:
    """Leaky below 0, the identity up to 1/2, then 1 - 1/(4x), which never reaches 1."""
    return torch.where(x < 0, LEAK * x, torch.where(x < 0.5, x, 1 - 0.25 / x.clamp(min=0.5)))


def _inverse(y: torch.Tensor) -> torch.Tensor:
    return torch.where(y < 0.5, y, 0.25 / (1 - y.clamp(max=0.95)))
