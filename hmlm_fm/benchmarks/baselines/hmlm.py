"""HMLM as rows of a benchmark: in context without a gradient step, fine-tuned, and from scratch.

Shapes: Q asked conditions, U query times, N molecules.
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
from ...measurements.baseline import Rival
from ...measurements.measured import Measurements
from ...model.conditions import Condition
from ...model.modeling_hmlm import HMLMForSignaling
from ...model.tokenization_hmlm import HMLMTokenizer


class HMLMRow(Rival):
    """A model that answers from a context, or after it was fine-tuned."""

    model: HMLMForSignaling

    def __init__(self, tokenizer: HMLMTokenizer) -> None:
        self.tokenizer = tokenizer

    def answer(self, conditions: Sequence[Condition], hours: np.ndarray) -> Prediction:
        """States and their standard deviations.

        Where the asked conditions were seen themselves, what was seen of them after their start
        corrects the answer.
        """
        return predict_states(
            self.model, self.context, self.seen.network, conditions, hours,
            self.seen.observed_after_start(conditions),
        )  # fmt: skip

    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        return self.answer(conditions, hours).states

    def _show(self, seen: Measurements, with_measurements: bool) -> Measurements:
        self.seen = seen
        data = seen.clipped()
        self.context = measured_context(self.tokenizer, data, None if with_measurements else [])
        return data


class InContext(HMLMRow):
    """The pretrained model, shown the measurements; no weight changes."""

    name = "HMLM pretrained, in context"

    def __init__(self, model: HMLMForSignaling, tokenizer: HMLMTokenizer) -> None:
        super().__init__(tokenizer)
        self.model = model.eval()

    def fit(self, seen: Measurements) -> Self:
        self._show(seen, with_measurements=True)
        return self


class FineTuned(HMLMRow):
    """Gates fitted to the measurements, from those that a model infers."""

    def __init__(
        self,
        name: str,
        model: HMLMForSignaling,
        tokenizer: HMLMTokenizer,
        settings: FitSettings | None = None,
        in_context: bool = True,
    ) -> None:
        super().__init__(tokenizer)
        self.name, self.start = name, model
        self.settings, self.in_context = settings, in_context

    def fit(self, seen: Measurements) -> Self:
        data = self._show(seen, with_measurements=False)
        guesser = self._guesser(data, seen.seed)
        self.model, self.found = fit_gates(
            guesser, self.tokenizer, data, self.settings, seen.seed, self.in_context
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
