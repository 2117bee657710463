"""Measurements of one tissue, some of them missing, and what of them a model is shown.

Shapes: C conditions, T times, N molecules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..inference.prediction import context_of
from ..model.conditions import Condition, Observation
from ..model.network import SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer
from .measurements import Measurements
from .pace import condition_at, observation_at

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
        baseline: (N) the state at rest, in [0, 1]; NaN where it is not known.
        others: of every condition, observations in other modalities.
        sd: (C, T, N) standard deviations of activities, NaN where none is stated; None if nowhere.
        names: of the conditions, where they have any.
    """

    network: SignalingNetwork
    conditions: tuple[Condition, ...]
    times_hours: np.ndarray
    states: np.ndarray
    measured: np.ndarray
    baseline: np.ndarray
    others: tuple[tuple[Observation, ...], ...] = ()
    sd: np.ndarray | None = None
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, seen: Measurements) -> TissueData:
        """The same measurements."""
        # Noise may put a state far outside its range.
        states = np.clip(seen.states, 0, 1.1)
        return cls(
            seen.network, seen.conditions, seen.times_hours, states, seen.there,
            seen.known_baseline,
        )  # fmt: skip

    def without(self, held_out_CT: np.ndarray) -> TissueData:
        """The same with some times of some conditions left out; of a condition that is left out
        whole, nothing is left."""
        left = self.measured & ~held_out_CT[:, :, None]
        others = []
        for out_T, seen in zip(held_out_CT, self.others, strict=False):
            gone = set(self.times_hours[out_T].tolist())
            others.append(() if out_T.all() else tuple(o for o in seen if o.time_hours not in gone))
        return replace(self, measured=left, others=tuple(others))

    def after_start(self) -> TissueData:
        """The same with the times after 0 alone, at which gates are fitted; what other modalities
        showed at rest stays, to be shown."""
        later = self.times_hours > 0
        return replace(
            self,
            times_hours=self.times_hours[later],
            states=self.states[:, later],
            measured=self.measured[:, later],
            sd=None if self.sd is None else self.sd[:, later],
        )

    def at_pace(self, pace: float) -> TissueData:
        """The same in the model's hours; see `pace`."""
        return replace(
            self,
            conditions=tuple(condition_at(c, pace) for c in self.conditions),
            times_hours=self.times_hours * pace,
            others=tuple(tuple(observation_at(o, pace) for o in seen) for seen in self.others),
        )

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
        return context_of(
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
