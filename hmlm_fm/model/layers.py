"""Layers of the encoder: embeddings, the operators between scales (Ω↑, Ω↓) and modalities (Ω↔),
attention among pathways and over observed times, and the block that takes every axis in turn.

Travels with checkpoints. Shapes: B batch, C conditions, S slots (1 + C), N molecules, K members,
P pathways, R memberships, Y modalities, O observations, H heads, D width.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from .attention import ConditionAttention, MolecularBias, PairAttention, segment_softmax
from .condition_tensors import ConditionTensors
from .conditions import MODALITIES, PERTURBATION_KINDS
from .configuration_hmlm import HMLMConfig
from .graph import BatchGraph
from .network import COMPARTMENTS, INTERACTION_KINDS, MOLECULE_KINDS


class Aggregation(PairAttention):
    """Ω↑: every pathway gathers its molecules; the cell tokens gather the pathways after it."""


class Decomposition(PairAttention):
    """Ω↓: every molecule reads its pathways and the cell tokens."""


class PathwayAttention(nn.Module):
    """Attention among the pathways and cell tokens of one slot: crosstalk at the pathway scale."""

    def __init__(self, config: HMLMConfig, layer_idx: int) -> None:
        super().__init__()
        self.config, self.layer_idx = config, layer_idx
        self.heads = config.num_attention_heads
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self, state_BSPD: torch.Tensor, mask_BP: torch.Tensor, output_attentions: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The update (B, S, P, D), and weights (B, S, H, P, P) if requested."""
        qkv = self.query_key_value(state_BSPD).unflatten(-1, (3, self.heads, -1))
        q, k, v = (x.transpose(2, 3) for x in qkv.unbind(-3))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        lowest = torch.finfo(scores.dtype).min
        weights = scores.masked_fill(~mask_BP[:, None, None, None, :], lowest).softmax(-1)
        update = self.output((weights @ v).transpose(2, 3).flatten(-2))
        return update, weights if output_attentions else None


class Translation(nn.Module):
    """Ω↔: embeddings of each modality are translated into one space and weighed.

    Without this part a molecule's modalities are averaged untranslated.
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.translate = nn.ModuleList(nn.Linear(width, width) for _ in MODALITIES)
        self.trust = nn.Linear(width, 1)

    def forward(self, observed_TYD: torch.Tensor, present_TY: torch.Tensor) -> torch.Tensor:
        """T tokens, each observed in some of Y modalities, give (T, D); 0 where in none."""
        if not self.config.has("translation"):
            weights = present_TY / present_TY.sum(-1, keepdim=True).clamp(min=1)
            return (weights.unsqueeze(-1) * observed_TYD).sum(1)
        translated = torch.stack(
            [layer(observed_TYD[:, y]) for y, layer in enumerate(self.translate)], dim=1
        )
        trust = self.trust(torch.tanh(translated)).squeeze(-1)
        trust = trust.masked_fill(~present_TY, torch.finfo(trust.dtype).min).softmax(-1)
        return ((trust * present_TY).unsqueeze(-1) * translated).sum(1)


class TemporalAttention(nn.Module):
    """Folds the observed times of a molecule, modality by modality, into one vector.

    Times are embedded at several timescales, as exp(-t/τ_k) with τ_k from minutes to days: alone,
    multiplied with the change since the baseline, and with the surprise, which is the observation
    less the prediction from the wiring alone.
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        self.heads, width = config.num_attention_heads, config.hidden_size
        self.modality = nn.Embedding(len(MODALITIES), width)
        self.features = nn.Linear(4 + 3 * config.num_timescales, width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        self.translation = Translation(config)

    def forward(
        self,
        token_BSND: torch.Tensor,
        place_O: torch.Tensor,
        modality_O: torch.Tensor,
        hours_O: torch.Tensor,
        value_O: torch.Tensor,
        change_O: torch.Tensor,
        surprise_O: torch.Tensor,
        output_attentions: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The update of tokens by what was observed of them.

        Args:
            token_BSND: tokens.
            place_O: flat position of each observation's token among B · S · N.
            modality_O, hours_O, value_O: of each observation.
            change_O: value less the molecule's baseline, 0 where that is unknown.
            surprise_O: value less the prediction, 0 where there is none.

        Returns:
            The update (B, S, N, D), and the attention weights (O, H) if requested.
        """
        timescales = torch.logspace(-1, 2, self.config.num_timescales, device=hours_O.device)
        decay = torch.exp(-hours_O[:, None] / timescales)
        features = torch.cat(
            [
                torch.stack([value_O, change_O, surprise_O, torch.log1p(hours_O)], dim=-1),
                decay,
                decay * change_O[:, None],
                decay * surprise_O[:, None],
            ],
            dim=-1,
        )
        features = features.to(self.features.weight.dtype)
        embedded = nn.functional.gelu(self.features(features) + self.modality(modality_O))
        k, v = self.key_value(embedded).unflatten(-1, (2, self.heads, -1)).unbind(1)
        tokens = token_BSND.flatten(0, 2)
        q = self.query(tokens[place_O]).unflatten(-1, (self.heads, -1))
        group = place_O * len(MODALITIES) + modality_O
        groups, compact = torch.unique(group, return_inverse=True)
        scores = (q * k).sum(-1) / math.sqrt(q.shape[-1])
        weights = segment_softmax(scores, compact, len(groups))
        pooled = v.new_zeros(len(groups), *v.shape[1:])
        pooled = pooled.index_add(0, compact, (weights.unsqueeze(-1) * v).to(v)).flatten(-2)

        # Only observed tokens take part, so that empty conditions cost nothing.
        observed, observed_row = torch.unique(groups // len(MODALITIES), return_inverse=True)
        table = pooled.new_zeros(len(observed), len(MODALITIES), pooled.shape[-1])
        table = table.index_put((observed_row, groups % len(MODALITIES)), pooled)
        present = torch.zeros(table.shape[:2], dtype=torch.bool, device=table.device)
        present[observed_row, groups % len(MODALITIES)] = True
        translated = self.output(self.translation(table, present))
        update = torch.zeros_like(tokens).index_put((observed,), translated.to(tokens))
        return update.view_as(token_BSND), weights if output_attentions else None


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
            stimuli = torch.stack(
                [conditions.stimulus_RN, conditions.stimulated_RN.to(conditions.stimulus_RN)], -1
            )
            update = self.stimulus(stimuli.to(dtype))
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


class HMLMMLP(nn.Module):
    """The feed-forward part of a block."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.hidden_size, config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        return self.down(nn.functional.gelu(self.up(state)))


class HMLMLayer(GradientCheckpointingLayer):
    """One block, every axis in turn: molecules, conditions, Ω↑, pathways and cell, Ω↓, MLP."""

    def __init__(self, config: HMLMConfig, layer_idx: int) -> None:
        super().__init__()
        self.config, self.layer_idx = config, layer_idx
        width = config.hidden_size
        self.bias = MolecularBias(config, layer_idx, len(INTERACTION_KINDS))
        self.molecular = PairAttention(config, layer_idx)
        self.conditions = ConditionAttention(config, layer_idx)
        self.aggregation = Aggregation(config, layer_idx)
        self.pathways = PathwayAttention(config, layer_idx)
        self.decomposition = Decomposition(config, layer_idx)
        self.mlp = HMLMMLP(config)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(6))

    def forward(
        self,
        molecule: torch.Tensor,
        pathway: torch.Tensor,
        graph: BatchGraph,
        output_attentions: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor | None]]:
        """Molecules (B, S, N, D) and pathway and cell tokens (B, S, P + cells, D), updated."""
        config, norms, weights = self.config, self.norms, {}
        bias = self.bias(graph.relations)
        normed = norms[0](molecule)
        update, weights["molecular"] = self.molecular(
            normed, normed, graph.molecular, bias, output_attentions
        )
        molecule = molecule + update
        if config.has("condition_attention") and molecule.shape[1] > 1:
            molecule = molecule + self.conditions(norms[1](molecule), graph.slot_mask)
        if config.has("pathways"):
            if config.has("aggregation"):
                update, weights["aggregation"] = self.aggregation(
                    norms[2](pathway),
                    norms[2](molecule),
                    graph.upward,
                    output_attentions=output_attentions,
                )
                pathway = pathway + update
            update, weights["pathway"] = self.pathways(
                norms[3](pathway), graph.pathway_mask, output_attentions
            )
            pathway = pathway + update
            if config.has("decomposition"):
                update, weights["decomposition"] = self.decomposition(
                    norms[4](molecule),
                    norms[4](pathway),
                    graph.downward,
                    output_attentions=output_attentions,
                )
                molecule = molecule + update
        molecule = molecule + self.mlp(norms[5](molecule))
        return molecule, pathway, weights
