"""Roll-outs that are corrected by what was seen of the asked conditions themselves, as HMLM's is.

Shapes: Q conditions, U times, S seen times, N molecules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch

from ...measurements.baseline import Rival
from ...measurements.measured import Measurements
from ...model.condition_tensors import ConditionTensors
from ...model.conditions import Condition
from ...model.observation import corrected_states


class CorrectedByResiduals(Rival):
    """A rival whose residuals at seen times correct it before and after; of conditions that were
    not seen it answers as ever."""

    def __init__(self, rival: Rival) -> None:
        self.rival, self.name = rival, rival.name

    def fit(self, seen: Measurements) -> Self:
        self.rival.fit(seen)
        self.seen = seen
        return self

    @torch.no_grad()
    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        told = self.rival.predict(conditions, hours)
        observed = self.seen.observed_after_start(conditions)
        if observed is None:
            return told
        seen_hours, states = observed
        residual = states - self.rival.predict(conditions, seen_hours)
        count, molecules = told.shape[0], told.shape[2]

        def as_one_batch(values: np.ndarray) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.float64)[None]

        corrected, _ = corrected_states(
            as_one_batch(told),
            as_one_batch(np.tile(hours, (count, 1))),
            as_one_batch(residual),
            as_one_batch(np.ones_like(residual)),
            as_one_batch(np.tile(seen_hours, (count, 1))),
            ConditionTensors.from_conditions(conditions, self.seen.network),
            torch.ones(1, count, molecules, dtype=torch.bool),
            # The lengths and noises that an untrained HMLM starts from.
            torch.zeros(molecules, 2),
        )
        return corrected[0].numpy()
