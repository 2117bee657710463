"""Losses of the two objectives. Travels with checkpoints.

Shapes: M masked molecules, K members, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .vocabulary import SPECIAL_TOKENS

PART_LOSSES = (
    "masked_loss",
    "neighbour_loss",
    "pathway_loss",
    "next_state_loss",
    "observation_loss",
)
"""Losses of `HMLMSignalingOutput` that are logged one by one, in the order of `weighted_sum`."""


def masked_molecule_loss(logits_MV: torch.Tensor, members_MK: torch.Tensor) -> torch.Tensor:
    """Cross entropy, shared evenly by the members of a family, which are masked as one."""
    present = members_MK >= 0
    log_p = logits_MV.log_softmax(-1).gather(1, members_MK.clamp(min=0))
    per_molecule = -(log_p * present).sum(-1) / present.sum(-1)
    return per_molecule.mean() if len(per_molecule) else logits_MV.sum() * 0


def next_state_loss(
    states: torch.Tensor, scale: torch.Tensor, target: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Squared error, and a small share of likelihood that trains the scale alone."""
    mask = mask.to(states.dtype)
    squared = (states - target) ** 2
    likelihood = torch.log(scale) + squared.detach() / (2 * scale**2)
    return ((squared + 1e-3 * likelihood) * mask).sum() / mask.sum().clamp(min=1)


def observation_loss(
    values: torch.Tensor, scale: torch.Tensor, target: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Negative log-likelihood of a normal distribution, over the observed values."""
    mask = mask.to(values.dtype)
    scale = scale.clamp(min=0.02)
    likelihood = torch.log(scale) + (values - target) ** 2 / (2 * scale**2)
    return (likelihood * mask).sum() / mask.sum().clamp(min=1)


# A masked molecule costs some 7 nats, a state some 0.005: these bring the objectives, and the
# likelihood of observations, to about the same size.
# Next states weigh more, since a context only pays once the wiring has been read.
# The votes of neighbours and pathways train the token table, not the encoder: their losses may
# weigh more, so that the other objectives' gradients on the table do not drown it.
MASKED_WEIGHT, NEIGHBOUR_WEIGHT, PATHWAY_WEIGHT = 0.1, 1.0, 1.0
NEXT_STATE_WEIGHT, OBSERVATION_WEIGHT = 50.0, 0.05


def weighted_sum(
    masked: torch.Tensor | None,
    neighbour: torch.Tensor | None,
    pathway: torch.Tensor | None,
    next_state: torch.Tensor | None,
    observation: torch.Tensor | None,
) -> torch.Tensor | None:
    """The losses that there are, weighed; None where there is none."""
    weights = (
        MASKED_WEIGHT,
        NEIGHBOUR_WEIGHT,
        PATHWAY_WEIGHT,
        NEXT_STATE_WEIGHT,
        OBSERVATION_WEIGHT,
    )
    losses = zip(weights, (masked, neighbour, pathway, next_state, observation), strict=True)
    given = [weight * loss for weight, loss in losses if loss is not None]
    return torch.stack(given).sum() if given else None


def count_terms(batch: Mapping[str, Any]) -> torch.Tensor:
    """How many terms each of `PART_LOSSES` is a mean of on this batch (5)."""
    language = batch.get("language", batch)
    counts = [batch["attention_mask"].new_zeros(())] * 5
    if "masked_ids" in language:
        masked = language["masked_ids"] >= 0
        named = torch.where(
            masked.any(-1, keepdim=True), masked, language["input_ids"] >= len(SPECIAL_TOKENS)
        )
        counts[:3] = masked.any(-1).sum(), named.any(-1).sum(), named.any(-1).sum()
    for place, name in ((3, "target_states_mask"), (4, "target_values_mask")):
        if name in batch:
            counts[place] = batch[name].sum()
    return torch.stack(counts)
