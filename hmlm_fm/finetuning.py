"""Fine-tuning on one tissue: from the gates that a model infers in context to fitted ones.

Shapes: C conditions, T times, N molecules, M members, Q conditions of a step, L logits of a kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from .batch_graph import moved
from .calibration import calibrate
from .conditions import Condition, ConditionTensors, Observation
from .configuration_hmlm import HMLMConfig
from .fitting import ALONE, Fit, FitSettings, Parameters, Team, fit_members, held_out_parts
from .gate_inference import INFERRED
from .gates import GateLogits, Gates
from .measurements import Measurements
from .member_roll_out import MemberRollOut
from .modeling_hmlm import HMLMForSignaling
from .network import SignalingNetwork
from .pipeline import encode_context
from .tissue import TissueTable, repeated
from .tokenization_hmlm import HMLMTokenizer
from .wiring import Wiring

MOST_SHOWN_CONDITIONS, MOST_SHOWN_TIMES = 64, 8
"""Of the measurements, how many a context holds: more take long to read and tell little more. All
of them are fitted to."""


@dataclass(frozen=True)
class TissueData:
    """Measurements of one tissue.

    Attributes:
        network: whose molecules they are of.
        conditions: C of them.
        times_hours: (T) all times at which anything was measured.
        states: (C, T, N) activities; `measured`: which of them there are.
        baseline: (N) the state at rest, NaN where it is not known.
        others: of every condition, observations in other modalities: they inform the first guess.
    """

    network: SignalingNetwork
    conditions: tuple[Condition, ...]
    times_hours: np.ndarray
    states: np.ndarray
    measured: np.ndarray
    baseline: np.ndarray
    others: tuple[tuple[Observation, ...], ...] = ()

    @classmethod
    def of(cls, seen: Measurements) -> TissueData:
        """The same measurements, all of them there."""
        # The simulator's error may put a state a hair outside its range.
        states = np.clip(seen.states, 0, 1.1)
        everywhere = np.ones(seen.states.shape, dtype=bool)
        return cls(
            seen.network, seen.conditions, seen.times_hours, states, everywhere, seen.baseline
        )

    def without(self, held_out_CT: np.ndarray) -> TissueData:
        """The same with some times of some conditions left out; of a condition that is left out
        whole, nothing is left."""
        left = self.measured & ~held_out_CT[:, :, None]
        others = tuple(() if held_out_CT[c].all() else seen for c, seen in enumerate(self.others))
        return replace(self, measured=left, others=others)

    def context(
        self, tokenizer: HMLMTokenizer, shown: Sequence[int] | None = None
    ) -> dict[str, torch.Tensor]:
        """The network with some of the conditions and what was seen of them, as a batch of one.

        Args:
            shown: positions of conditions; as many as a context holds, spread evenly over those of
                which anything was seen, where nothing is said.
        """
        if shown is None:
            later = self.times_hours > 0
            useful = [
                c
                for c, measured in enumerate(self.measured)
                if measured[later].any() or (self.others and self.others[c])
            ]
            count = min(len(useful), MOST_SHOWN_CONDITIONS)
            shown = [useful[i] for i in np.linspace(0, len(useful) - 1, count).astype(int)]
        return encode_context(
            tokenizer,
            self.network,
            self.baseline,
            [self.conditions[c] for c in shown],
            [self.observations(c) for c in shown],
        )

    def observations(self, condition: int) -> list[Observation]:
        """What was seen of a condition after its start, at a few of its times."""
        times = np.flatnonzero(self.measured[condition].any(1) & (self.times_hours > 0))
        if len(times) > MOST_SHOWN_TIMES:
            times = times[np.linspace(0, len(times) - 1, MOST_SHOWN_TIMES).astype(int)]
        names = self.network.names
        seen = [
            Observation(names[i], float(self.times_hours[t]), float(self.states[condition, t, i]))
            for t in times
            for i in np.flatnonzero(self.measured[condition, t])
        ]
        return seen + list(self.others[condition] if self.others else ())


def fine_tune(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    data: TissueData,
    settings: FitSettings | None = None,
    seed: int = 0,
    in_context: bool = True,
    progress: Callable[[int, float], object] = lambda step, error: None,
    team: Team = ALONE,
) -> tuple[HMLMForSignaling, Fit]:
    """A model whose gates are fitted to a tissue, starting from those that `model` infers.

    No weight of the encoder changes: what is fitted are the time constants and gates of the
    network's own molecules and interactions, by as many members as the settings say. Each starts
    from the gates that are inferred from its own part of the measurements, and stops early on
    conditions that it has not seen. The standard deviations are calibrated on these.

    Args:
        model: pretrained, or not trained at all.
        data: at least two conditions, or one at two times, with some activities.
        in_context: whether the first guesses have seen measurements, or the wiring alone.
        progress: told the step and the mean held-out error.
        team: the processes that fit members together; each returns the same. One by default.

    Raises:
        ValueError: too few conditions, or none of them with activities.
    """
    settings = settings or FitSettings()
    later = data.times_hours > 0
    fitted_to = replace(
        data,
        times_hours=data.times_hours[later],
        states=data.states[:, later],
        measured=data.measured[:, later],
    )
    if not fitted_to.measured.any():
        raise ValueError("no activity was measured after time 0; expected some to fit gates to")
    model = model.eval()
    logits, wiring = _inferred(model, fitted_to.context(tokenizer, []))
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
            flat = {name: value.flatten() for name, value in parameters.items()}
            return replace(of_all, **flat).gates(roll_out.wiring)

        return gates_of

    members = settings.members
    own = roll_out_of(len(range(members)[team.share(members)]))
    own_gates = gates_for(own)

    def predict(parameters: Parameters, chosen: np.ndarray) -> torch.Tensor:
        return own(own_gates(parameters), chosen)[0]

    device = model.device
    states = torch.tensor(fitted_to.states, dtype=torch.float32, device=device)
    measured = torch.tensor(fitted_to.measured, device=device)
    start = {name: getattr(logits, name).expand(members, -1).clone() for name in INFERRED}
    parts = held_out_parts(measured.sum(2), members, seed)
    if in_context:
        for member in range(members)[team.share(members)]:
            held_out = parts.measurements[member].cpu().numpy()
            context = fitted_to.without(held_out).context(tokenizer)
            guess = _inferred(model, context)[0]
            for name, of_all in start.items():
                of_all[member] = getattr(guess, name)
    fit = fit_members(
        predict, start, INFERRED, states, settings, seed, measured, progress, team, parts
    )
    tuned = _with_tissue(model, fit.parameters)
    every = roll_out_of(members)
    # What moves is told from the mean of what was measured where nobody knows the state at rest.
    mean = (states * measured).sum((0, 1)) / measured.sum((0, 1)).clamp(min=1)
    found = calibrate(
        partial(every, gates_for(every)(fit.parameters)),
        fit.held_out,
        states,
        measured,
        torch.where(every.known, every.baseline, mean),
        conditions.perturbed_R.numpy(),
    )
    with torch.no_grad():
        tuned.next_state.tissue.log_calibration.weight.copy_(found.log())  # type: ignore
    return tuned, fit


@torch.no_grad()
def _inferred(
    model: HMLMForSignaling, context: dict[str, torch.Tensor]
) -> tuple[GateLogits, Wiring]:
    """What the model takes the gates for, given a context."""
    return model.infer_gates(**moved(context, model.device))


def _with_tissue(model: HMLMForSignaling, parameters: Parameters) -> HMLMForSignaling:
    """A copy of the model that carries these gates."""
    sizes = {name: value.shape[1] for name, value in parameters.items()}
    members = len(next(iter(parameters.values())))
    settings = model.config.to_dict() | {"tissue": {"members": members, "sizes": sizes}}
    tuned = HMLMForSignaling(HMLMConfig.from_dict(settings))
    tuned.to(model.device)  # type: ignore[arg-type]
    kept = {k: v for k, v in model.state_dict().items() if ".tissue." not in k}
    tuned.load_state_dict(kept, strict=False)
    assert tuned.next_state.tissue is not None
    with torch.no_grad():
        for name, table in tuned.next_state.tissue.tables.items():
            assert isinstance(table, TissueTable)
            table.weight.copy_(parameters[name])
    return tuned.eval()
