"""Linear dynamics of the distance from the baseline, ds/dt = A s + B u.

Shapes: C conditions, G grid times, N molecules, X features.
"""

from __future__ import annotations

import torch
from torch import nn

from ...measurements.measured import Measurements
from .roll_out import ConditionGrid, roll_out, signed_edges
from .training import GradientBaseline


class LinearDynamics(GradientBaseline):
    """Linear dynamics, stable whatever is learned, trained through the roll-out.

    Args:
        on_graph: whether molecules act on each other along the network's edges only, and a
            stimulus on its own molecule; otherwise everything may act on everything.
        steps, rate, decay, members, refit: see `GradientBaseline`.
    """

    def __init__(
        self,
        on_graph: bool = True,
        steps: int = 800,
        rate: float = 0.02,
        decay: float = 1e-3,
        members: int = 4,
        refit: bool = True,
    ) -> None:
        super().__init__(steps=steps, rate=rate, decay=decay, members=members, refit=refit)
        self.on_graph = on_graph

    def _module(self, training: Measurements) -> nn.Module:
        return _Linear(training, self.on_graph)


class _Linear(nn.Module):
    """tau dx/dt = W x + B u - x for x = s - baseline.

    W is D V D⁻¹ with D positive and diagonal and rows of |V| that sum to less than 1, so all
    eigenvalues of W - 1 lie left of 0, while a signal may still grow along a cascade.
    """

    allowed: torch.Tensor
    inputs_allowed: torch.Tensor
    baseline: torch.Tensor

    def __init__(self, training: Measurements, on_graph: bool) -> None:
        super().__init__()
        size = len(training.network.molecules)
        edges, signs = signed_edges(training.network)
        allowed, start = torch.zeros(size, size), torch.zeros(size, size)
        start[edges[1], edges[0]] = 0.5 * signs.float()
        start = start / start.abs().sum(1, keepdim=True).clamp(min=0.7)
        allowed[edges[1], edges[0]] = 1.0
        own = torch.eye(size)
        inputs = torch.cat([own, torch.zeros_like(own), own], dim=1)
        if not on_graph:
            allowed, inputs = torch.ones_like(allowed), torch.ones_like(inputs)
            start = start + 0.01 * torch.randn(size, size)
        self.register_buffer("allowed", allowed)
        self.register_buffer("inputs_allowed", inputs)
        self.register_buffer(
            "baseline", torch.tensor(training.baseline_or_zero, dtype=torch.float32)
        )
        self.coupling = nn.Parameter(start)
        self.log_scale = nn.Parameter(torch.zeros(size))
        self.log_tau = nn.Parameter(torch.zeros(size))
        self.effect = nn.Parameter(torch.cat([own, 0 * own, 0 * own], dim=1))

    def matrix(self) -> torch.Tensor:
        """W (N, N), target by source."""
        coupling = self.coupling * self.allowed
        coupling = coupling / coupling.abs().sum(1, keepdim=True).clamp(min=0.99) * 0.99
        scale = torch.exp(self.log_scale)
        return scale[:, None] * coupling / scale

    def forward(self, given: ConditionGrid) -> torch.Tensor:
        """States (C, G, N)."""
        matrix = self.matrix()
        push = given.features @ (self.effect * self.inputs_allowed).T
        tau = torch.exp(self.log_tau.clamp(-3, 4))

        def drive(state, effects):  # type: ignore[no-untyped-def]
            passed = state * effects.output_factor_RN - self.baseline
            return effects.ymax_factor_RN * (self.baseline + passed @ matrix.T + push)

        return roll_out(given, self.baseline, tau, drive)
