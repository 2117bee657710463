"""The Hierarchical Molecular Language Model: `HMLMModel` and `HMLMForSignaling`.

After Hays, Yu and Richardson (arXiv 2512.00696): molecules are tokens, interactions are syntax, and
a network transduces stimuli into states. A token is a molecule in a slot; slot 0 is the wiring
alone, and every condition of the context is a further slot. Travels with checkpoints.

Shapes: B batch, S slots (1 + C conditions), N molecules, K members, L pairs, P pathways, D width,
V vocabulary, Q query conditions, U query times, Y modalities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init

from .condition_tensors import condition_rows, values_and_mask
from .configuration_hmlm import HMLMConfig
from .error_base import HMLMError
from .evidence import Context
from .fields import Fields, check_fields, takes_fields
from .gates import GateLogits, PresetTable, QuietLinear
from .graph import BatchGraph, Wiring, place_in_graph, without_signs
from .layers import HMLMEmbeddings, HMLMLayer, TemporalAttention
from .losses import (
    PART_LOSSES,
    masked_molecule_loss,
    next_state_loss,
    observation_loss,
    weighted_sum,
)
from .masked_molecule_head import MaskedMoleculeHead, VocabularyBias
from .next_state_head import NextStateHead, Query
from .outputs import HMLMAttentions, HMLMModelOutput, HMLMSignalingOutput
from .response_head import ResponseHead, StillLinear
from .tissue import Discrepancy, TissueTable


class HMLMPreTrainedModel(PreTrainedModel):
    """Base class: configuration, attention backends, one table of initial weights."""

    config_class = HMLMConfig
    base_model_prefix = "hmlm"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_attention_backend = True
    _no_split_modules = ["HMLMLayer"]
    # Small differences of states and logarithms do not survive half precision.
    _keep_in_fp32_modules_strict = {"next_state"}

    def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> nn.Embedding:
        """Not possible: the vocabulary is one list for the whole package.

        Raises:
            HMLMError: always.
        """
        raise HMLMError(
            "the vocabulary is one list for the whole package and every checkpoint; a molecule "
            "without a token is encoded by its kind and its place in the graph"
        )

    def visible(self, fields: Fields) -> Fields:
        """The fields without what the configuration hides from the model."""
        return fields if self.config.has("signs") else without_signs(fields)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        std = self.config.initializer_range
        if isinstance(module, StillLinear):
            init.zeros_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            # Wide inputs keep the scale of their outputs: 1/√width where that is larger.
            wide = 0.0 if isinstance(module, QuietLinear) else 0.5 * module.in_features**-0.5
            init.normal_(module.weight, std=max(std, wide))
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, PresetTable):
            init.copy_(module.weight, module.preset().to(module.weight))
        elif isinstance(module, nn.Embedding):
            # Token identities must be told apart from the first step on.
            init.normal_(module.weight, std=0.3 if module.padding_idx is not None else std)
            if module.padding_idx is not None:
                init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, VocabularyBias):
            init.zeros_(module.bias)
        elif isinstance(module, TissueTable | Discrepancy):
            init.zeros_(module.weight)


class HMLMModel(HMLMPreTrainedModel):
    """The encoder: a network and its context in, tokens at three scales out."""

    _auto_class = "AutoModel"  # type: ignore[assignment]

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__(config)
        self.embeddings = HMLMEmbeddings(config)
        self.temporal = TemporalAttention(config)
        self.pathway_token = nn.Embedding(1, config.hidden_size)
        self.cell_tokens = nn.Embedding(config.num_cell_tokens, config.hidden_size)
        self.layers = nn.ModuleList(HMLMLayer(config, i) for i in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size)
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings.members

    def set_input_embeddings(self, value: nn.Module) -> None:
        assert isinstance(value, nn.Embedding)
        self.embeddings.members = value

    @takes_fields
    def forward(self, fields: Fields, *, output_attentions: bool = False) -> HMLMModelOutput:
        """Encode networks; the arguments are the fields that `HMLMTokenizer` makes.

        `observation_expected` (B, C, O) is the prediction of each observation from the network
        alone; `HMLMForSignaling` fills it in from its own roll-out without context. Fields of heads
        change nothing here.

        Raises:
            HMLMError: as `check_fields`.
        """
        fields, cells = self.visible(fields), self.config.num_cell_tokens
        graph = BatchGraph.from_fields(fields, cells, self.config.max_hops)
        like = self.embeddings.project.weight
        unknown = like.new_zeros(fields.attention_mask.shape)
        baseline, known = values_and_mask(fields.baseline_state, fields.baseline_mask, unknown)
        conditions = None
        if fields.condition_mask is not None and fields.condition_mask.shape[1]:
            conditions = condition_rows(*fields.condition())
        token = self.embeddings(
            fields.input_ids,
            fields.molecule_kind_ids,
            fields.compartment_ids,
            place_in_graph(fields).to(like),
            baseline,
            known,
            conditions,
        )
        attentions = HMLMAttentions()
        if fields.observation_index is not None and conditions is not None:
            token, attentions.temporal = self._observed(
                token, fields, baseline, known, output_attentions
            )
        pathway = torch.cat(
            [
                self.pathway_token.weight.expand(fields.pathway_mask.shape[1], -1),
                self.cell_tokens.weight,
            ]
        ).expand(len(token), token.shape[1], -1, -1)
        for layer in self.layers:
            token, pathway, weights = layer(token, pathway, graph, output_attentions)
            attentions.append(weights)
        return HMLMModelOutput(
            last_hidden_state=self.norm(token),
            pathway_state=pathway[:, :, :-cells],
            cell_state=pathway[:, :, -cells:],
            attentions=attentions if output_attentions else None,
        )

    def _observed(
        self,
        token: torch.Tensor,
        fields: Fields,
        baseline: torch.Tensor,
        known: torch.Tensor,
        output_attentions: bool,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Tokens (B, S, N, D) with what was observed of them, and the attention over times."""
        present = torch.nonzero(fields.observation_index >= 0, as_tuple=True)
        row, condition, _ = present
        if not len(row):
            return token, ()
        molecule, value = fields.observation_index[present], fields.observation_value[present]
        change = torch.where(known[row, molecule].bool(), value - baseline[row, molecule], 0.0)
        surprise = torch.zeros_like(value)
        if fields.observation_expected is not None:
            surprise = value - fields.observation_expected[present]
        update, weights = self.temporal(
            token,
            (row * token.shape[1] + condition + 1) * token.shape[2] + molecule,
            fields.observation_modality[present],
            fields.observation_hours[present],
            value,
            change,
            surprise,
            output_attentions,
        )
        return token + update, () if weights is None else (weights,)


class HMLMForSignaling(HMLMPreTrainedModel):
    """HMLM with both heads: masked molecule, and the information transducer for the next state."""

    _auto_class = "AutoModelForMaskedLM"  # type: ignore[assignment]

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__(config)
        self.hmlm = HMLMModel(config)
        self.masked_molecule = MaskedMoleculeHead(config)
        self.next_state = NextStateHead(config)
        self.responses = ResponseHead(config) if config.response_size else None
        self.post_init()

    @takes_fields
    def forward(
        self,
        fields: Fields,
        *,
        language: Mapping[str, torch.Tensor] | None = None,
        candidate_ids: torch.Tensor | None = None,
        output_attentions: bool = False,
    ) -> HMLMSignalingOutput:
        """Predict masked molecules, states, or both; see `HMLMTokenizer` for the fields.

        With `query_hours` the transducer rolls out; without, the vocabulary is predicted. Labels
        (`masked_ids`, `target_states`, `target_values`) add losses. `language` is a further batch
        for the masked objective alone, so that both objectives are one call, and one graph for
        distributed training. `chance_seed` decides, network by network, what dropout leaves out
        in training: nothing without it. `candidate_ids` are the tokens of the whole batch where
        this is a part of it. `inference_rounds`, one number for the batch, takes the place of the
        configuration's.

        To evaluate, transformers' Trainer needs the names of the labels, such as
        `TrainingArguments(label_names=["masked_ids"])` or `["target_states"]`; and to predict
        networks of different sizes, `eval_do_concat_batches=False`.

        Raises:
            HMLMError: as `check_fields`.
        """
        encoder, wiring, context = self._encode(fields, output_attentions)
        assert encoder.last_hidden_state is not None
        encoding = encoder.last_hidden_state[:, 0]
        found: dict[str, Any] = {}
        if fields.masked_ids is not None or fields.query_hours is None:
            found |= self._predict_molecules(fields, encoding, wiring, candidate_ids)
        if fields.query_hours is not None:
            found |= self._predict_states(fields, encoding, wiring, context)
        if language is not None:
            # Not by a second call of the module, which distributed wrappers would count as another.
            masked = self.forward(**language)  # type: ignore[arg-type]
            found |= {name: value for name, value in masked.items() if name in PART_LOSSES}
        loss = weighted_sum(*(found.get(name) for name in PART_LOSSES))
        # The order of an output is that in which it is filled: a loss comes first.
        return HMLMSignalingOutput(loss=loss, **found, encoder=encoder)

    def infer_gates(
        self, inference_rounds: torch.Tensor | None = None, **fields: torch.Tensor
    ) -> tuple[GateLogits, Wiring]:
        """The gates that the model infers for networks in their contexts, before those of a
        fine-tuned tissue take their place.

        Raises:
            HMLMError: as `check_fields`.
        """
        check_fields(fields)
        encoder, wiring, context = self._encode(Fields(fields))
        assert encoder.last_hidden_state is not None
        encoding = encoder.last_hidden_state[:, 0]
        with torch.autocast(encoding.device.type, enabled=False):
            return self.next_state.infer(encoding, wiring, context, inference_rounds), wiring

    def _encode(
        self, fields: Fields, output_attentions: bool = False
    ) -> tuple[HMLMModelOutput, Wiring, Context | None]:
        """The encoding of networks in their contexts, their wiring without what is hidden from the
        model, and the contexts."""
        dtype = self.next_state.dtype
        # Fields that are made by hand often have double precision.
        fields = self.visible(
            Fields(
                {
                    name: value.to(dtype) if value.dtype == torch.float64 else value
                    for name, value in fields.items()
                    if value is not None
                }
            )
        )
        wiring = Wiring.from_fields(fields)
        context = None
        # By the field alone, not by what is in it: processes that share weights must compute alike.
        if self.next_state.uses_context and fields.observation_index is not None:
            context = Context.from_fields(fields, dtype)
            with torch.no_grad():
                encoding = self.hmlm(**fields.without_context()).last_hidden_state[:, 0]
                expected = self.next_state.expect(encoding, wiring, context)
            fields = Fields(fields | {"observation_expected": expected})
        return self.hmlm(**fields, output_attentions=output_attentions), wiring, context

    def _predict_molecules(
        self,
        fields: Fields,
        encoding: torch.Tensor,
        wiring: Wiring,
        candidate_ids: torch.Tensor | None,
    ) -> dict[str, torch.Tensor | None]:
        """Logits over the vocabulary, or with `masked_ids` the losses of the masked objective."""
        table, masked_ids = self.hmlm.embeddings.members.weight, fields.masked_ids
        seed_B = None if fields.chance_seed is None else fields.chance_seed[:, 0]
        votes = self.masked_molecule.votes(
            fields.input_ids,
            fields.molecule_kind_ids,
            fields.membership_index,
            fields.pathway_mask.shape[1],
            wiring,
            table,
            seed_B,
        )
        by_molecule = votes.unflatten(0, fields.input_ids.shape[:2])
        if masked_ids is None:
            return {"logits": self.masked_molecule(encoding, by_molecule, table)}
        chosen = (masked_ids >= 0).any(-1)
        logits = self.masked_molecule(
            encoding[chosen],
            by_molecule[chosen],
            table,
            self.masked_molecule.kept_encodings(seed_B, chosen),
        )
        neighbour_loss, pathway_loss = self.masked_molecule.losses_alone(
            votes, fields.input_ids, masked_ids, table, candidate_ids
        )
        return {
            "masked_loss": masked_molecule_loss(logits, masked_ids[chosen]),
            "neighbour_loss": neighbour_loss,
            "pathway_loss": pathway_loss,
        }

    def _predict_states(
        self, fields: Fields, encoding: torch.Tensor, wiring: Wiring, context: Context | None
    ) -> dict[str, Any]:
        """States of the queries, and with targets the losses of the next-state objective."""
        query = Query.from_fields(fields, self.next_state.dtype)
        predicted = self.next_state(encoding, wiring, query, context, fields.inference_rounds)
        found = dict(vars(predicted))
        if fields.target_states is not None:
            found["next_state_loss"] = next_state_loss(
                predicted.states,
                predicted.states_scale,
                fields.target_states,
                fields.target_states_mask,
            )
        if fields.target_values is not None:
            found["observation_loss"] = observation_loss(
                predicted.modality_values,
                predicted.modality_scale,
                fields.target_values,
                fields.target_values_mask,
            )
        return found
