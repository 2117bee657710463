"""The graphs of a batch, made from the tokenizer's fields: as pairs, which layers attend along, and
as flat lists, which gates and roll-outs index.

Travels with checkpoints. Shapes: B batch, N molecules, F = B · N flat molecules, J literals and I
interactions (of the whole batch in flat lists), X partners, L pairs, P pathways, S slots.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .attention import PairRelations, Pairs
from .fields import Fields
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
    def from_fields(cls, fields: Fields) -> Wiring:
        """Flat lists of the tokenizer's padded fields."""
        molecules = fields.attention_mask.shape[1]
        target, interaction = fields.interaction_target, fields.literal_interaction
        device = target.device
        row_I, place_I = torch.nonzero(target >= 0, as_tuple=True)
        flat_I = torch.full_like(target, -1)
        flat_I[row_I, place_I] = torch.arange(len(row_I), device=device)
        row_J, place_J = torch.nonzero(interaction >= 0, as_tuple=True)
        flat_J = torch.full_like(interaction, -1)
        flat_J[row_J, place_J] = torch.arange(len(row_J), device=device)
        interaction_J = flat_I[row_J, interaction[row_J, place_J]]
        target_I = row_I * molecules + target[row_I, place_I]
        has_source = torch.zeros(len(row_I), dtype=torch.bool, device=device)
        has_source[interaction_J] = True
        row_X, place_X = torch.nonzero(fields.partner_index[..., 0] >= 0, as_tuple=True)
        partners = fields.partner_index[row_X, place_X]
        return cls(
            batch=len(target),
            molecules=molecules,
            source_J=row_J * molecules + fields.literal_source[row_J, place_J],
            target_J=target_I[interaction_J],
            sign_J=fields.literal_sign[row_J, place_J],
            kind_J=fields.interaction_kind_ids[row_I, place_I][interaction_J],
            interaction_J=interaction_J,
            target_I=target_I,
            has_source_I=has_source,
            left_X=flat_J[row_X, partners[:, 0]],
            right_X=flat_J[row_X, partners[:, 1]],
        )

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


def without_signs(fields: Fields) -> Fields:
    """The fields of a batch, with every sign unknown."""
    left = [INTERACTION_KINDS.index(KIND_WITHOUT_SIGN.get(k, k)) for k in INTERACTION_KINDS]
    kind = fields.interaction_kind_ids
    return Fields(
        fields
        | {
            "literal_sign": torch.zeros_like(fields.literal_sign),
            "interaction_kind_ids": torch.tensor(left, device=kind.device)[kind],
        }
    )


@dataclass
class BatchGraph:
    """What all layers share about the graphs of a batch.

    Attributes:
        molecular, upward, downward: pairs of the molecular attention, of Ω↑ and of Ω↓.
        relations: of the two molecules of each molecular pair.
        pathway_mask: (B, P + cell tokens); `slot_mask`: (B, S).
    """

    molecular: Pairs
    upward: Pairs
    downward: Pairs
    relations: PairRelations
    pathway_mask: torch.Tensor
    slot_mask: torch.Tensor

    @classmethod
    def from_fields(cls, fields: Fields, cells: int, max_hops: int) -> BatchGraph:
        """The graphs of a batch with so many cell tokens, and a slot for each condition."""
        batch, molecules = fields.attention_mask.shape
        pathways, interaction = fields.pathway_mask, fields.literal_interaction
        kind = torch.where(interaction >= 0, interaction, 0)
        molecular = Pairs(fields.pair_index, molecules, molecules)
        slots = [fields.attention_mask.new_ones(batch, 1, dtype=torch.bool)]
        if fields.condition_mask is not None:
            slots.append(fields.condition_mask.bool())
        return cls(
            molecular=molecular,
            upward=upward_pairs(fields.membership_index, pathways, cells, molecules),
            downward=downward_pairs(
                fields.membership_index, fields.attention_mask, pathways, cells
            ),
            relations=PairRelations.from_literals(
                molecular,
                fields.pair_hops,
                fields.pair_siblings,
                fields.literal_pair,
                fields.literal_sign,
                fields.interaction_kind_ids.gather(1, kind) if kind.shape[1] else kind,
                in_groups(interaction, fields.interaction_target.shape[1]),
                max_hops,
                len(INTERACTION_KINDS),
            ),
            pathway_mask=torch.cat([pathways.bool(), pathways.new_ones(batch, cells) > 0], dim=1),
            slot_mask=torch.cat(slots, dim=1),
        )


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


def place_in_graph(fields: Fields) -> torch.Tensor:
    """Place in the graph (B, N, 5): log degrees in and out by sign, and whether it is an input."""
    molecules = fields.attention_mask.shape[1]
    target_of, interaction = fields.interaction_target, fields.literal_interaction
    real = interaction >= 0
    target = target_of.gather(1, interaction.clamp(min=0)) if real.shape[1] else interaction
    columns = []
    for end in (target, fields.literal_source):
        for inhibits in (False, True):
            chosen = real & ((fields.literal_sign < 0) == inhibits)
            counts = torch.zeros(len(end), molecules, device=end.device)
            columns.append(counts.scatter_add(1, end.clamp(min=0), chosen.float()).log1p())
    lone = target_of >= 0
    has_source = torch.zeros(
        lone.shape[0], lone.shape[1] + 1, dtype=torch.bool, device=lone.device
    ).scatter(1, torch.where(real, interaction, lone.shape[1]), True)[:, :-1]
    inputs = torch.zeros_like(columns[0]).scatter_add(
        1, target_of.clamp(min=0), (lone & ~has_source).float()
    )
    return torch.stack([*columns, inputs.clamp(max=1)], dim=-1)


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
