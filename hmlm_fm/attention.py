"""Attention over a list of pairs, by the name of a backend, and attention across conditions.

Every backend computes the same: a query attends to the keys it forms a pair with. `eager` and
`sdpa` lay the pairs out as a dense mask; `sparse` never forms an N × N tensor, and its cost grows
with the number of pairs. Travels with checkpoints.

Shapes: B batch, S slots (the wiring and each condition), N queries, M keys, L pairs, H heads,
D width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn
from torch_geometric.utils import softmax as segment_softmax
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .configuration_hmlm import HMLMConfig


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

    def dense_bias(self, bias_BLH: torch.Tensor) -> torch.Tensor:
        """Biases of the pairs as (B, 1, H, N, M); the lowest number where there is no pair."""
        row, position = self.present
        query, key = self.ends
        lowest = torch.finfo(bias_BLH.dtype).min
        shape = (len(self.index_BL2), self.queries, self.keys, bias_BLH.shape[-1])
        dense = bias_BLH.new_full(shape, lowest)
        dense = dense.index_put((row, query, key), bias_BLH[row, position])
        return dense.permute(0, 3, 1, 2).unsqueeze(1)


def _dense_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    pairs: Pairs,
    bias_BLH: torch.Tensor,
    explicit: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """q (B, S, N, H, d), k and v (B, S, M, H, d) → output (B, S, N, H, d) and pair weights."""
    q, k, v = (x.transpose(2, 3) for x in (q, k, v))
    bias = pairs.dense_bias(bias_BLH)
    weights = None
    if explicit:
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + bias
        dense_weights = scores.softmax(-1)
        output = dense_weights @ v
        row, position = pairs.present
        query, key = pairs.ends
        # Advanced indices around slices put the pairs first: (pairs, S, H).
        values = dense_weights[row, :, :, query, key]
        weights = values.new_zeros(*pairs.index_BL2.shape[:2], *values.shape[1:])
        weights = weights.index_put((row, position), values).permute(0, 2, 3, 1)
    else:
        output = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    output = output * pairs.attends_BN[:, None, None, :, None]
    return output.transpose(2, 3), weights


def eager_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, pairs: Pairs, bias_BLH: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Dense attention written out; gives the weights of the pairs (B, S, H, L) too."""
    return _dense_attention(q, k, v, pairs, bias_BLH, explicit=True)


def sdpa_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, pairs: Pairs, bias_BLH: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Dense attention by torch's fused kernel."""
    return _dense_attention(q, k, v, pairs, bias_BLH, explicit=False)


def sparse_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, pairs: Pairs, bias_BLH: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Attention over the pairs alone, with a softmax per query; cost linear in the pairs."""
    batch, slots, queries, heads, width = q.shape
    row, position = pairs.present
    query = row * pairs.queries + pairs.ends[0]
    key = row * pairs.keys + pairs.ends[1]

    def by_token(x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2).reshape(-1, slots, heads, width)

    scores = (by_token(q)[query] * by_token(k)[key]).sum(-1) / math.sqrt(width)
    scores = scores + bias_BLH[row, position].unsqueeze(1)
    weights = segment_softmax(scores, query, num_nodes=batch * queries)
    output = q.new_zeros(batch * queries, slots, heads, width)
    update = weights.unsqueeze(-1) * by_token(v)[key]
    output = output.index_add(0, query, update.to(output.dtype))
    output = output.view(batch, queries, slots, heads, width).transpose(1, 2)
    laid_out = weights.new_zeros(*pairs.index_BL2.shape[:2], slots, heads)
    laid_out = laid_out.index_put((row, position), weights).permute(0, 2, 3, 1)
    return output, laid_out


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
        bias_BLH: torch.Tensor | None = None,
        output_attentions: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The update of the queries (B, S, N, D), and weights (B, S, H, L) where asked for."""
        if bias_BLH is None:
            bias_BLH = query_BSND.new_zeros(*pairs.index_BL2.shape[:2], self.heads)
        q = self.query(query_BSND).unflatten(-1, (self.heads, -1))
        k, v = self.key_value(key_BSMD).unflatten(-1, (2, self.heads, -1)).unbind(-3)
        name = self.config._attn_implementation or "eager"
        if output_attentions and name == "sdpa":
            name = "eager"
        output, weights = BACKENDS[name](q, k, v, pairs, bias_BLH)
        return self.output(output.flatten(-2)), weights if output_attentions else None


class ConditionAttention(nn.Module):
    """Attention across the conditions of one molecule, with a cost linear in their number.

    Slot 0 is the wiring: it weighs what the conditions say together against itself, and every
    condition attends to itself and to slot 0. So conditions inform each other through what the
    network has in common, and telling the same one twice changes nothing.
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
        shown = slot_mask_BS[:, 1:, None, None]
        scores = (q[:, :1] * k[:, 1:]).sum(-1) * scale
        weights = scores.masked_fill(~shown, torch.finfo(scores.dtype).min).softmax(1)
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
        return update * shown.any(1, keepdim=True)


class MolecularBias(nn.Module):
    """What a head sees of a pair: hop distances both ways, AND siblings, and every interaction
    between the two with its direction, sign, kind, and whether it is an AND group."""

    def __init__(self, config: HMLMConfig, layer_idx: int, interaction_kinds: int) -> None:
        super().__init__()
        self.config, self.layer_idx = config, layer_idx
        heads, self.far = config.num_attention_heads, config.max_hops + 1
        self.hops = nn.Embedding((self.far + 1) ** 2, heads)
        self.siblings = nn.Embedding(2, heads)
        self.relation = nn.Embedding(2 * 3 * 2, heads)
        self.kind = nn.Embedding(2 * interaction_kinds, heads)
        self.kinds = interaction_kinds

    def forward(
        self,
        hops_BL2: torch.Tensor,
        siblings_BL: torch.Tensor,
        literal_pair_BJ2: torch.Tensor,
        literal_sign_BJ: torch.Tensor,
        literal_kind_BJ: torch.Tensor,
        literal_grouped_BJ: torch.Tensor,
    ) -> torch.Tensor:
        """Biases (B, L, H); several interactions on one pair add theirs."""
        bias = self.hops(hops_BL2[..., 0] * (self.far + 1) + hops_BL2[..., 1])
        bias = bias + self.siblings(siblings_BL.long())
        present = literal_pair_BJ2[..., 0] >= 0
        row = torch.nonzero(present)[:, 0]
        sign = literal_sign_BJ[present] + 1
        for direction in (0, 1):
            relation = (direction * 3 + sign) * 2 + literal_grouped_BJ[present].long()
            kind = direction * self.kinds + literal_kind_BJ[present]
            place = (row, literal_pair_BJ2[present][:, direction])
            update = self.relation(relation) + self.kind(kind)
            bias = bias.index_put(place, update, accumulate=True)
        return bias
