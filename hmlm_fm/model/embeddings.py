"""Tokens of molecules in their conditions, before anything has been exchanged between them.

Travels with checkpoints. Shapes: B batch, C conditions, S slots (1 + C), N molecules, K members,
D width.
"""

from __future__ import annotations

import torch
from torch import nn

from .conditions import PERTURBATION_KINDS, ConditionTensors
from .configuration_hmlm import HMLMConfig
from .network import COMPARTMENTS, MOLECULE_KINDS


class HMLMEmbeddings(nn.Module):
    """Tokens of molecules: pooled members, kind, compartment, place in the graph, condition."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.members = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=0)
        self.project = nn.Linear(config.embedding_size, width)
        self.kind = nn.Embedding(len(MOLECULE_KINDS), width)
        self.compartment = nn.Embedding(len(COMPARTMENTS), width)
        self.place = nn.Linear(5, width)
        self.baseline = nn.Linear(2, width)
        self.stimulus = nn.Linear(2, width)
        self.perturbation = nn.Embedding(len(PERTURBATION_KINDS), width)
        self.dose = nn.Linear(3, width)
        self.in_condition = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width)

    def molecule_tokens(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Mean over the members of each molecule (B, N, D)."""
        pooled = nn.functional.embedding_bag(
            input_ids.flatten(0, 1), self.members.weight, mode="mean", padding_idx=0
        )
        return self.project(pooled.view(*input_ids.shape[:2], -1))

    def forward(
        self,
        input_ids: torch.Tensor,
        molecule_kind_ids: torch.Tensor,
        compartment_ids: torch.Tensor,
        place_BN5: torch.Tensor,
        baseline_BN: torch.Tensor,
        baseline_mask_BN: torch.Tensor,
        conditions: ConditionTensors | None,
    ) -> torch.Tensor:
        """Tokens (B, S, N, D); `conditions` has B · C rows."""
        dtype = self.project.weight.dtype
        token = (
            self.molecule_tokens(input_ids)
            + self.kind(molecule_kind_ids)
            + self.compartment(compartment_ids)
            + self.place(place_BN5)
            + self.baseline(
                torch.stack([baseline_BN, baseline_mask_BN.to(baseline_BN)], -1).to(dtype)
            )
        )
        slots = [(token + self.in_condition.weight[0]).unsqueeze(1)]
        if conditions is not None:
            batch = len(input_ids)
            told = torch.stack(
                [conditions.stimulus_RN, conditions.stimulated_RN.to(conditions.stimulus_RN)], -1
            )
            update = self.stimulus(told.to(dtype))
            start, end = conditions.perturbation_window_RE2.unbind(-1)
            hours = torch.log1p(torch.stack([start, end], -1).clamp(0, 1e3))
            dose = torch.cat([conditions.perturbation_strength_RE.unsqueeze(-1), hours], -1)
            event = self.perturbation(conditions.perturbation_kind_RE) + self.dose(dose.to(dtype))
            # Padding has an empty window.
            event = event * (end > start).unsqueeze(-1)
            index = conditions.perturbation_index_RE.unsqueeze(-1).expand_as(event)
            update = update.scatter_add(1, index, event.to(update.dtype))
            condition_token = token + self.in_condition.weight[1]
            slots.append(condition_token.unsqueeze(1) + update.unflatten(0, (batch, -1)))
        return self.norm(torch.cat(slots, dim=1))
