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
from .network import INTERACTION_KINDS


@dataclass
class Wiring:
    """The interactions of a batch as flat lists, padding removed.

    Attributes:
        batch, molecules: B and N.
        source_J, target_J: flat molecules at the ends of each literal.
        sign_J, kind_J: its sign and its interaction's kind.
        interaction_J: flat interaction it belongs to.
        target_I: flat molecule each interaction acts on.
        has_source_I: False for inputs.
        left_X, right_X: literals of possible partners.
    """

    batch: int
    molecules: int
    source_J: torch.Tensor
    target_J: torch.Tensor
    sign_J: torch.Tensor
    kind_J: torch.Tensor
    interaction_J: torch.Tensor
    target_I: torch.Tensor
    has_source_I: torch.Tensor
    left_X: torch.Tensor
    right_X: torch.Tensor

    @classmethod
    def from_fields(
        cls,
        molecules: int,
        interaction_target: torch.Tensor,
        interaction_kind_ids: torch.Tensor,
        literal_interaction: torch.Tensor,
        literal_source: torch.Tensor,
        literal_sign: torch.Tensor,
        partner_index: torch.Tensor,
    ) -> Wiring:
        """Flat lists of the tokenizer's padded fields."""
        device = interaction_target.device
        row_I, place_I = torch.nonzero(interaction_target >= 0, as_tuple=True)
        flat_I = torch.full_like(interaction_target, -1)
        flat_I[row_I, place_I] = torch.arange(len(row_I), device=device)
        row_J, place_J = torch.nonzero(literal_interaction >= 0, as_tuple=True)
        flat_J = torch.full_like(literal_interaction, -1)
        flat_J[row_J, place_J] = torch.arange(len(row_J), device=device)
        interaction_J = flat_I[row_J, literal_interaction[row_J, place_J]]
        target_I = row_I * molecules + interaction_target[row_I, place_I]
        has_source = torch.zeros(len(row_I), dtype=torch.bool, device=device)
        has_source[interaction_J] = True
        row_X, place_X = torch.nonzero(partner_index[..., 0] >= 0, as_tuple=True)
        partners = partner_index[row_X, place_X]
        return cls(
            batch=len(interaction_target),
            molecules=molecules,
            source_J=row_J * molecules + literal_source[row_J, place_J],
            target_J=target_I[interaction_J],
            sign_J=literal_sign[row_J, place_J],
            kind_J=interaction_kind_ids[row_I, place_I][interaction_J],
            interaction_J=interaction_J,
            target_I=target_I,
            has_source_I=has_source,
            left_X=flat_J[row_X, partners[:, 0]],
            right_X=flat_J[row_X, partners[:, 1]],
        )

    @classmethod
    def from_batch(cls, molecules: int, batch: Mapping[str, Any]) -> Wiring:
        """The same, from a batch that holds the fields by name."""
        names = (
            "interaction_target",
            "interaction_kind_ids",
            "literal_interaction",
            "literal_source",
            "literal_sign",
            "partner_index",
        )
        return cls.from_fields(molecules, *(batch[name] for name in names))

    def repeated(self, times: int) -> Wiring:
        """The same networks several times over, as one batch."""
        literals, interactions = len(self.source_J), len(self.target_I)
        molecules = self.batch * self.molecules

        def again(index: torch.Tensor, size: int) -> torch.Tensor:
            shift = size * torch.arange(times, device=index.device).repeat_interleave(len(index))
            return index.repeat(times) + shift

        return Wiring(
            batch=self.batch * times,
            molecules=self.molecules,
            source_J=again(self.source_J, molecules),
            target_J=again(self.target_J, molecules),
            sign_J=self.sign_J.repeat(times),
            kind_J=self.kind_J.repeat(times),
            interaction_J=again(self.interaction_J, interactions),
            target_I=again(self.target_I, molecules),
            has_source_I=self.has_source_I.repeat(times),
            left_X=again(self.left_X, literals),
            right_X=again(self.right_X, literals),
        )

    def any_per_molecule(self, index: torch.Tensor, flag: torch.Tensor) -> torch.Tensor:
        """Which flat molecules have any raised flag among the entries that point at them."""
        found = torch.zeros(self.batch * self.molecules, dtype=torch.bool, device=flag.device)
        found[index[flag]] = True
        return found


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
