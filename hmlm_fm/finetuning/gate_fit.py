"""Fitting the gates of one network to its measurements, from those that a model infers.

Shapes: C conditions, T times, N molecules, M members, Q conditions of a step, L logits of a kind,
V pairs of a molecule and a modality other than activity.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import torch

from ..fitting.ensemble import (
    MANY_CONDITIONS,
    ONE_PROCESS,
    Fit,
    FitSettings,
    HeldOut,
    Parameters,
    Processes,
    fit_members,
    held_out_parts,
)
from ..fitting.member_rollout import MemberRollOut
from ..inference.context import measured_context
from ..inference.loading import require_foundation, untrained_model
from ..measurements.baseline import condition_features
from ..measurements.measured import Measurements
from ..measurements.time_scale import time_scale_for
from ..model.condition_tensors import ConditionTensors
from ..model.error_base import HMLMError
from ..model.fields import to_device
from ..model.gate_inference import INFERRED
from ..model.gates import GateLogits, Gates
from ..model.graph import Wiring
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.tissue import repeated
from ..model.tokenization_hmlm import HMLMTokenizer
from .assemble import assemble
from .targets import Targets

OBSERVATION, OBSERVATION_SPREAD = "observation_FY4", 0.2
"""The logits of instruments, and how far those of one molecule may differ from those of its data
set."""

GATE_PARTS = MappingProxyType(
    {
        "tau": "log_tau_F",
        "inputs": "input_F",
        "trust": "trust_F",
        "weights": "weight_I",
        "n": "log_n_J",
        "ec50": "ec50_J",
        "signs": "activates_J",
        "logic": "partner_X",
        "instruments": OBSERVATION,
    }
)
"""The parts of gates that can be fitted: names of a configuration, and fields of `GateLogits`."""


def fit_gates(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    data: Measurements,
    settings: FitSettings | None = None,
    seed: int = 0,
    in_context: bool = True,
    progress: Callable[[int, float], object] = lambda step, error: None,
    processes: Processes = ONE_PROCESS,
    tunable: Collection[str] = tuple(GATE_PARTS),
    discrepancy: bool = True,
) -> tuple[HMLMForSignaling, Fit]:
    """A model with the gates of one network, fitted from those that `model` infers.

    No weight of the encoder changes: what is fitted are the time constants and gates of the
    network's own molecules and interactions, by as many members as the settings say. Each starts
    from the gates that are inferred from its own part of the measurements, and stops early on
    conditions that it is not fitted to. The standard deviations are calibrated on these. Where many
    conditions were measured every second member starts from what an untrained model infers.
    Measurements of minutes are fitted in the model's hours (`measurements.time_scale`).

    What the gates leave unexplained is added as effects of stimuli and perturbations, where
    held-out conditions are predicted much better with it (`fitting.discrepancy`).

    States are fitted to activities; in other modalities the values of the fitted states, by
    instruments whose offsets, gains and saturations are fitted too, in units in which values vary
    as activities do. Each measurement is weighed by its standard deviation, where one is stated.

    Args:
        model: pretrained or untrained; not fine-tuned.
        data: at least two conditions, or one at two times, with measurements.
        in_context: whether the first guesses use measurements, or the network alone.
        progress: called with the step and the mean held-out error.
        processes: that fit members together; each returns the same. One by default.
        tunable: the `GATE_PARTS` that are fitted; the others stay as each member infers them.
        discrepancy: whether to add what gates leave unexplained, where that is worthwhile.

    Raises:
        HMLMError: too few conditions, nothing measured after time 0, no part to tune, or a model
            that is fine-tuned already.
    """
    settings = settings or FitSettings()
    require_foundation(model)
    task = _GateTask.from_measurements(model.eval(), tokenizer, data)
    targets = task.targets
    parts = held_out_parts(targets.weight.sum(2), settings.members, seed)
    own = processes.share(settings.members)
    start, spread = task.starting_point(settings.members, own, parts, in_context)
    fixed = start.keys() - {GATE_PARTS[part] for part in tunable}
    settings = _held_by_gates(settings, start, fixed, tunable)
    fit = fit_members(
        task.predictor(len(range(settings.members)[own])), start, spread,
        targets.values / targets.unit, settings, seed, targets.weight, progress, processes, parts,
        fixed,
    )  # fmt: skip
    roll_out = task.roll_out(settings.members)
    gates = task.gates_for(roll_out)(fit.parameters)
    doses = condition_features(data.conditions, data.network)
    tuned = assemble(model, fit, targets, roll_out, gates, task.time_scale, doses, discrepancy)
    return tuned[0], replace(fit, compared=tuned[1])


@dataclass(frozen=True)
class _GateTask:
    """One network, its measurements, and the gates that a model infers from the network alone.

    Attributes:
        data: in the model's hours; `fitted`: the same after time 0, which gates are fitted to.
        logits, wiring: what the model infers of the network without its measurements.
    """

    model: HMLMForSignaling
    tokenizer: HMLMTokenizer
    data: Measurements
    fitted: Measurements
    time_scale: float
    targets: Targets
    conditions: ConditionTensors
    logits: GateLogits
    wiring: Wiring

    @classmethod
    def from_measurements(
        cls, model: HMLMForSignaling, tokenizer: HMLMTokenizer, data: Measurements
    ) -> _GateTask:
        """
        Raises:
            HMLMError: nothing was measured after time 0.
        """
        time_scale = time_scale_for(data.times_hours)
        data = data.in_model_hours(time_scale)
        fitted = data.after_start()
        targets = Targets.from_measurements(fitted).to(model.device)
        if not targets.weight.any():
            raise HMLMError(
                "nothing was measured after time 0; expected measurements to fit gates to"
            )
        logits, wiring = _infer(model, measured_context(tokenizer, fitted, []))
        conditions = ConditionTensors.from_conditions(data.conditions, data.network)
        return cls(model, tokenizer, data, fitted, time_scale, targets, conditions, logits, wiring)

    def roll_out(self, members: int) -> MemberRollOut:
        """All conditions, at the times that gates are fitted at."""
        return MemberRollOut(
            self.model.next_state.transducer, self.wiring, members, self.conditions,
            self.fitted.times_hours, self.data.baseline,
        )  # fmt: skip

    def gates_for(self, roll_out: MemberRollOut) -> Callable[[Parameters], Gates]:
        """Gates of the members of a roll-out, from their parameters."""
        every = repeated(self.logits, roll_out.members)

        def gates_from(parameters: Parameters) -> Gates:
            shaped = {
                name: value.reshape(getattr(every, name).shape)
                for name, value in parameters.items()
            }
            return replace(every, **shaped).gates(roll_out.wiring)

        return gates_from

    def predictor(self, members: int) -> Callable[[Parameters, np.ndarray], torch.Tensor]:
        """The predictions of so many members for some conditions, in units of the targets."""
        roll_out, targets = self.roll_out(members), self.targets
        gates_from = self.gates_for(roll_out)

        def predict(parameters: Parameters, chosen: np.ndarray) -> torch.Tensor:
            gates = gates_from(parameters)
            predicted = roll_out.read(gates, chosen, targets.molecule_V, targets.modality_V)
            return torch.cat(predicted, -1) / targets.unit

        return predict

    def starting_point(
        self, members: int, own: slice, parts: HeldOut, in_context: bool
    ) -> tuple[Parameters, dict[str, float]]:
        """Where every member starts (M, L) by kind, and how far each kind may be off.

        Args:
            own: the members of this process, which alone are inferred in context.
        """
        start = {name: getattr(self.logits, name).expand(members, -1).clone() for name in INFERRED}
        spread = dict(INFERRED)
        if in_context:
            models = self._models_of_first_guesses()
            for member in range(members)[own]:
                held_out = parts.measurements[member].cpu().numpy()
                context = measured_context(self.tokenizer, self.fitted.without(held_out))
                guess = _infer(models[member % len(models)], context)[0]
                for name, values in start.items():
                    values[member] = getattr(guess, name)
        if len(self.targets.modality_V):
            read = self.targets.with_instruments(self.logits, self.roll_out(1)).observation_FY4
            start[OBSERVATION] = read.flatten().expand(members, -1).clone()
            spread[OBSERVATION] = OBSERVATION_SPREAD
        return start, spread

    def _models_of_first_guesses(self) -> list[HMLMForSignaling]:
        if int(self.targets.weight.any(2).any(1).sum()) < MANY_CONDITIONS:
            return [self.model]
        # With many measurements, what remains of a first guess after the fit is an error, which
        # members with different starts average out.
        untrained = untrained_model(self.model.config, seed=0)
        return [self.model, untrained.to(self.model.device)]  # type: ignore[arg-type]


def _held_by_gates(
    settings: FitSettings, start: Parameters, fixed: Collection[str], tunable: Collection[str]
) -> FitSettings:
    """The settings, with gates held as strongly as without the instruments.

    Raises:
        HMLMError: there is nothing to tune.
    """
    sizes = {name: value.shape[1] for name, value in start.items() if name not in fixed}
    if not any(sizes.values()):
        raise HMLMError(
            f"there is nothing to tune in {', '.join(tunable)}; expected parts that this network "
            f"has, of {', '.join(GATE_PARTS)} (instruments where other modalities were measured)"
        )
    gate_count = sum(sizes.values()) - sizes.get(OBSERVATION, 0)
    if not gate_count:
        return settings
    # The hold is a mean over all parameters, of which many may be of instruments.
    return replace(settings, hold=settings.hold * sum(sizes.values()) / gate_count)


@torch.no_grad()
def _infer(model: HMLMForSignaling, context: dict[str, torch.Tensor]) -> tuple[GateLogits, Wiring]:
    return model.infer_gates(**to_device(context, model.device))
