"""Measurements of one network, which models are fitted to and given as context.

Shapes: C conditions, T times, N molecules, Q query conditions, S observed times after 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..model.conditions import Condition, Observation
from ..model.error_base import HMLMError
from ..model.network import SignalingNetwork
from .time_scale import scale_condition, scale_observation

HELD_OUT_PART = 5
"""One in so many training conditions is held out where a method chooses or stops by them."""
LARGEST_STATE = 1.1
"""Noise may put a measured state above 1; larger values are clipped to this."""


@dataclass(frozen=True)
class Measurements:
    """Conditions of one network and what was measured of each.

    Attributes:
        network: of the molecules, without what is hidden from models.
        conditions: C of them.
        times_hours: (T) all times at which anything was measured, in hours.
        states: (C, T, N) activities, in [0, 1] but for noise.
        baseline: (N) the state at rest, from which every condition starts, in [0, 1]; NaN where it
            is not known.
        seed: of the random draws of a method that is fitted to them.
        measured: (C, T, N) which of the states were measured; all of them by default.
        others: of every condition, observations in modalities other than the activity.
        sd: (C, T, N) standard deviations of activities, NaN where none is stated; None if nowhere.
        names: of the conditions, where they have any.

    Raises:
        HMLMError: states of another shape.
    """

    network: SignalingNetwork
    conditions: tuple[Condition, ...]
    times_hours: np.ndarray
    states: np.ndarray
    baseline: np.ndarray
    seed: int = 0
    measured: np.ndarray = None  # type: ignore[assignment]
    others: tuple[tuple[Observation, ...], ...] = ()
    sd: np.ndarray | None = None
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # A simulator's error may put a state at rest slightly out of range.
        object.__setattr__(self, "baseline", np.clip(self.baseline, 0, 1))
        if self.measured is None:
            object.__setattr__(self, "measured", np.ones(self.states.shape, dtype=bool))
        expected = (len(self.conditions), len(self.times_hours), len(self.baseline))
        for name in ("states", "measured"):
            if getattr(self, name).shape != expected:
                raise HMLMError(
                    f"{name} are of shape {getattr(self, name).shape}; expected {expected}: "
                    "conditions, times, molecules"
                )

    @property
    def baseline_or_zero(self) -> np.ndarray:
        """The state at rest (N), 0 where it is not known."""
        return np.nan_to_num(self.baseline)

    def subset(self, chosen: np.ndarray) -> Measurements:
        """The same with some of the conditions only, by their positions."""

        def rows(values: tuple) -> tuple:  # type: ignore[type-arg]
            return tuple(values[i] for i in chosen) if values else ()

        return replace(
            self,
            conditions=rows(self.conditions),
            states=self.states[chosen],
            measured=self.measured[chosen],
            others=rows(self.others),
            sd=None if self.sd is None else self.sd[chosen],
            names=rows(self.names),
        )

    def split(self) -> tuple[Measurements, Measurements]:
        """Training conditions, and a held-out fifth for choices and early stopping."""
        order = np.random.default_rng([self.seed, 5]).permutation(len(self.conditions))
        held_out = max(1, len(order) // HELD_OUT_PART)
        return self.subset(np.sort(order[held_out:])), self.subset(np.sort(order[:held_out]))

    def clipped(self) -> Measurements:
        """The same, with states that noise put far outside their range brought back to it."""
        return replace(self, states=np.clip(self.states, 0, LARGEST_STATE))

    def without(self, held_out_CT: np.ndarray) -> Measurements:
        """The same with some times of some conditions (C, T) left out. Of a condition of which all
        times are left out, observations in other modalities are left out too."""
        left = self.measured & ~held_out_CT[:, :, None]
        others = []
        for out_T, observations in zip(held_out_CT, self.others, strict=False):
            gone = set(self.times_hours[out_T].tolist())
            kept = () if out_T.all() else (o for o in observations if o.time_hours not in gone)
            others.append(tuple(kept))
        return replace(self, measured=left, others=tuple(others))

    def after_start(self) -> Measurements:
        """The same with only the times after 0, at which gates are fitted; observations of other
        modalities at rest stay, as context."""
        later = self.times_hours > 0
        return replace(
            self,
            times_hours=self.times_hours[later],
            states=self.states[:, later],
            measured=self.measured[:, later],
            sd=None if self.sd is None else self.sd[:, later],
        )

    def in_model_hours(self, time_scale: float) -> Measurements:
        """The same in the model's hours, of which an hour has `time_scale`."""
        others = tuple(
            tuple(scale_observation(o, time_scale) for o in observations)
            for observations in self.others
        )
        return replace(
            self,
            conditions=tuple(scale_condition(c, time_scale) for c in self.conditions),
            times_hours=self.times_hours * time_scale,
            others=others,
        )

    def positions_of(self, conditions: Sequence[Condition]) -> list[int] | None:
        """Positions of conditions among those measured; None where one of them is not."""
        position = {condition: i for i, condition in enumerate(self.conditions)}
        if any(condition not in position for condition in conditions):
            return None
        return [position[condition] for condition in conditions]

    def observed_after_start(
        self, conditions: Sequence[Condition]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Times after 0 (S) and the states of conditions there (Q, S, N); None where nothing was
        measured after 0, or nothing of one of them."""
        rows, later = self.positions_of(conditions), self.times_hours > 0
        if rows is None or not later.any():
            return None
        return self.times_hours[later], self.states[rows][:, later]
