"""Adapting weights before gates are fitted: a model learns to infer the gates of one tissue.

The next-state objective of pretraining is continued on the tissue's own measurements: some
conditions are given as context, others are predicted.

Shapes: C conditions, T times, N molecules.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ..fitting.member_rollout import MemberRollOut
from ..inference.context import measured_context
from ..inference.loading import require_foundation
from ..measurements.measured import HELD_OUT_PART, Measurements
from ..measurements.time_scale import time_scale_for
from ..model.condition_tensors import ConditionTensors
from ..model.error_base import HMLMError
from ..model.fields import to_device
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.tokenization_hmlm import HMLMTokenizer

LONGEST_GRADIENT = 1.0
FEWEST_CONDITIONS = 4
ROUNDS = 2
"""Rounds of the inference of gates; about as many as in pretraining on average."""


@dataclass(frozen=True)
class AdaptSettings:
    """How weights are adapted.

    Attributes:
        steps: of AdamW, on a cosine schedule.
        learning_rate: its peak; small, since measurements are few.
        queries: conditions predicted per step; at most as many are given as context.
        evaluate_every: steps between evaluations on the held-out conditions.
        patience: evaluations without a lower error before it stops.
    """

    steps: int = 80
    learning_rate: float = 1e-3
    queries: int = 8
    evaluate_every: int = 5
    patience: int = 7


def adapt(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    data: Measurements,
    settings: AdaptSettings | None = None,
    seed: int = 0,
    progress: Callable[[int, float], object] = lambda step, error: None,
) -> HMLMForSignaling:
    """A copy of the model whose weights predict a held-out fifth of the conditions best.

    Args:
        model: pretrained, and not fine-tuned.
        data: at least four conditions with activities.
        progress: called with the step and the held-out error.

    Raises:
        HMLMError: fewer than four such conditions, or a fine-tuned model.
    """
    settings = settings or AdaptSettings()
    require_foundation(model)
    task = _AdaptTask(copy.deepcopy(model).eval(), tokenizer, data)
    weights = task.model
    rng = np.random.default_rng([seed, 21])
    order = rng.permutation(task.useful)
    held_out, training = np.split(order, [max(1, len(order) // HELD_OUT_PART)])
    optimizer = torch.optim.AdamW(weights.parameters(), settings.learning_rate, weight_decay=0.0)
    best, best_error, best_step = copy.deepcopy(weights.state_dict()), math.inf, 0
    for step in range(settings.steps + 1):
        if step % settings.evaluate_every == 0:
            with torch.no_grad():
                found = float(task.error(training[: 2 * settings.queries], held_out))
            if found < best_error:
                best, best_error, best_step = copy.deepcopy(weights.state_dict()), found, step
            progress(step, best_error)
            waited = step - best_step >= settings.patience * settings.evaluate_every
            if step == settings.steps or waited:
                break
        for group in optimizer.param_groups:
            warm = min(1.0, (step + 1) / settings.evaluate_every)
            wave = 0.5 * (1 + math.cos(math.pi * step / settings.steps))
            group["lr"] = settings.learning_rate * warm * wave
        drawn = rng.permutation(training)
        queries, context = np.split(drawn, [min(settings.queries, len(drawn) // 2)])
        optimizer.zero_grad()
        task.error(context[: settings.queries], queries).backward()
        torch.nn.utils.clip_grad_norm_(weights.parameters(), LONGEST_GRADIENT)
        optimizer.step()
    weights.load_state_dict(best)
    return weights


class _AdaptTask:
    """Conditions that are predicted from others, in the model's hours.

    Attributes:
        useful: positions of the conditions with activities after time 0.
    """

    def __init__(
        self, model: HMLMForSignaling, tokenizer: HMLMTokenizer, data: Measurements
    ) -> None:
        """
        Raises:
            HMLMError: fewer than four conditions with activities.
        """
        self.model, self.tokenizer = model, tokenizer
        self.data = data.in_model_hours(time_scale_for(data.times_hours))
        later = self.data.after_start()
        self.useful = np.flatnonzero(later.measured.any((1, 2)))
        if len(self.useful) < FEWEST_CONDITIONS:
            raise HMLMError(
                f"{len(self.useful)} conditions with activities after time 0 to adapt weights to; "
                f"expected at least {FEWEST_CONDITIONS}"
            )
        self.times_hours = later.times_hours
        self.states = torch.tensor(later.states, dtype=torch.float32, device=model.device)
        self.measured = torch.tensor(later.measured, device=model.device)
        self.conditions = ConditionTensors.from_conditions(self.data.conditions, self.data.network)

    def error(self, context: np.ndarray, queries: np.ndarray) -> torch.Tensor:
        """Mean squared error of queries where others are given as context."""
        fields = measured_context(self.tokenizer, self.data, context.tolist())
        logits, wiring = self.model.infer_gates(
            **to_device(fields, self.model.device), inference_rounds=torch.tensor([ROUNDS])
        )
        roll_out = MemberRollOut(
            self.model.next_state.transducer, wiring, 1, self.conditions, self.times_hours,
            self.data.baseline,
        )  # fmt: skip
        predicted = roll_out(logits.gates(wiring), queries)[0]
        counted = self.measured[queries]
        squared = (predicted - self.states[queries]) ** 2 * counted
        return squared.sum() / counted.sum().clamp(min=1)
