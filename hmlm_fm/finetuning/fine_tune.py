"""Fine-tuning on one tissue: from the gates that a model infers in context to fitted ones.

Shapes: C conditions, T times, N molecules, M members, Q conditions of a step, L logits of a kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import torch

from ..fitting.ensemble import (
    ALONE,
    MANY_CONDITIONS,
    Fit,
    FitSettings,
    Parameters,
    Team,
    fit_members,
    held_out_parts,
)
from ..fitting.member_rollout import MemberRollOut
from ..inference.context import measured_context
from ..inference.loading import refuse_tissue, untrained_model
from ..measurements.measured import Measurements
from ..measurements.time_scale import time_scale_for
from ..model.condition_tensors import ConditionTensors
from ..model.errors import HMLMError
from ..model.fields import to_device
from ..model.gate_inference import INFERRED
from ..model.gates import GateLogits, Gates
from ..model.graph import Wiring
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.tissue import repeated
from ..model.tokenization_hmlm import HMLMTokenizer
from .assemble import carrying
from .targets import Targets

OBSERVATION, OBSERVATION_SPREAD = "observation_FY4", 0.2
"""What reads modalities among the logits, and how far one molecule's may be off its data set's."""

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
"""What can be fitted of gates, by the names that a configuration has for it: `GateLogits`."""


def fine_tune(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    data: Measurements,
    settings: FitSettings | None = None,
    seed: int = 0,
    in_context: bool = True,
    progress: Callable[[int, float], object] = lambda step, error: None,
    team: Team = ALONE,
    tunable: Collection[str] = tuple(GATE_PARTS),
    discrepancy: bool = True,
) -> tuple[HMLMForSignaling, Fit]:
    """A model whose gates are fitted to a tissue, starting from those that `model` infers.

    No weight of the encoder changes: what is fitted are the time constants and gates of the
    network's own molecules and interactions, by as many members as the settings say. Each starts
    from the gates that are inferred from its own part of the measurements, and stops early on
    conditions that it has not seen. The standard deviations are calibrated on these. Where many
    conditions were measured every second member starts from what an untrained model infers of them.

    What was measured within minutes is fitted in the model's hours (`pace`).

    What the gates leave unexplained is added as effects of what was done, where conditions that are
    left out are told much better with it (`discrepancy`).

    Activities are fitted to as states; other modalities by what the fitted states would show in
    them, whose offsets, gains and saturations are fitted along, in units in which they vary as
    activities do. Each counts by its standard deviation, where one is stated.

    Args:
        model: pretrained, or not trained at all; not fine-tuned.
        data: at least two conditions, or one at two times, with measurements.
        in_context: whether the first guesses have seen measurements, or the wiring alone.
        progress: told the step and the mean held-out error.
        team: the processes that fit members together; each returns the same. One by default.
        tunable: the `GATE_PARTS` that are fitted; the others stay as each member infers them.
        discrepancy: whether to add what gates leave unexplained, where that is worthwhile.

    Raises:
        ValueError: too few conditions, nothing measured after time 0, no part to tune, or a model
            that carries the gates of a tissue.
    """
    settings = settings or FitSettings()
    refuse_tissue(model)
    pace = time_scale_for(data.times_hours)
    data = data.in_model_hours(pace)
    fitted_to = data.after_start()
    targets = Targets.of(fitted_to).to(model.device)
    if not targets.weight.any():
        raise HMLMError("nothing was measured after time 0; expected something to fit gates to")
    model = model.eval()
    logits, wiring = _inferred(model, measured_context(tokenizer, fitted_to, []))
    conditions = ConditionTensors.from_conditions(data.conditions, data.network)

    def roll_out_of(members: int) -> MemberRollOut:
        return MemberRollOut(
            model.next_state.transducer,
            wiring,
            members,
            conditions,
            fitted_to.times_hours,
            data.baseline,
        )

    def gates_for(roll_out: MemberRollOut) -> Callable[[Parameters], Gates]:
        of_all = repeated(logits, roll_out.members)

        def gates_of(parameters: Parameters) -> Gates:
            shaped = {
                name: value.reshape(getattr(of_all, name).shape)
                for name, value in parameters.items()
            }
            return replace(of_all, **shaped).gates(roll_out.wiring)

        return gates_of

    members = settings.members
    own = roll_out_of(len(range(members)[team.share(members)]))
    own_gates = gates_for(own)

    def predict(parameters: Parameters, chosen: np.ndarray) -> torch.Tensor:
        gates = own_gates(parameters)
        told = own.read(gates, chosen, targets.molecule_V, targets.modality_V)
        return torch.cat(told, -1) / targets.unit

    start = {name: getattr(logits, name).expand(members, -1).clone() for name in INFERRED}
    spread = dict(INFERRED)
    parts = held_out_parts(targets.weight.sum(2), members, seed)
    if in_context:
        guessers = [model]
        if int(targets.weight.any(2).any(1).sum()) >= MANY_CONDITIONS:
            # What fitting leaves of a first guess is an error then, and members that start apart
            # average it out.
            untrained = untrained_model(model.config, seed=0)
            guessers.append(untrained.to(model.device))  # type: ignore[arg-type]
        for member in range(members)[team.share(members)]:
            held_out = parts.measurements[member].cpu().numpy()
            context = measured_context(tokenizer, fitted_to.without(held_out))
            guess = _inferred(guessers[member % len(guessers)], context)[0]
            for name, of_all in start.items():
                of_all[member] = getattr(guess, name)
    if len(targets.modality_V):
        read = targets.with_instruments(logits, roll_out_of(1)).observation_FY4
        start[OBSERVATION] = read.flatten().expand(members, -1).clone()
        spread[OBSERVATION] = OBSERVATION_SPREAD
    fixed = start.keys() - {GATE_PARTS[part] for part in tunable}
    sizes = {name: value.shape[1] for name, value in start.items() if name not in fixed}
    if not any(sizes.values()):
        raise HMLMError(
            f"there is nothing to tune in {', '.join(tunable)}; expected parts that this network "
            f"has, of {', '.join(GATE_PARTS)} (instruments where other modalities were measured)"
        )
    of_gates = sum(sizes.values()) - sizes.get(OBSERVATION, 0)
    if of_gates:
        # They are held by the mean over all parameters, of which there may be more than theirs.
        settings = replace(settings, hold=settings.hold * sum(sizes.values()) / of_gates)
    fit = fit_members(
        predict, start, spread, targets.values / targets.unit, settings, seed, targets.weight,
        progress, team, parts, fixed,
    )  # fmt: skip
    every = roll_out_of(members)
    gates = gates_for(every)(fit.parameters)
    return carrying(model, fit, targets, every, gates, pace, discrepancy), fit


@torch.no_grad()
def _inferred(
    model: HMLMForSignaling, context: dict[str, torch.Tensor]
) -> tuple[GateLogits, Wiring]:
    """What the model takes the gates for, given a context."""
    return model.infer_gates(**to_device(context, model.device))
