"""A graph transformer on the signed graph.

Shapes: C conditions, G grid times, N molecules, E signed edges, H width, K time constants.
"""

from __future__ import annotations

import torch
from torch import nn
from torch_geometric.nn import GINEConv, GPSConv

from ...measurements.measured import Measurements
from .roll_out import ConditionGrid, signed_edges
from .training import GradientBaseline

BASIS_HOURS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
HEADS = 4


class GraphNetwork(GradientBaseline):
    """GPSConv (Rampášek et al., NeurIPS 2022): message passing beside attention.

    The graph is read once per condition; every molecule's change from the baseline is then a sum
    of saturating exponentials, which is 0 at time 0.

    Args:
        layers: of GPSConv; a signal that is to pass along edges needs as many as its path is long.
        steps, rate, decay, width, members, refit: see `GradientBaseline`.
    """

    def __init__(
        self,
        layers: int = 6,
        steps: int = 200,
        rate: float = 0.003,
        decay: float = 1e-2,
        width: int = 32,
        members: int = 3,
        refit: bool = True,
    ) -> None:
        super().__init__(steps, rate, decay, width, members, refit)
        self.layers = layers

    def _module(self, training: Measurements) -> nn.Module:
        return _GraphTransformer(training, self.width, self.layers)


class _GraphTransformer(nn.Module):
    edges: torch.Tensor
    edge_kind: torch.Tensor
    baseline: torch.Tensor
    basis_hours: torch.Tensor

    def __init__(self, training: Measurements, width: int, layers: int) -> None:
        super().__init__()
        size = len(training.network.molecules)
        forward, sign = signed_edges(training.network)
        # Both ways, as edges of two kinds: targets inform sources too, in another way.
        self.register_buffer("edges", torch.cat([forward, forward.flip(0)], dim=1))
        self.register_buffer("edge_kind", torch.cat([sign + 1, sign + 4]))
        self.register_buffer(
            "baseline", torch.tensor(training.baseline_or_zero, dtype=torch.float32)
        )
        self.register_buffer("basis_hours", torch.tensor(BASIS_HOURS))
        self.molecule = nn.Embedding(size, width)
        self.of_edge = nn.Embedding(6, width)
        self.done = nn.Linear(4, width)
        self.layers = nn.ModuleList(
            GPSConv(width, GINEConv(_mlp(width, width)), heads=HEADS, norm="layer_norm")
            for _ in range(layers)
        )
        self.out = _mlp(width, len(BASIS_HOURS))
        nn.init.normal_(self.molecule.weight, std=0.3)

    def forward(self, given: ConditionGrid) -> torch.Tensor:
        """States (C, G, N)."""
        rows, size = given.stimulus.shape
        # Features are a stimulus, what is taken away, and whether there is a stimulus.
        done = given.features.view(rows, 3, size).transpose(1, 2)
        rest = self.baseline.expand(rows, size).unsqueeze(-1)
        node = self.molecule.weight + self.done(torch.cat([done, rest], dim=-1))
        node = node.flatten(0, 1)
        offset = torch.arange(rows).repeat_interleave(self.edges.shape[1]) * size
        edges = self.edges.repeat(1, rows) + offset
        edge_attr = self.of_edge(self.edge_kind).repeat(rows, 1)
        batch = torch.arange(rows).repeat_interleave(size)
        for layer in self.layers:
            node = layer(node, edges, batch, edge_attr=edge_attr)
        share = self.out(node).view(rows, size, -1)
        passed = -torch.expm1(-given.grid_hours[:, None] / self.basis_hours)
        change = torch.einsum("cnk,gk->cgn", share, passed)
        states = self.baseline + change
        held = [given.effects_at(step) for step in range(len(given.grid_hours))]
        return torch.stack([e.hold(states[:, i]) for i, e in enumerate(held)], dim=1)


def _mlp(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))
