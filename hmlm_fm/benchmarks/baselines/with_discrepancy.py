"""A baseline with effects that its equations leave unexplained, found in its residuals.

Shapes: C training conditions, Q query conditions, U query times, N molecules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch

from ...fitting.discrepancy import find_discrepancy
from ...measurements.baseline import Baseline
from ...measurements.measured import Measurements
from ...model.condition_tensors import ConditionTensors
from ...model.conditions import Condition
from ...model.tissue import Discrepancy


class WithDiscrepancy(Baseline):
    """A baseline, and effects of treatments that its residuals show, where they are worthwhile; see
    `hmlm_fm.fitting.discrepancy`."""

    def __init__(self, explained: Baseline) -> None:
        self.explained = explained

    def fit(self, training: Measurements) -> Self:
        self.explained.fit(training)
        self.network, later = training.network, training.times_hours > 0
        hours = training.times_hours[later]
        found = find_discrepancy(
            ConditionTensors.from_conditions(training.conditions, training.network),
            (training.states - self.explained.predict(training.conditions, training.times_hours))[
                :, later
            ],
            training.measured[:, later].astype(float),
            hours,
        )
        columns = len(training.network.molecules)
        self.discrepancy = (
            found.fill(Discrepancy(columns=columns, **found.arguments)) if found else None
        )
        return self

    @torch.no_grad()
    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        predicted = self.explained.predict(conditions, hours)
        if self.discrepancy is None:
            return predicted
        rows = ConditionTensors.from_conditions(conditions, self.network)
        times = torch.tensor(hours, dtype=torch.float64).expand(1, len(conditions), -1)
        return self.discrepancy.add_to_states(torch.tensor(predicted)[None], rows, times)[0].numpy()
