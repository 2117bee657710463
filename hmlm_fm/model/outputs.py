"""What encoder and heads give, typed and with their shapes. Travels with checkpoints.

Shapes: B batch, S slots (1 + C conditions), N molecules, P pathways, H heads, D width, L pairs,
V vocabulary, Q query conditions, U query times, Y modalities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from transformers.modeling_outputs import ModelOutput

from .gates import Gates


@dataclass
class HMLMAttentions:
    """Attention weights by kind, one tensor per layer.

    Attributes:
        molecular: (B, S, H, L) over the pairs of `pair_index`.
        aggregation, decomposition: (B, S, H, memberships) over the pairs of each Ω.
        pathway: (B, S, H, P + cells, P + cells).
        temporal: (observations, H), once.
    """

    molecular: tuple[torch.Tensor, ...] = ()
    aggregation: tuple[torch.Tensor, ...] = ()
    pathway: tuple[torch.Tensor, ...] = ()
    decomposition: tuple[torch.Tensor, ...] = ()
    temporal: tuple[torch.Tensor, ...] = ()

    def append(self, weights: Mapping[str, torch.Tensor | None]) -> None:
        """Add the weights of one layer, by kind; a kind without weights is unchanged."""
        for kind, weight in weights.items():
            if weight is not None:
                setattr(self, kind, (*getattr(self, kind), weight))


@dataclass
class HMLMModelOutput(ModelOutput):
    """What the encoder gives.

    Attributes:
        last_hidden_state: molecules in every slot (B, S, N, D); slot 0 is the wiring, which pools
            the conditions.
        pathway_state: (B, S, P, D).
        cell_state: (B, S, cell tokens, D).
        attentions: by kind, if requested.
    """

    last_hidden_state: torch.Tensor | None = None
    pathway_state: torch.Tensor | None = None
    cell_state: torch.Tensor | None = None
    attentions: HMLMAttentions | None = None


@dataclass
class HMLMSignalingOutput(ModelOutput):
    """What the heads give.

    Attributes:
        loss: weighted sum of the objectives whose labels were given.
        masked_loss, next_state_loss, observation_loss: the objectives, where labels were given.
        neighbour_loss, pathway_loss: of every molecule from its neighbours, or its pathways, alone;
            parts of the masked objective.
        logits: over the vocabulary (B, N, V); None where only states are predicted.
        states: activities under the query conditions at the query times (B, Q, U, N).
        states_scale: their standard deviation, in units of activity.
        modality_values, modality_scale: the same in every modality (B, Q, U, N, Y).
        gates: time constants and gates as inferred; see `Gates`.
        encoder: output of the encoder.
    """

    loss: torch.Tensor | None = None
    masked_loss: torch.Tensor | None = None
    neighbour_loss: torch.Tensor | None = None
    pathway_loss: torch.Tensor | None = None
    next_state_loss: torch.Tensor | None = None
    observation_loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    states: torch.Tensor | None = None
    states_scale: torch.Tensor | None = None
    modality_values: torch.Tensor | None = None
    modality_scale: torch.Tensor | None = None
    gates: Gates | None = None
    encoder: HMLMModelOutput | None = None
