"""A rival whose residuals tell what its equations leave unexplained, as HMLM's do.

Shapes: C training conditions, Q asked ones, U query times, N molecules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch

from ...fitting.discrepancy import find_discrepancy
from ...measurements.baseline import Rival
from ...measurements.measured import Measurements
from ...model.condition_tensors import ConditionTensors
from ...model.conditions import Condition
from ...model.tissue import Discrepancy


class WithDiscrepancy(Rival):
    """A rival, and the effects of what was done that its residuals show, where that is worthwhile;
    see `hmlm_fm.fitting.discrepancy`."""

    def __init__(self, rival: Rival) -> None:
        self.rival, self.name = rival, with_discrepancy(rival.name)

    def fit(self, seen: Measurements) -> Self:
        self.rival.fit(seen)
        self.network, later = seen.network, seen.times_hours > 0
        hours = seen.times_hours[later]
        found = find_discrepancy(
            ConditionTensors.from_conditions(seen.conditions, seen.network),
            (seen.states - self.rival.predict(seen.conditions, seen.times_hours))[:, later],
            seen.measured[:, later].astype(float),
            hours,
        )
        columns = len(seen.network.molecules)
        self.discrepancy = (
            found.fill(Discrepancy(columns=columns, **found.arguments)) if found else None
        )
        return self

    @torch.no_grad()
    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        told = self.rival.predict(conditions, hours)
        if self.discrepancy is None:
            return told
        rows = ConditionTensors.from_conditions(conditions, self.network)
        asked = torch.tensor(hours, dtype=torch.float64).expand(1, len(conditions), -1)
        return self.discrepancy.of_states(torch.tensor(told)[None], rows, asked)[0].numpy()


def with_discrepancy(name: str) -> str:
    """What the row is called."""
    return f"{name}, with its discrepancy"
