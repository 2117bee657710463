"""The Hierarchical Molecular Language Model: `HMLMModel` and `HMLMForSignaling`.

After Hays, Yu and Richardson (arXiv 2512.00696): molecules are tokens, interactions are syntax, and
a network transduces stimuli into states. A token is a molecule in a slot; slot 0 is the wiring
alone, and every condition of the context is a further slot. Travels with checkpoints.

Shapes: B batch, S slots (1 + C conditions), N molecules, K members, L pairs, P pathways, D width,
V vocabulary, Q asked conditions, U query times, Y modalities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init

from .attention import PairRelations, Pairs
from .condition_tensors import ConditionTensors, condition_rows, is_context_field, values_and_mask
from .configuration_hmlm import HMLMConfig
from .errors import HMLMError
from .evidence import Context
from .fields import check_fields, takes_fields
from .gates import GateLogits, PresetTable, QuietLinear
from .graph import (
    BatchGraph,
    Wiring,
    downward_pairs,
    in_groups,
    place_in_graph,
    upward_pairs,
    without_signs,
)
from .layers import (
    HMLMEmbeddings,
    HMLMLayer,
    TemporalAttention,
)
from .losses import (
    PART_LOSSES,
    masked_molecule_loss,
    next_state_loss,
    observation_loss,
    weighted_sum,
)
from .masked_molecule_head import MaskedMoleculeHead, VocabularyBias
from .network import INTERACTION_KINDS
from .next_state_head import NextStateHead, Question, shows_observations
from .outputs import HMLMAttentions, HMLMModelOutput, HMLMSignalingOutput
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
            ValueError: always.
        """
        raise HMLMError(
            "the vocabulary is one list for the whole package and every checkpoint; a molecule "
            "that it has not is known by its kind and its place in the graph"
        )

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        std = self.config.initializer_range
        if isinstance(module, nn.Linear):
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
    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        molecule_kind_ids: torch.Tensor,
        compartment_ids: torch.Tensor,
        interaction_target: torch.Tensor,
        interaction_kind_ids: torch.Tensor,
        literal_interaction: torch.Tensor,
        literal_source: torch.Tensor,
        literal_sign: torch.Tensor,
        literal_pair: torch.Tensor,
        pair_index: torch.Tensor,
        pair_hops: torch.Tensor,
        pair_siblings: torch.Tensor,
        membership_index: torch.Tensor,
        pathway_mask: torch.Tensor,
        condition_mask: torch.Tensor | None = None,
        stimulus: torch.Tensor | None = None,
        stimulated: torch.Tensor | None = None,
        perturbation_index: torch.Tensor | None = None,
        perturbation_kind: torch.Tensor | None = None,
        perturbation_strength: torch.Tensor | None = None,
        perturbation_window: torch.Tensor | None = None,
        observation_index: torch.Tensor | None = None,
        observation_modality: torch.Tensor | None = None,
        observation_hours: torch.Tensor | None = None,
        observation_value: torch.Tensor | None = None,
        observation_expected: torch.Tensor | None = None,
        baseline_state: torch.Tensor | None = None,
        baseline_mask: torch.Tensor | None = None,
        output_attentions: bool = False,
        **of_heads: Any,
    ) -> HMLMModelOutput:
        """Encode networks; the arguments are the fields that `HMLMTokenizer` makes.

        `observation_expected` (B, C, O) is what somebody who knew the wiring alone expected to see;
        `HMLMForSignaling` fills it in from its own roll-out without context. Fields that tell heads
        something change nothing here.

        Raises:
            ValueError: as `check_fields`.
        """
        if not self.config.has("signs"):
            literal_sign, interaction_kind_ids = without_signs(literal_sign, interaction_kind_ids)
        batch, molecules = input_ids.shape[:2]
        like = self.embeddings.project.weight
        baseline_state, baseline_mask = values_and_mask(
            baseline_state, baseline_mask, like.new_zeros(batch, molecules)
        )
        conditions = None
        slot_mask = attention_mask.new_ones(batch, 1, dtype=torch.bool)
        if condition_mask is not None and condition_mask.shape[1]:
            conditions = condition_rows(
                stimulus,
                stimulated,
                perturbation_index,
                perturbation_kind,
                perturbation_strength,
                perturbation_window,
            )
            slot_mask = torch.cat([slot_mask, condition_mask.bool()], dim=1)

        kind = torch.where(literal_interaction >= 0, literal_interaction, 0)
        molecular = Pairs(pair_index, molecules, molecules)
        graph = BatchGraph(
            molecular=molecular,
            upward=upward_pairs(
                membership_index, pathway_mask, self.config.num_cell_tokens, molecules
            ),
            downward=downward_pairs(
                membership_index, attention_mask, pathway_mask, self.config.num_cell_tokens
            ),
            relations=PairRelations.of(
                molecular,
                pair_hops,
                pair_siblings,
                literal_pair,
                literal_sign,
                interaction_kind_ids.gather(1, kind) if kind.shape[1] else kind,
                in_groups(literal_interaction, interaction_target.shape[1]),
                self.config.max_hops,
                len(INTERACTION_KINDS),
            ),
            pathway_mask=torch.cat(
                [
                    pathway_mask.bool(),
                    pathway_mask.new_ones(batch, self.config.num_cell_tokens) > 0,
                ],
                dim=1,
            ),
            slot_mask=slot_mask,
        )
        place = place_in_graph(
            interaction_target,
            literal_interaction,
            literal_source,
            literal_sign,
            molecules,
        )
        token = self.embeddings(
            input_ids,
            molecule_kind_ids,
            compartment_ids,
            place.to(like),
            baseline_state,
            baseline_mask,
            conditions,
        )
        attentions = HMLMAttentions()
        if observation_index is not None and conditions is not None:
            row, condition, position = torch.nonzero(observation_index >= 0, as_tuple=True)
            if len(row):
                molecule = observation_index[row, condition, position]
                value = observation_value[row, condition, position]  # type: ignore[index]
                known = baseline_mask[row, molecule].bool()
                change = torch.where(known, value - baseline_state[row, molecule], 0.0)
                surprise = torch.zeros_like(value)
                if observation_expected is not None:
                    surprise = value - observation_expected[row, condition, position]
                told, weights = self.temporal(
                    token,
                    (row * token.shape[1] + condition + 1) * molecules + molecule,
                    observation_modality[row, condition, position],  # type: ignore[index]
                    observation_hours[row, condition, position],  # type: ignore[index]
                    value,
                    change,
                    surprise,
                    output_attentions,
                )
                token = token + told
                if weights is not None:
                    attentions.temporal = (weights,)

        pathway = torch.cat(
            [
                self.pathway_token.weight.expand(pathway_mask.shape[1], -1),
                self.cell_tokens.weight,
            ]
        ).expand(batch, token.shape[1], -1, -1)
        kinds = ("molecular", "aggregation", "pathway", "decomposition")
        found: dict[str, list[torch.Tensor]] = {name: [] for name in kinds}
        for layer in self.layers:
            token, pathway, weights_by_kind = layer(token, pathway, graph, output_attentions)
            for name, value in weights_by_kind.items():
                if value is not None:
                    found[name].append(value)
        for name, values in found.items():
            setattr(attentions, name, tuple(values))
        cells = self.config.num_cell_tokens
        return HMLMModelOutput(
            last_hidden_state=self.norm(token),
            pathway_state=pathway[:, :, :-cells],
            cell_state=pathway[:, :, -cells:],
            attentions=attentions if output_attentions else None,
        )


class HMLMForSignaling(HMLMPreTrainedModel):
    """HMLM with both heads: masked molecule, and the information transducer for the next state."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__(config)
        self.hmlm = HMLMModel(config)
        self.masked_molecule = MaskedMoleculeHead(config)
        self.next_state = NextStateHead(config)
        self.post_init()

    @takes_fields
    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        molecule_kind_ids: torch.Tensor,
        compartment_ids: torch.Tensor,
        interaction_target: torch.Tensor,
        interaction_kind_ids: torch.Tensor,
        literal_interaction: torch.Tensor,
        literal_source: torch.Tensor,
        literal_sign: torch.Tensor,
        literal_pair: torch.Tensor,
        pair_index: torch.Tensor,
        pair_hops: torch.Tensor,
        pair_siblings: torch.Tensor,
        partner_index: torch.Tensor,
        membership_index: torch.Tensor,
        pathway_mask: torch.Tensor,
        condition_mask: torch.Tensor | None = None,
        stimulus: torch.Tensor | None = None,
        stimulated: torch.Tensor | None = None,
        perturbation_index: torch.Tensor | None = None,
        perturbation_kind: torch.Tensor | None = None,
        perturbation_strength: torch.Tensor | None = None,
        perturbation_window: torch.Tensor | None = None,
        observation_index: torch.Tensor | None = None,
        observation_modality: torch.Tensor | None = None,
        observation_hours: torch.Tensor | None = None,
        observation_value: torch.Tensor | None = None,
        baseline_state: torch.Tensor | None = None,
        baseline_mask: torch.Tensor | None = None,
        query_stimulus: torch.Tensor | None = None,
        query_stimulated: torch.Tensor | None = None,
        query_perturbation_index: torch.Tensor | None = None,
        query_perturbation_kind: torch.Tensor | None = None,
        query_perturbation_strength: torch.Tensor | None = None,
        query_perturbation_window: torch.Tensor | None = None,
        query_initial_state: torch.Tensor | None = None,
        query_initial_mask: torch.Tensor | None = None,
        query_hours: torch.Tensor | None = None,
        query_observation_hours: torch.Tensor | None = None,
        query_observation_value: torch.Tensor | None = None,
        query_observation_mask: torch.Tensor | None = None,
        masked_ids: torch.Tensor | None = None,
        target_states: torch.Tensor | None = None,
        target_states_mask: torch.Tensor | None = None,
        target_values: torch.Tensor | None = None,
        target_values_mask: torch.Tensor | None = None,
        language: Mapping[str, torch.Tensor] | None = None,
        chance_seed: torch.Tensor | None = None,
        candidate_ids: torch.Tensor | None = None,
        inference_rounds: torch.Tensor | None = None,
        output_attentions: bool = False,
    ) -> HMLMSignalingOutput:
        """Predict masked molecules, states, or both; see `HMLMTokenizer` for the fields.

        With `query_hours` the transducer rolls out; without, the vocabulary is predicted. Labels
        (`masked_ids`, `target_states`, `target_values`) add losses. `language` is a further batch
        for the masked objective alone, so that both objectives are one call, and one graph for
        whoever distributes it. `chance_seed` says, network by network, what training leaves out:
        nothing without it. `candidate_ids` are the tokens of the whole batch where this is a part
        of it. `inference_rounds`, one number for the batch, takes the place of the configuration's.

        To evaluate, transformers' Trainer has to be told which fields are labels, such as
        `TrainingArguments(label_names=["masked_ids"])` or `["target_states"]`; and to predict
        networks of different sizes, `eval_do_concat_batches=False`.

        Raises:
            ValueError: as `check_fields`.
        """
        fields = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "molecule_kind_ids": molecule_kind_ids,
            "compartment_ids": compartment_ids,
            "interaction_target": interaction_target,
            "interaction_kind_ids": interaction_kind_ids,
            "literal_interaction": literal_interaction,
            "literal_source": literal_source,
            "literal_sign": literal_sign,
            "literal_pair": literal_pair,
            "pair_index": pair_index,
            "pair_hops": pair_hops,
            "pair_siblings": pair_siblings,
            "partner_index": partner_index,
            "membership_index": membership_index,
            "pathway_mask": pathway_mask,
            "condition_mask": condition_mask,
            "stimulus": stimulus,
            "stimulated": stimulated,
            "perturbation_index": perturbation_index,
            "perturbation_kind": perturbation_kind,
            "perturbation_strength": perturbation_strength,
            "perturbation_window": perturbation_window,
            "observation_index": observation_index,
            "observation_modality": observation_modality,
            "observation_hours": observation_hours,
            "observation_value": observation_value,
            "baseline_state": baseline_state,
            "baseline_mask": baseline_mask,
        }
        encoder, wiring, context = self._encode(fields, output_attentions)
        assert encoder.last_hidden_state is not None
        encoding = encoder.last_hidden_state[:, 0]
        told: dict[str, Any] = {}
        table = self.hmlm.embeddings.members.weight
        if masked_ids is not None or query_hours is None:
            seed_B = None if chance_seed is None else chance_seed[:, 0]
            votes = self.masked_molecule.votes(
                input_ids,
                molecule_kind_ids,
                membership_index,
                pathway_mask.shape[1],
                wiring,
                table,
                seed_B,
            )
            by_molecule = votes.unflatten(0, input_ids.shape[:2])
            if masked_ids is None:
                told["logits"] = self.masked_molecule(encoding, by_molecule, table)
            else:
                chosen = (masked_ids >= 0).any(-1)
                logits = self.masked_molecule(
                    encoding[chosen],
                    by_molecule[chosen],
                    table,
                    self.masked_molecule.encodings_heard(seed_B, chosen),
                )
                told["masked_loss"] = masked_molecule_loss(logits, masked_ids[chosen])
                told["neighbour_loss"], told["pathway_loss"] = self.masked_molecule.losses_alone(
                    votes, input_ids, masked_ids, table, candidate_ids
                )
        if query_hours is not None:
            answer = self.next_state(
                encoding,
                wiring,
                self._question(
                    condition_rows(
                        query_stimulus,
                        query_stimulated,
                        query_perturbation_index,
                        query_perturbation_kind,
                        query_perturbation_strength,
                        query_perturbation_window,
                    ),
                    hours_BQU=query_hours,
                    initial_BQN=query_initial_state,
                    initial_mask_BQN=query_initial_mask,
                    baseline_BN=baseline_state,
                    baseline_mask_BN=baseline_mask,
                    observed_hours_BQS=query_observation_hours,
                    observed_BQSN=query_observation_value,
                    observed_mask_BQSN=query_observation_mask,
                ),
                context,
                inference_rounds,
            )
            told |= vars(answer)
            if target_states is not None and target_states_mask is not None:
                told["next_state_loss"] = next_state_loss(
                    answer.states, answer.states_scale, target_states, target_states_mask
                )
            if target_values is not None and target_values_mask is not None:
                told["observation_loss"] = observation_loss(
                    answer.modality_values, answer.modality_scale, target_values, target_values_mask
                )
        if language is not None:
            # Not by a second call of the module, which would be a second one for who wraps it.
            masked = self.forward(**dict(language))  # type: ignore[arg-type]
            told |= {name: value for name, value in masked.items() if name in PART_LOSSES}
        loss = weighted_sum(*(told.get(name) for name in PART_LOSSES))
        # What is there when an output is made counts in its order: a loss comes first.
        return HMLMSignalingOutput(loss=loss, **told, encoder=encoder)

    def infer_gates(
        self, inference_rounds: torch.Tensor | None = None, **fields: torch.Tensor
    ) -> tuple[GateLogits, Wiring]:
        """What the model takes the gates of networks for, given their contexts; before a gate of a
        fine-tuned tissue takes their place.

        Raises:
            ValueError: as `check_fields`.
        """
        check_fields(HMLMForSignaling.forward, fields)
        encoder, wiring, context = self._encode(dict(fields))
        assert encoder.last_hidden_state is not None
        encoding = encoder.last_hidden_state[:, 0]
        with torch.autocast(encoding.device.type, enabled=False):
            return self.next_state.infer(encoding, wiring, context, inference_rounds), wiring

    def _question(self, conditions: ConditionTensors, **known: torch.Tensor | None) -> Question:
        """What is asked, in the precision of the head; conditions and fields of `Question`."""
        dtype = self.next_state.dtype
        return Question(
            conditions.mapped(lambda rows: rows.to(dtype) if rows.is_floating_point() else rows),
            **{
                name: value.to(torch.bool if "mask" in name else dtype)
                for name, value in known.items()
                if value is not None
            },
        )

    def _encode(
        self, fields: dict[str, Any], output_attentions: bool = False
    ) -> tuple[HMLMModelOutput, Wiring, Context | None]:
        """The encoding of networks in their contexts, their wiring as the model may see it, and
        the contexts."""
        # Fields that are made by hand often have double precision.
        fields = {
            name: value.to(self.next_state.dtype) if value.dtype == torch.float64 else value
            for name, value in fields.items()
            if value is not None
        }
        if not self.config.has("signs"):
            sign, kind = without_signs(fields["literal_sign"], fields["interaction_kind_ids"])
            fields = fields | {"literal_sign": sign, "interaction_kind_ids": kind}
        batch, molecules = fields["attention_mask"].shape
        wiring = Wiring.from_batch(molecules, fields)
        expected = context = None
        if self.next_state.hears_context and shows_observations(fields):
            unknown = fields["input_ids"].new_zeros(batch, molecules, dtype=self.next_state.dtype)
            context = Context.of(
                fields, fields.get("baseline_state"), fields.get("baseline_mask"), unknown
            )
            alone = {name: value for name, value in fields.items() if not is_context_field(name)}
            with torch.no_grad():
                encoding = self.hmlm(**alone).last_hidden_state[:, 0]
                expected = self.next_state.expect(encoding, wiring, context)
        encoder = self.hmlm(
            **fields, observation_expected=expected, output_attentions=output_attentions
        )
        return encoder, wiring, context
