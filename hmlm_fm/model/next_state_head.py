"""The head of the next-state objective: the information transducer, with what a context adds to it.

Gates are read off the encoding of a network, corrected by observations of context conditions, and
rolled out under the query conditions; where a query condition was itself observed, the residuals
correct the roll-out on both sides. Travels with checkpoints.

Shapes: B batch, N molecules, D width, C conditions and O observations of the context, Q query
conditions, U query times, S observed times of a query condition, Y modalities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from typing import Self

import torch
from torch import nn

from .condition_tensors import (
    ConditionTensors,
    condition_rows,
    perturbed_at,
    values_and_mask,
)
from .configuration_hmlm import HMLMConfig
from .evidence import Context, gather_evidence, latest
from .fields import Fields
from .gate_inference import GateInference, TimeConstantSearch, choose_by_network
from .gates import GateLogits, GateReadout, Gates
from .graph import Wiring
from .network import INTERACTION_KINDS
from .observation import LEAST_SCALE, corrected_states, observe, scale_in_modalities, state_scale
from .tissue import TissueGates
from .transducer import Transducer

NORMAL_QUANTILE = 1.6448536
"""Within so many standard deviations a normal variable lies in 90 % of cases."""
# A 90 % interval that holds all of [0, 1], wherever its middle is, need not be wider.
WIDEST_SCALE = 1 / NORMAL_QUANTILE
# Later, time constants are near enough for small steps.
SEARCHED_ROUNDS = 3
# The default gates replace the first guess where their error is less than this share of its error.
MUCH_LESS = 0.5


@dataclass
class Query:
    """The states to predict; None stands for what is not known.

    Attributes:
        conditions: B · Q rows.
        hours_BQU: the query times.
        initial_BQN, initial_mask_BQN: states at time 0 and where they are known; known everywhere
            without a mask.
        baseline_BN, baseline_mask_BN: the same of states at rest.
        observed_hours_BQS, observed_BQSN, observed_mask_BQSN: what was observed of the query
            conditions themselves.
    """

    conditions: ConditionTensors
    hours_BQU: torch.Tensor
    initial_BQN: torch.Tensor | None = None
    initial_mask_BQN: torch.Tensor | None = None
    baseline_BN: torch.Tensor | None = None
    baseline_mask_BN: torch.Tensor | None = None
    observed_hours_BQS: torch.Tensor | None = None
    observed_BQSN: torch.Tensor | None = None
    observed_mask_BQSN: torch.Tensor | None = None

    @classmethod
    def from_fields(cls, fields: Fields, dtype: torch.dtype) -> Query:
        """The queries among a tokenizer's fields, in the precision of the head."""
        conditions = condition_rows(*fields.condition("query_"))
        known = {
            "hours_BQU": fields.query_hours,
            "initial_BQN": fields.query_initial_state,
            "initial_mask_BQN": fields.query_initial_mask,
            "baseline_BN": fields.baseline_state,
            "baseline_mask_BN": fields.baseline_mask,
            "observed_hours_BQS": fields.query_observation_hours,
            "observed_BQSN": fields.query_observation_value,
            "observed_mask_BQSN": fields.query_observation_mask,
        }
        return cls(
            conditions.mapped(lambda rows: rows.to(dtype) if rows.is_floating_point() else rows),
            **{
                name: value.to(torch.bool if "mask" in name else dtype)
                for name, value in known.items()
                if value is not None
            },
        )

    def repeated(self, times: int) -> Query:
        """The same queries, repeated several times along the batch."""
        tensors = {
            f.name: torch.cat([value] * times)
            for f in fields_of(self)
            if isinstance(value := getattr(self, f.name), torch.Tensor)
        }
        conditions = self.conditions.mapped(lambda rows: torch.cat([rows] * times))
        return replace(self, conditions=conditions, **tensors)


@dataclass
class PredictedStates:
    """States of the queries; fields as in `HMLMSignalingOutput`."""

    gates: Gates
    states: torch.Tensor
    states_scale: torch.Tensor
    modality_values: torch.Tensor
    modality_scale: torch.Tensor


@dataclass
class RolledOut:
    """States of the queries (B, Q, U, N), before they are translated into modalities.

    Attributes:
        gates: the gates that they follow.
        states, scale: corrected by observations of the queries, with their standard deviations.
        drives, free_scale: drives of the states, and the scale without observations of the queries.
        exact: where the state is known exactly.
    """

    gates: Gates
    states: torch.Tensor
    scale: torch.Tensor
    drives: torch.Tensor
    free_scale: torch.Tensor
    exact: torch.Tensor


class NextStateHead(nn.Module):
    """Gates, their inference from a context, and the roll-out.

    All of it in full precision: small differences of states and logarithms do not survive half.
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        self.gates = GateReadout(config, len(INTERACTION_KINDS))
        self.search = TimeConstantSearch(config)
        self.inference = GateInference(config)
        self.transducer = Transducer(config)
        self.tissue = TissueGates(config) if config.tissue else None

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        """Moves and casts of the whole model leave this head at least single precision."""
        super()._apply(fn, recurse)
        for parameter in self.parameters():
            if parameter.dtype in (torch.float16, torch.bfloat16):
                parameter.data = parameter.data.float()
        return self

    @property
    def dtype(self) -> torch.dtype:
        return self.gates.molecule.weight.dtype

    @property
    def uses_context(self) -> bool:
        return self.config.has("condition_attention") or self.config.has("inference")

    def expect(self, encoding_BND: torch.Tensor, wiring: Wiring, context: Context) -> torch.Tensor:
        """The prediction from the wiring alone at each observation of a context (B, C, O).

        Args:
            encoding_BND: of the wiring alone.
        """
        with torch.autocast(encoding_BND.device.type, enabled=False):
            gates = self.gates(encoding_BND.to(self.dtype), wiring).gates(wiring)
            value = context.expected(context.roll_out(gates, wiring, self.transducer), gates)
            shape = context.fields.observation_index.shape
            return value.new_zeros(shape).index_put(context.place, value)

    def forward(
        self,
        encoding_BND: torch.Tensor,
        wiring: Wiring,
        query: Query,
        context: Context | None = None,
        rounds: torch.Tensor | None = None,
    ) -> PredictedStates:
        """Predictions, from the encoding of the wiring and a context; `rounds` as in `infer`."""
        with torch.autocast(encoding_BND.device.type, enabled=False):
            logits = self.infer(encoding_BND, wiring, context, rounds)
            if self.tissue is None:
                rolled_out = self._roll_out(logits.gates(wiring), wiring, query)
                values, value_scale = observe(
                    rolled_out.states, rolled_out.drives, rolled_out.gates
                )
                return PredictedStates(
                    rolled_out.gates, rolled_out.states, rolled_out.scale, values, value_scale
                )
            return self._predict_by_members(self.tissue, logits, wiring, query)

    def _predict_by_members(
        self, tissue: TissueGates, logits: GateLogits, wiring: Wiring, query: Query
    ) -> PredictedStates:
        """The mean prediction of a tissue's members, and its standard deviation."""
        members = tissue.members
        wiring_of_all = wiring.repeated(members)
        rolled_out = self._roll_out(
            tissue(logits, wiring).gates(wiring_of_all),
            wiring_of_all,
            query.repeated(members),
            tissue,
        )
        perturbed = query.conditions.perturbed_R
        states, scale = tissue.pooled(rolled_out.states, rolled_out.scale, perturbed)
        drives, drive_scale = tissue.pooled(rolled_out.drives, rolled_out.free_scale, perturbed)
        scale = torch.where(
            rolled_out.exact[:1], LEAST_SCALE, scale.clamp(LEAST_SCALE, WIDEST_SCALE)
        )
        # Instruments are the tissue's own, not those whose scales pretraining learned: a value is
        # as uncertain as the state or the drive behind it, and as the members' instruments.
        together = states.expand_as(rolled_out.states), drives.expand_as(rolled_out.drives)
        read, _ = observe(*together, rolled_out.gates)
        _, instrument_scale = tissue.pooled(read, torch.zeros_like(read), perturbed)
        drive_scale = drive_scale.clamp(max=WIDEST_SCALE)
        read_scale = scale_in_modalities(scale, drive_scale, *together, rolled_out.gates)
        values, _ = observe(rolled_out.states, rolled_out.drives, rolled_out.gates)
        value_scale = (read_scale.mean(0, keepdim=True) ** 2 + instrument_scale**2).sqrt()
        values, value_scale = tissue.pooled_where_measured(values, value_scale, perturbed)
        if tissue.shown_discrepancy is not None:
            values = tissue.shown_discrepancy.add_to_values(
                values, query.conditions, query.hours_BQU
            )
        return PredictedStates(rolled_out.gates, states, scale, values, value_scale)

    def infer(
        self,
        encoding_BND: torch.Tensor,
        wiring: Wiring,
        context: Context | None,
        rounds: torch.Tensor | None = None,
    ) -> GateLogits:
        """Logits of the gates, read off the encoding and corrected by a context.

        Gates, and the states between the observations, are inferred in turn: better gates roll out
        closer to the observations, and so give better states between them (as in the EM algorithm
        of state-space models: Shumway and Stoffer, J Time Ser Anal 1982;3:253).

        Args:
            encoding_BND: of the wiring.
            rounds: how often, one number for the batch; that of the configuration by default.
        """
        logits = self.gates(encoding_BND.to(self.dtype), wiring)
        if context is None or not self.config.has("inference") or latest(context.hours_O) <= 0:
            return logits
        count = self.config.num_inference_rounds if rounds is None else int(rounds.max())
        found = self._infer_in_rounds(logits, wiring, context, count)
        if self.training:
            return found
        # In a network that amplifies small differences, inference from a confident wrong guess may
        # fail. The defaults are a second start, and the observations decide between the two.
        other = self._infer_in_rounds(self.gates.untrained(logits, wiring), wiring, context, count)
        better_B = self._error(other, wiring, context) < MUCH_LESS * self._error(
            found, wiring, context
        )
        return choose_by_network(better_B, other, found, wiring)

    def _infer_in_rounds(
        self, logits: GateLogits, wiring: Wiring, context: Context, count: int
    ) -> GateLogits:
        """The logits after so many rounds of inference."""
        translated, guess_F = self.config.has("translation"), logits.log_tau_F
        for done in range(count):
            with torch.no_grad():
                gates = logits.gates(wiring)
                roll_out = context.roll_out(gates, wiring, self.transducer)
            evidence = gather_evidence(context, roll_out, gates, translated)
            if evidence is None:
                break
            if done < SEARCHED_ROUNDS:
                logits = self.search(logits, wiring, evidence, guess_F)
            logits = self.inference(logits, wiring, evidence)
        return logits

    @torch.no_grad()
    def _error(self, logits: GateLogits, wiring: Wiring, context: Context) -> torch.Tensor:
        """The mean squared error of gates on the context, rolled out (B)."""
        gates = logits.gates(wiring)
        return context.mean_squared_error(context.roll_out(gates, wiring, self.transducer), gates)

    def _roll_out(
        self,
        gates: Gates,
        wiring: Wiring,
        query: Query,
        tissue: TissueGates | None = None,
    ) -> RolledOut:
        """States of the queries, with the discrepancy of the tissue, corrected by observations."""
        hours, conditions = query.hours_BQU, query.conditions
        batch, queries = hours.shape[:2]
        unknown = conditions.stimulus_RN.new_zeros(batch, queries, wiring.molecules)
        initial, initial_known = values_and_mask(query.initial_BQN, query.initial_mask_BQN, unknown)
        baseline, known = values_and_mask(query.baseline_BN, query.baseline_mask_BN, unknown[:, 0])
        observed_hours = query.observed_hours_BQS
        last = hours.max()
        if observed_hours is not None:
            last = torch.maximum(last, observed_hours.max())
        roll_out = self.transducer(
            gates, wiring, conditions, initial, initial_known, baseline, known, float(last)
        )
        states, drives = roll_out.at(hours)
        if tissue is None:
            first = roll_out.state_GFQ[0].view(batch, wiring.molecules, queries).transpose(1, 2)
            scale = free_scale = state_scale(states, first, hours, gates)
        else:
            scale = free_scale = tissue.missed_N.expand_as(states)
        discrepancy = tissue.discrepancy if tissue is not None else None
        if discrepancy is not None:
            states = discrepancy.add_to_states(states, conditions, hours)
        known_at_start = initial_known.bool() | known.bool().unsqueeze(1)
        if observed_hours is not None and self.config.has("smoothing"):
            assert query.observed_BQSN is not None
            assert query.observed_mask_BQSN is not None
            predicted = roll_out.at(observed_hours)[0]
            if discrepancy is not None:
                predicted = discrepancy.add_to_states(predicted, conditions, observed_hours)
            states, narrower = corrected_states(
                states,
                hours,
                query.observed_BQSN - predicted,
                query.observed_mask_BQSN,
                observed_hours,
                conditions,
                known_at_start,
                gates.smoothing_F2,
                scale,
            )
            assert narrower is not None
            scale = narrower
        held, _ = perturbed_at(conditions, hours)
        exact = held | known_at_start.unsqueeze(2) & (hours <= 0).unsqueeze(-1)
        scale = torch.where(exact, LEAST_SCALE, scale)
        return RolledOut(gates, states, scale, drives, free_scale, exact)
