"""What was measured of one network: what models are fitted to, and all that a benchmark tells.

Shapes: C conditions, T times, N molecules, Q asked conditions, S seen times after 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..model.conditions import Condition
from ..model.network import SignalingNetwork

HELD_OUT_PART = 5
"""One in so many training conditions is held out where a row chooses or stops by them."""


@dataclass(frozen=True)
class Measurements:
    """What every row of a benchmark is given, and all that it is given.

    Attributes:
        network: without kinetics, and in track `signs` without AND groups.
        conditions: C of them.
        times_hours: (T) when each was measured, 0 among them.
        states: (C, T, N) activities in [0, 1].
        baseline: (N) the state at rest, from which every condition starts; clipped to [0, 1], from
            which the simulator's error may put it a hair off. 0 where nobody knows it.
        seed: of all that a row draws.
        measured: (C, T, N) which of the states there are; all of them without.
        rest_known: (N) of which molecules the state at rest is known; of all without.
    """

    network: SignalingNetwork
    conditions: tuple[Condition, ...]
    times_hours: np.ndarray
    states: np.ndarray
    baseline: np.ndarray
    seed: int = 0
    measured: np.ndarray | None = None
    rest_known: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "baseline", np.clip(self.baseline, 0, 1))

    @property
    def there(self) -> np.ndarray:
        """Where a state was measured (C, T, N)."""
        return np.ones(self.states.shape, dtype=bool) if self.measured is None else self.measured

    @property
    def known_baseline(self) -> np.ndarray:
        """The state at rest (N), NaN where nobody knows it."""
        if self.rest_known is None:
            return self.baseline
        return np.where(self.rest_known, self.baseline, np.nan)

    def of(self, chosen: np.ndarray) -> Measurements:
        """The same with some of the conditions only."""
        conditions = tuple(self.conditions[i] for i in chosen)
        measured = None if self.measured is None else self.measured[chosen]
        return replace(self, conditions=conditions, states=self.states[chosen], measured=measured)

    def rows_of(self, conditions: Sequence[Condition]) -> list[int] | None:
        """Positions of conditions among those measured; None where one of them is not."""
        position = {condition: i for i, condition in enumerate(self.conditions)}
        if any(condition not in position for condition in conditions):
            return None
        return [position[condition] for condition in conditions]

    def after_start(self, conditions: Sequence[Condition]) -> tuple[np.ndarray, np.ndarray] | None:
        """Times after 0 (S) and what was seen of conditions there (Q, S, N); None where nothing
        was, or nothing of one of them."""
        rows, later = self.rows_of(conditions), self.times_hours > 0
        if rows is None or not later.any():
            return None
        return self.times_hours[later], self.states[rows][:, later]

    def split(self) -> tuple[Measurements, Measurements]:
        """Conditions to learn from, and a fifth of them to choose and to stop by."""
        order = np.random.default_rng([self.seed, 5]).permutation(len(self.conditions))
        held_out = max(1, len(order) // HELD_OUT_PART)
        return self.of(np.sort(order[held_out:])), self.of(np.sort(order[:held_out]))
