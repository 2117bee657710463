"""Attention over a list of pairs, by the name of a backend, and attention across conditions.

Every backend computes the same: a query attends to the keys it forms a pair with. `eager` and
`sdpa` lay the pairs out as a dense mask; `sparse` never forms an N × N tensor, and its cost grows
with the number of pairs. Travels with checkpoints.

Shapes: B batch, S slots (the wiring and each condition), N queries, M keys, L pairs, R pairs that
are there (of the whole batch, without padding), E ends of literals on them, H heads, D width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .configuration_hmlm import HMLMConfig

try:
    from torch_geometric.utils import softmax as _geometric_softmax
except ImportError:  # where a checkpoint is loaded without the package
    _geometric_softmax = None


def scatter_softmax(scores: torch.Tensor, group: torch.Tensor, groups: int) -> torch.Tensor:
    """Softmax over the entries of each group (R, …), by the scatter operations of torch."""
    index = group.view(-1, *(1,) * (scores.dim() - 1)).expand_as(scores)
    shape = (groups, *scores.shape[1:])
    highest = scores.new_full(shape, -torch.inf).scatter_reduce(0, index, scores.detach(), "amax")
    weight = (scores - highest.gather(0, index)).exp()
    return weight / weight.new_zeros(shape).scatter_add(0, index, weight).gather(0, index)


def segment_softmax(scores: torch.Tensor, group: torch.Tensor, groups: int) -> torch.Tensor:
    """Softmax over the entries of each group (R, …): that of torch_geometric where it is installed.

    Args:
        scores: of R entries.
        group: (R) the group of each.
        groups: how many there are.
    """
    if _geometric_softmax is None:
        return scatter_softmax(scores, group, groups)
    return _geometric_softmax(scores, group, num_nodes=groups)


@dataclass
class Pairs:
    """Which query attends to which key, in every network of a batch.

    Attributes:
        index_BL2: query and key; -1 where padded.
        queries, keys: how many there are, padding included.
    """

    index_BL2: torch.Tensor
    queries: int
    keys: int

    @cached_property
    def present(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Batch row and position of every pair that is not padding."""
        row, position = torch.nonzero(self.index_BL2[..., 0] >= 0, as_tuple=True)
        return row, position

    @cached_property
    def ends(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Query and key of every present pair."""
        query, key = self.index_BL2[self.present].unbind(-1)
        return query, key

    @cached_property
    def attends_BN(self) -> torch.Tensor:
        """Whether a query has any key at all."""
        found = self.index_BL2.new_zeros(len(self.index_BL2), self.queries, dtype=torch.bool)
        found[self.present[0], self.ends[0]] = True
        return found

    @cached_property
    def flat_ends(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Query and key of every present pair, counted through the whole batch."""
        row, _ = self.present
        query, key = self.ends
        return row * self.queries + query, row * self.keys + key

    @cached_property
    def absent_BNM(self) -> torch.Tensor:
        """Where there is no pair."""
        shape = (len(self.index_BL2), self.queries, self.keys)
        absent = torch.ones(shape, dtype=torch.bool, device=self.index_BL2.device)
        absent[(self.present[0], *self.ends)] = False
        return absent

    def dense_bias(self, bias_RH: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
        """Biases of the present pairs as (B, 1, H, N, M), or as (B, 1, 1, N, M) where they have
        none; the lowest number of the type of `like` where there is no pair."""
        lowest = torch.finfo(like.dtype).min
        if bias_RH is None:
            none = like.new_zeros(self.absent_BNM.shape)
            return none.masked_fill(self.absent_BNM, lowest)[:, None, None]
        shape = (*self.absent_BNM.shape, bias_RH.shape[-1])
        dense = bias_RH.new_full(shape, lowest)
        dense = dense.index_put((self.present[0], *self.ends), bias_RH)
        return dense.permute(0, 3, 1, 2).unsqueeze(1)

    def by_position(self, weights_RSH: torch.Tensor) -> torch.Tensor:
        """Weights of the present pairs as (B, S, H, L), 0 where padded."""
        weights = weights_RSH.new_zeros(*self.index_BL2.shape[:2], *weights_RSH.shape[1:])
        return weights.index_put(self.present, weights_RSH).permute(0, 2, 3, 1)


def _dense_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    pairs: Pairs,
    bias_RH: torch.Tensor | None,
    explicit: bool,
    with_weights: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """q (B, S, N, H, d), k and v (B, S, M, H, d) → output (B, S, N, H, d) and pair weights."""
    q, k, v = (x.transpose(2, 3) for x in (q, k, v))
    bias = pairs.dense_bias(bias_RH, q)
    weights = None
    if explicit:
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + bias
        dense_weights = scores.softmax(-1)
        output = dense_weights @ v
        if with_weights:
            row, _ = pairs.present
            query, key = pairs.ends
            # Advanced indices around slices put the pairs first: (R, S, H).
            weights = pairs.by_position(dense_weights[row, :, :, query, key])
    else:
        output = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    output = output * pairs.attends_BN[:, None, None, :, None]
    return output.transpose(2, 3), weights


def eager_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    pairs: Pairs,
    bias_RH: torch.Tensor | None,
    with_weights: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Dense attention written out; gives the weights of the pairs (B, S, H, L) if requested."""
    return _dense_attention(q, k, v, pairs, bias_RH, True, with_weights)


def sdpa_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    pairs: Pairs,
    bias_RH: torch.Tensor | None,
    with_weights: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Dense attention by torch's fused kernel, which gives no weights."""
    return _dense_attention(q, k, v, pairs, bias_RH, False, False)


def sparse_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    pairs: Pairs,
    bias_RH: torch.Tensor | None,
    with_weights: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Attention over the pairs alone, with a softmax per query; cost linear in the pairs."""
    batch, slots, queries, heads, width = q.shape
    query, key = pairs.flat_ends

    def at(x: torch.Tensor, token_R: torch.Tensor) -> torch.Tensor:
        # Its derivative is a plain sum, and that of x[token_R] sorts the indices first.
        return x.transpose(1, 2).reshape(-1, slots, heads, width).index_select(0, token_R)

    scores = (at(q, query) * at(k, key)).sum(-1) / math.sqrt(width)
    if bias_RH is not None:
        scores = scores + bias_RH.unsqueeze(1)
    weights = segment_softmax(scores, query, batch * queries)
    output = q.new_zeros(batch * queries, slots, heads, width)
    update = weights.unsqueeze(-1) * at(v, key)
    output = output.index_add(0, query, update.to(output.dtype))
    output = output.view(batch, queries, slots, heads, width).transpose(1, 2)
    return output, pairs.by_position(weights) if with_weights else None


BACKENDS = {"eager": eager_attention, "sdpa": sdpa_attention, "sparse": sparse_attention}
# transformers accepts as `attn_implementation` only names that it knows.
ALL_ATTENTION_FUNCTIONS.register("sparse", sparse_attention)


class PairAttention(nn.Module):
    """Multi-head attention of queries to keys along a list of pairs."""

    def __init__(self, config: HMLMConfig, layer_idx: int) -> None:
        super().__init__()
        self.config, self.layer_idx = config, layer_idx
        self.heads = config.num_attention_heads
        width = config.hidden_size
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def forward(
        self,
        query_BSND: torch.Tensor,
        key_BSMD: torch.Tensor,
        pairs: Pairs,
        bias_RH: torch.Tensor | None = None,
        output_attentions: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The update of the queries (B, S, N, D), and weights (B, S, H, L) if requested."""
        q = self.query(query_BSND).unflatten(-1, (self.heads, -1))
        k, v = self.key_value(key_BSMD).unflatten(-1, (2, self.heads, -1)).unbind(-3)
        name = self.config._attn_implementation or "eager"
        if output_attentions and name == "sdpa":
            name = "eager"
        output, weights = BACKENDS[name](q, k, v, pairs, bias_RH, output_attentions)
        return self.output(output.flatten(-2)), weights


class ConditionAttention(nn.Module):
    """Attention across the conditions of one molecule, with a cost linear in their number.

    Slot 0 is the wiring: it weighs the mean of the conditions against itself, and every condition
    attends to itself and to slot 0. So conditions inform each other through slot 0, and giving the
    same one twice changes nothing.
    """

    def __init__(self, config: HMLMConfig, layer_idx: int) -> None:
        super().__init__()
        self.config, self.layer_idx = config, layer_idx
        self.heads = config.num_attention_heads
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, state_BSND: torch.Tensor, slot_mask_BS: torch.Tensor) -> torch.Tensor:
        """The update (B, S, N, D) of at least two slots; none where a network has no condition."""
        qkv = self.query_key_value(state_BSND).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.unbind(-3)
        scale = 1 / math.sqrt(q.shape[-1])
        present = slot_mask_BS[:, 1:, None, None]
        scores = (q[:, :1] * k[:, 1:]).sum(-1) * scale
        weights = scores.masked_fill(~present, torch.finfo(scores.dtype).min).softmax(1)
        together = (weights.unsqueeze(-1) * v[:, 1:]).sum(1, keepdim=True)
        itself = (q[:, :1] * k[:, :1]).sum(-1) * scale
        trust = torch.sigmoid((weights * scores).sum(1, keepdim=True) - itself)
        trust = trust.unsqueeze(-1)
        centre = trust * together + (1 - trust) * v[:, :1]
        own = (q[:, 1:] * k[:, 1:]).sum(-1) * scale
        common = (q[:, 1:] * k[:, :1]).sum(-1) * scale
        share = torch.sigmoid(own - common).unsqueeze(-1)
        leaves = share * v[:, 1:] + (1 - share) * v[:, :1]
        update = self.output(torch.cat([centre, leaves], dim=1).flatten(-2))
        return update * present.any(1, keepdim=True)


@dataclass
class PairRelations:
    """Relations between the two molecules of every present pair, the same for every layer.

    Attributes:
        near_R: hop distances both ways and AND siblings, as one number.
        pair_E: the present pair that a literal lies on, in either direction.
        relation_E: direction, sign and AND group of a literal, as one number.
        kind_E: direction and kind of its interaction, as one number.
    """

    near_R: torch.Tensor
    pair_E: torch.Tensor
    relation_E: torch.Tensor
    kind_E: torch.Tensor

    @classmethod
    def from_literals(
        cls,
        pairs: Pairs,
        hops_BL2: torch.Tensor,
        siblings_BL: torch.Tensor,
        literal_pair_BJ2: torch.Tensor,
        literal_sign_BJ: torch.Tensor,
        literal_kind_BJ: torch.Tensor,
        literal_grouped_BJ: torch.Tensor,
        max_hops: int,
        interaction_kinds: int,
    ) -> PairRelations:
        hops_R2 = hops_BL2[pairs.present]
        near = hops_R2[:, 0] * (max_hops + 2) + hops_R2[:, 1]
        place_BL = torch.zeros_like(pairs.index_BL2[..., 0])
        place_BL[pairs.present] = torch.arange(len(hops_R2), device=place_BL.device)
        there = literal_pair_BJ2[..., 0] >= 0
        row = torch.nonzero(there)[:, 0]
        sign = literal_sign_BJ[there] + 1
        grouped, kind = literal_grouped_BJ[there].long(), literal_kind_BJ[there]
        return cls(
            near * 2 + siblings_BL[pairs.present].long(),
            torch.cat([place_BL[row, literal_pair_BJ2[there][:, d]] for d in (0, 1)]),
            torch.cat([(d * 3 + sign) * 2 + grouped for d in (0, 1)]),
            torch.cat([d * interaction_kinds + kind for d in (0, 1)]),
        )


class MolecularBias(nn.Module):
    """Biases of every head by the relations of a pair: hop distances both ways, AND siblings, and
    every interaction between the two with its direction, sign, kind, and whether it is an AND
    group."""

    def __init__(self, config: HMLMConfig, layer_idx: int, interaction_kinds: int) -> None:
        super().__init__()
        self.config, self.layer_idx = config, layer_idx
        heads = config.num_attention_heads
        self.hops = nn.Embedding((config.max_hops + 2) ** 2, heads)
        self.siblings = nn.Embedding(2, heads)
        self.relation = nn.Embedding(2 * 3 * 2, heads)
        self.kind = nn.Embedding(2 * interaction_kinds, heads)

    def forward(self, relations: PairRelations) -> torch.Tensor:
        """Biases of the present pairs (R, H); several interactions on one pair add theirs."""
        # Small tables are added before they are read: one look-up per pair instead of two.
        near = self.hops.weight.unsqueeze(1) + self.siblings.weight
        bias = nn.functional.embedding(relations.near_R, near.flatten(0, 1))
        between = self.relation.weight.unsqueeze(1) + self.kind.weight
        code = relations.relation_E * self.kind.num_embeddings + relations.kind_E
        update = nn.functional.embedding(code, between.flatten(0, 1))
        return bias.index_add(0, relations.pair_E, update.to(bias.dtype))
