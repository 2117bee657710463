"""Conditions as tensors: what stimuli and perturbations do to molecules at any time.

The meaning of stimuli and perturbations is fixed here, once, for the simulator and the model alike.
This file travels with every checkpoint.

Shapes: R rows (one condition of one network each), N molecules, E perturbations per row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch

from .conditions import PERTURBATION_KINDS, Condition
from .error_base import HMLMError
from .network import SignalingNetwork


def condition_rows(
    stimulus: torch.Tensor | None,
    stimulated: torch.Tensor | None,
    index: torch.Tensor | None,
    kind: torch.Tensor | None,
    strength: torch.Tensor | None,
    window: torch.Tensor | None,
) -> ConditionTensors:
    """Conditions of a batch (B, C, …) as rows (B · C, …).

    Raises:
        HMLMError: there are none.
    """
    if stimulus is None or stimulated is None:
        raise HMLMError(
            "conditions without stimulus and stimulated; expected what `encode_conditions` makes"
        )
    if index is None or kind is None or strength is None or window is None:
        rows = stimulus.shape[0] * stimulus.shape[1]
        index = kind = stimulus.new_zeros(rows, 0, dtype=torch.long)
        strength, window = stimulus.new_zeros(rows, 0), stimulus.new_zeros(rows, 0, 2)
    else:
        index, kind, strength, window = (x.flatten(0, 1) for x in (index, kind, strength, window))
    return ConditionTensors(
        stimulus.flatten(0, 1), stimulated.flatten(0, 1).bool(), index, kind, strength, window
    )


def values_and_mask(
    values: torch.Tensor | None, known: torch.Tensor | None, unknown: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Values and where they are known: everywhere without a mask, nowhere without values."""
    if values is None:
        return unknown, unknown
    return values, torch.ones_like(values) if known is None else known


def perturbed_at(
    conditions: ConditionTensors, hours_BQU: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether each molecule is held, and its largest state, at each time: two (B, Q, U, N)."""
    effects = conditions.effects_at_times(hours_BQU.flatten(0, 1))
    shape = hours_BQU.shape[:2]
    return effects.held_RN.unflatten(0, shape), effects.ymax_factor_RN.unflatten(0, shape)


@dataclass
class ConditionTensors:
    """Conditions as tensors, ready for any number of rows of one width.

    Attributes:
        stimulus_RN: stimulus levels; 0 where there is none.
        stimulated_RN: whether a molecule is stimulated.
        perturbation_index_RE: molecule of each perturbation; padding points at molecule 0 and has
            an empty window.
        perturbation_kind_RE: index into `PERTURBATION_KINDS`.
        perturbation_strength_RE: strength in [0, 1].
        perturbation_window_RE2: start and end in hours; padding has an end before its start.
    """

    stimulus_RN: torch.Tensor
    stimulated_RN: torch.Tensor
    perturbation_index_RE: torch.Tensor
    perturbation_kind_RE: torch.Tensor
    perturbation_strength_RE: torch.Tensor
    perturbation_window_RE2: torch.Tensor

    @classmethod
    def from_conditions(
        cls, conditions: Sequence[Condition], network: SignalingNetwork
    ) -> ConditionTensors:
        """Tensors of `conditions` on `network`, one row each (float32, on the CPU).

        Raises:
            NetworkError: a condition names a molecule that is not in the network.
        """
        rows, index = len(conditions), network.molecule_index
        width = max((len(c.perturbations) for c in conditions), default=0)
        stimulus_RN = torch.zeros(rows, len(network.molecules))
        stimulated_RN = torch.zeros(rows, len(network.molecules), dtype=torch.bool)
        stimuli: list[tuple[int, int]] = []
        levels: list[float] = []
        indices, kinds, strengths, windows = [], [], [], []
        for row, condition in enumerate(conditions):
            condition.check(network)
            stimuli += [(row, index[name]) for name in condition.stimuli]
            levels += condition.stimuli.values()
            events = condition.perturbations
            none = width - len(events)
            indices.append([index[p.target] for p in events] + [0] * none)
            kinds.append([PERTURBATION_KINDS.index(p.kind) for p in events] + [0] * none)
            strengths.append([p.strength for p in events] + [0.0] * none)
            windows.append([(p.start_hours, p.end_hours) for p in events] + [(0.0, -1.0)] * none)
        if stimuli:
            places = tuple(torch.tensor(stimuli).T)
            stimulus_RN[places] = torch.tensor(levels, dtype=stimulus_RN.dtype)
            stimulated_RN[places] = True
        return cls(
            stimulus_RN=stimulus_RN,
            stimulated_RN=stimulated_RN,
            perturbation_index_RE=torch.tensor(indices, dtype=torch.long).view(rows, width),
            perturbation_kind_RE=torch.tensor(kinds, dtype=torch.long).view(rows, width),
            perturbation_strength_RE=torch.tensor(strengths).view(rows, width),
            perturbation_window_RE2=torch.tensor(windows).view(rows, width, 2),
        )

    @classmethod
    def join(cls, parts: Sequence[ConditionTensors]) -> ConditionTensors:
        """Conditions of networks side by side: equally many rows each, molecules end to end."""
        offset, indices = 0, []
        for part in parts:
            indices.append(part.perturbation_index_RE + offset)
            offset += part.stimulus_RN.shape[1]

        def cat(name: str) -> torch.Tensor:
            return torch.cat([getattr(part, name) for part in parts], dim=1)

        return cls(
            stimulus_RN=cat("stimulus_RN"),
            stimulated_RN=cat("stimulated_RN"),
            perturbation_index_RE=torch.cat(indices, dim=1),
            perturbation_kind_RE=cat("perturbation_kind_RE"),
            perturbation_strength_RE=cat("perturbation_strength_RE"),
            perturbation_window_RE2=cat("perturbation_window_RE2"),
        )

    def mapped(self, change: Callable[[torch.Tensor], torch.Tensor]) -> ConditionTensors:
        """Every tensor changed alike: rows chosen or repeated, moved to a device."""
        return ConditionTensors(**{f.name: change(getattr(self, f.name)) for f in fields(self)})

    @property
    def perturbed_R(self) -> torch.Tensor:
        """Whether a row has any perturbation (R)."""
        start, end = self.perturbation_window_RE2.unbind(-1)
        return (end > start).any(-1)

    @property
    def treatment_RX(self) -> torch.Tensor:
        """What is done to every molecule from time 0 to the end (R, 5N), in the order of
        `TREATMENTS`: the level of its stimulus; how far perturbations together lower it, and raise
        it; whether a clamp holds it; and where."""
        start, end = self.perturbation_window_RE2.unbind(-1)
        lasting = (start == 0) & (end == math.inf)
        lowers = lasting & self._of_kind("knockout", "knockdown", "inhibition")
        raises = lasting & self._of_kind("overexpression")
        clamps = lasting & self._of_kind("clamp")
        left = 1 - self.perturbation_strength_RE
        value = torch.where(clamps, self.perturbation_strength_RE, 0.0)
        none = torch.zeros_like(self.stimulus_RN)
        columns = (
            torch.where(self.stimulated_RN, self.stimulus_RN, 0.0),
            1 - self._product(lowers, left),
            1 - self._product(raises, left),
            1 - self._product(clamps, torch.zeros_like(left)),
            none.scatter_reduce(-1, self.perturbation_index_RE, value, "amax"),
        )
        return torch.cat(columns, -1)

    @property
    def _holds(self) -> torch.Tensor:
        """Which perturbations hold a state at a value (R, E)."""
        return self._of_kind("knockout", "clamp")

    def _of_kind(self, *kinds: str) -> torch.Tensor:
        """Which perturbations are of one of these kinds (R, E)."""
        indices = [PERTURBATION_KINDS.index(kind) for kind in kinds]
        return torch.stack([self.perturbation_kind_RE == index for index in indices]).any(0)

    def _product(self, chosen_RE: torch.Tensor, factor_RE: torch.Tensor) -> torch.Tensor:
        """The product of the factors of each molecule's chosen perturbations (R, N)."""
        ones = torch.ones_like(self.stimulus_RN)
        factor = torch.where(chosen_RE, factor_RE, 1.0)
        return ones.scatter_reduce(-1, self.perturbation_index_RE, factor, "prod")

    def effects_at(self, time_hours: torch.Tensor) -> PerturbationEffects:
        """What the perturbations do at one time per row (R), or per perturbation (R, E)."""
        start, end = self.perturbation_window_RE2.unbind(-1)
        time = (time_hours if time_hours.dim() == 2 else time_hours.unsqueeze(-1)).to(start.dtype)
        active = (start <= time) & (time < end)
        strength = self.perturbation_strength_RE
        raised = torch.where(self._of_kind("overexpression"), 1 + strength, 1 - strength)
        held = active & self._holds
        # A knockout takes precedence over a clamp of the same molecule.
        value = torch.where(self._of_kind("knockout"), 0.0, strength)
        value = torch.where(held, value, math.inf)
        held_value = torch.full_like(self.stimulus_RN, math.inf).scatter_reduce(
            -1, self.perturbation_index_RE, value, "amin"
        )
        return PerturbationEffects(
            ymax_factor_RN=self._product(
                active & self._of_kind("knockdown", "overexpression"), raised
            ),
            output_factor_RN=self._product(active & self._of_kind("inhibition"), 1 - strength),
            held_RN=held_value.isfinite(),
            held_value_RN=torch.where(held_value.isfinite(), held_value, 0.0),
        )

    def effects_at_times(self, time_hours_RU: torch.Tensor) -> PerturbationEffects:
        """What the perturbations do at several times per row, with the axes (R, U, N)."""
        rows, times = time_hours_RU.shape
        every = self.mapped(lambda value: value.repeat_interleave(times, 0))
        effects = every.effects_at(time_hours_RU.flatten())
        return effects.mapped(lambda value: value.unflatten(0, (rows, times)))

    def released_by(self, time_hours_BCTN: torch.Tensor) -> torch.Tensor:
        """When a perturbation last ceased to hold each molecule, at or before times of its own
        (B, C, T, N), with B · C rows; 0 if none did."""
        time_RTN = time_hours_BCTN.flatten(0, 1)
        index = self.perturbation_index_RE.unsqueeze(1).expand(-1, time_RTN.shape[1], -1)
        end = torch.where(self._holds, self.perturbation_window_RE2[..., 1], math.inf)
        end = end.unsqueeze(1).to(time_RTN.dtype)
        released = torch.where(end <= time_RTN.gather(-1, index), end, 0.0).clamp(min=0)
        released = torch.zeros_like(time_RTN).scatter_reduce(-1, index, released, "amax")
        return released.view(time_hours_BCTN.shape)

    def boundaries_within(self, horizon_hours: float) -> torch.Tensor:
        """Times in (0, horizon] at which a window opens or closes (R, 2E), padded with horizon."""
        start, end = self.perturbation_window_RE2.unbind(-1)
        times = torch.cat([start, end], dim=-1)
        inside = (times > 0) & (times <= horizon_hours) & (end > start).repeat(1, 2)
        times = torch.where(inside, times, torch.full_like(times, horizon_hours))
        used = int(inside.sum(-1).max()) if inside.numel() else 0
        return times.sort(-1).values[:, :used]


@dataclass
class PerturbationEffects:
    """Effects on each molecule at one time: factors on ymax and on what is passed on, and holds."""

    ymax_factor_RN: torch.Tensor
    output_factor_RN: torch.Tensor
    held_RN: torch.Tensor
    held_value_RN: torch.Tensor

    def mapped(self, change: Callable[[torch.Tensor], torch.Tensor]) -> PerturbationEffects:
        """Every tensor changed alike: rows chosen, axes laid out in another way."""
        return PerturbationEffects(**{name: change(value) for name, value in vars(self).items()})

    def transposed(self) -> PerturbationEffects:
        """The same with the axes (molecules, rows)."""
        return self.mapped(lambda value: value.T)

    def hold(self, state_RN: torch.Tensor) -> torch.Tensor:
        """The state with knocked-out molecules at 0 and clamped ones at their value."""
        return torch.where(self.held_RN, self.held_value_RN.to(state_RN.dtype), state_RN)


def held_states(
    conditions: Sequence[Condition], hours: Sequence[float] | np.ndarray, network: SignalingNetwork
) -> tuple[np.ndarray, np.ndarray]:
    """Which states a knockout or a clamp holds at some times, and at what value, both (R, U, N)."""
    tensors = ConditionTensors.from_conditions(conditions, network)
    times = torch.as_tensor(np.asarray(hours), dtype=torch.float32).expand(len(conditions), -1)
    effects = tensors.effects_at_times(times)
    return effects.held_RN.numpy(), effects.held_value_RN.double().numpy()
