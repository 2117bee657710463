"""HMLM as a method of a benchmark: in context without a gradient step, or fine-tuned.

Shapes: Q query conditions, U query times, N molecules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from ...finetuning.adapt import adapt
from ...finetuning.gate_fit import fit_gates
from ...fitting.ensemble import FitSettings
from ...inference.context import measured_context
from ...inference.prediction import Prediction, predict_states
from ...measurements.baseline import Baseline
from ...measurements.measured import Measurements
from ...model.conditions import Condition
from ...model.modeling_hmlm import HMLMForSignaling
from ...model.tokenization_hmlm import HMLMTokenizer


class HMLMPredictor(Baseline):
    """A model that predicts from a context, or after it was fine-tuned."""

    model: HMLMForSignaling

    def __init__(self, tokenizer: HMLMTokenizer) -> None:
        self.tokenizer = tokenizer

    def predict_with_sd(self, conditions: Sequence[Condition], hours: np.ndarray) -> Prediction:
        """States and their standard deviations.

        Where the query conditions were observed themselves, their observations after the start
        correct the prediction.
        """
        return predict_states(
            self.model, self.context, self.training.network, conditions, hours,
            self.training.observed_after_start(conditions),
        )  # fmt: skip

    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        return self.predict_with_sd(conditions, hours).states

    def _take(self, training: Measurements, with_measurements: bool) -> Measurements:
        self.training = training
        data = training.clipped()
        self.context = measured_context(self.tokenizer, data, None if with_measurements else [])
        return data


class InContext(HMLMPredictor):
    """A model with the measurements as its context; no weight changes."""

    def __init__(self, model: HMLMForSignaling, tokenizer: HMLMTokenizer) -> None:
        super().__init__(tokenizer)
        self.model = model.eval()

    def fit(self, training: Measurements) -> Self:
        self._take(training, with_measurements=True)
        return self


class FineTuned(HMLMPredictor):
    """Gates fitted to the measurements, from those that a model infers."""

    def __init__(
        self,
        model: HMLMForSignaling,
        tokenizer: HMLMTokenizer,
        settings: FitSettings | None = None,
        in_context: bool = True,
    ) -> None:
        super().__init__(tokenizer)
        self.start, self.settings, self.in_context = model, settings, in_context

    def fit(self, training: Measurements) -> Self:
        data = self._take(training, with_measurements=False)
        guesser = self._guesser(data, training.seed)
        self.model, self.found = fit_gates(
            guesser, self.tokenizer, data, self.settings, training.seed, self.in_context
        )
        return self

    def _guesser(self, data: Measurements, seed: int) -> HMLMForSignaling:
        """The model whose inferred gates fitting starts from."""
        return self.start


class FineTunedInFull(FineTuned):
    """Weights adapted to the measurements first, then gates fitted from what they infer.

    The first guess has learned from most of what members hold out, so that its 90 % interval is
    narrower than it should be.
    """

    def _guesser(self, data: Measurements, seed: int) -> HMLMForSignaling:
        return adapt(self.start, self.tokenizer, data, seed=seed)
