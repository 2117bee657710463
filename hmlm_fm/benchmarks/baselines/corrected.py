"""Predictions corrected by what was observed of the query conditions themselves, as HMLM's are.

Shapes: Q query conditions, U query times, S observed times, N molecules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch

from ...measurements.baseline import Baseline
from ...measurements.measured import Measurements
from ...model.condition_tensors import ConditionTensors
from ...model.conditions import Condition
from ...model.observation import corrected_states


class CorrectedByResiduals(Baseline):
    """A baseline whose residuals at observed times correct its predictions before and after them.

    Predictions of conditions that were not observed are those of the baseline.
    """

    def __init__(self, corrected: Baseline) -> None:
        self.corrected = corrected

    def fit(self, training: Measurements) -> Self:
        self.corrected.fit(training)
        self.training = training
        return self

    @torch.no_grad()
    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        predicted = self.corrected.predict(conditions, hours)
        observed = self.training.observed_after_start(conditions)
        if observed is None:
            return predicted
        observed_hours, observed_states = observed
        residual = observed_states - self.corrected.predict(conditions, observed_hours)
        count, molecules = predicted.shape[0], predicted.shape[2]

        def as_one_batch(values: np.ndarray) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.float64)[None]

        states, _ = corrected_states(
            as_one_batch(predicted),
            as_one_batch(np.tile(hours, (count, 1))),
            as_one_batch(residual),
            as_one_batch(np.ones_like(residual)),
            as_one_batch(np.tile(observed_hours, (count, 1))),
            ConditionTensors.from_conditions(conditions, self.training.network),
            torch.ones(1, count, molecules, dtype=torch.bool),
            # The lengths and noises that an untrained HMLM starts from.
            torch.zeros(molecules, 2),
        )
        return states[0].numpy()
