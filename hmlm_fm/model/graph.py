"""What all layers share about the graphs of a batch, made from the tokenizer's fields.

Travels with checkpoints. Shapes: B batch, N molecules, J literals, I interactions, L pairs,
P pathways, S slots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from .attention import PairRelations, Pairs
from .conditions import ConditionTensors
from .network import INTERACTION_KINDS

CONDITION_FIELDS = (
    "stimulus",
    "stimulated",
    "perturbation_index",
    "perturbation_kind",
    "perturbation_strength",
    "perturbation_window",
)
"""Fields of the tokenizer that tell a condition, in the order of `condition_rows`."""


def is_context_field(name: str) -> bool:
    """Whether a field of the tokenizer tells of conditions rather than of the wiring."""
    return name in CONDITION_FIELDS or name.startswith(("condition_", "observation_"))


def moved(batch: Mapping[str, Any], device: torch.device | str) -> dict[str, Any]:
    """A batch on another device; fields may be batches themselves."""
    return {
        name: moved(value, device) if isinstance(value, Mapping) else value.to(device)
        for name, value in batch.items()
    }


# Kinds that state a sign, and what is left of them without it.
KIND_WITHOUT_SIGN = {"activation": "unknown", "inhibition": "unknown", "repression": "expression"}


def without_signs(
    literal_sign: torch.Tensor, interaction_kind_ids: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The two fields of a batch that tell signs, telling none."""
    left = [INTERACTION_KINDS.index(KIND_WITHOUT_SIGN.get(k, k)) for k in INTERACTION_KINDS]
    kinds = torch.tensor(left, device=interaction_kind_ids.device)
    return torch.zeros_like(literal_sign), kinds[interaction_kind_ids]


@dataclass
class BatchGraph:
    """What all layers share about the graphs of a batch."""

    molecular: Pairs
    upward: Pairs
    downward: Pairs
    relations: PairRelations
    pathway_mask: torch.Tensor
    slot_mask: torch.Tensor


def condition_rows(
    stimulus: torch.Tensor | None,
    stimulated: torch.Tensor | None,
    index: torch.Tensor | None,
    kind: torch.Tensor | None,
    strength: torch.Tensor | None,
    window: torch.Tensor | None,
) -> ConditionTensors:
    """Conditions of a batch (B, C, …) as rows (B · C, …).

    Raises:
        ValueError: there are none.
    """
    if stimulus is None or stimulated is None:
        raise ValueError(
            "conditions without stimulus and stimulated; expected what `encode_conditions` makes"
        )
    if index is None or kind is None or strength is None or window is None:
        rows = stimulus.shape[0] * stimulus.shape[1]
        index = kind = stimulus.new_zeros(rows, 0, dtype=torch.long)
        strength, window = stimulus.new_zeros(rows, 0), stimulus.new_zeros(rows, 0, 2)
    else:
        index, kind, strength, window = (x.flatten(0, 1) for x in (index, kind, strength, window))
    return ConditionTensors(
        stimulus.flatten(0, 1), stimulated.flatten(0, 1).bool(), index, kind, strength, window
    )


def values_and_mask(
    values: torch.Tensor | None, known: torch.Tensor | None, unknown: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Values and where they are known: everywhere without a mask, nowhere without values."""
    if values is None:
        return unknown, unknown
    return values, torch.ones_like(values) if known is None else known


def perturbed_at(
    conditions: ConditionTensors, hours_BQU: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether each molecule is held, and its largest state, at each time: two (B, Q, U, N)."""
    effects = conditions.effects_at_times(hours_BQU.flatten(0, 1))
    shape = hours_BQU.shape[:2]
    return effects.held_RN.unflatten(0, shape), effects.ymax_factor_RN.unflatten(0, shape)


def rank_within(group_O: torch.Tensor) -> torch.Tensor:
    """The position of each entry among those of its group (O)."""
    ordered, order = group_O.sort(stable=True)
    place = torch.arange(len(ordered), device=ordered.device)
    return torch.empty_like(place).scatter(0, order, place - torch.searchsorted(ordered, ordered))


def in_groups(literal_interaction: torch.Tensor, interactions: int) -> torch.Tensor:
    """Whether each literal shares its interaction with others (B, J)."""
    place = torch.where(literal_interaction >= 0, literal_interaction, interactions)
    count = place.new_zeros(len(place), interactions + 1)
    count = count.scatter_add(1, place, torch.ones_like(place))
    return count.gather(1, place) > 1


def place_in_graph(
    interaction_target: torch.Tensor,
    literal_interaction: torch.Tensor,
    literal_source: torch.Tensor,
    literal_sign: torch.Tensor,
    molecules: int,
) -> torch.Tensor:
    """Place in the graph (B, N, 5): log degrees in and out by sign, and whether it is an input."""
    real = literal_interaction >= 0
    target = (
        interaction_target.gather(1, literal_interaction.clamp(min=0))
        if real.shape[1]
        else (literal_interaction)
    )
    columns = []
    for end in (target, literal_source):
        for inhibits in (False, True):
            chosen = real & ((literal_sign < 0) == inhibits)
            counts = torch.zeros(len(end), molecules, device=end.device)
            columns.append(counts.scatter_add(1, end.clamp(min=0), chosen.float()).log1p())
    inputs = torch.zeros_like(columns[0])
    lone = interaction_target >= 0
    has_source = torch.zeros(
        lone.shape[0], lone.shape[1] + 1, dtype=torch.bool, device=lone.device
    ).scatter(1, torch.where(real, literal_interaction, lone.shape[1]), True)[:, :-1]
    inputs = inputs.scatter_add(
        1, interaction_target.clamp(min=0), (lone & ~has_source).float()
    ).clamp(max=1)
    return torch.stack([*columns, inputs], dim=-1)


def upward_pairs(
    membership: torch.Tensor, pathway_mask: torch.Tensor, cells: int, molecules: int
) -> Pairs:
    """Pathways gather their molecules; cell tokens gather nothing here, but from pathways."""
    pairs = torch.where(membership >= 0, membership, -1).flip(-1)
    return Pairs(pairs, pathway_mask.shape[1] + cells, molecules)


def downward_pairs(
    membership: torch.Tensor,
    attention_mask: torch.Tensor,
    pathway_mask: torch.Tensor,
    cells: int,
) -> Pairs:
    """Molecules read their pathways and every cell token."""
    batch, molecules = attention_mask.shape
    pathways = pathway_mask.shape[1]
    own = torch.arange(molecules, device=membership.device)
    cell_ids = pathways + torch.arange(cells, device=membership.device)
    to_cells = torch.cartesian_prod(own, cell_ids).view(-1, 2).expand(batch, -1, -1)
    real = attention_mask.bool().repeat_interleave(cells, dim=1).unsqueeze(-1)
    to_cells = torch.where(real, to_cells, -1)
    return Pairs(torch.cat([membership, to_cells], dim=1), molecules, pathways + cells)
