"""Fine-tuning in full: the weights of a model learn to infer the gates of one tissue.

What pretraining does on drawn networks goes on with the tissue's own measurements: some conditions
are shown, others are asked. Afterwards its gates are fitted as ever, from a better start.

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
from ..inference.loading import refuse_tissue
from ..measurements.measured import HELD_OUT_PART, Measurements
from ..measurements.time_scale import time_scale_for
from ..model.condition_tensors import ConditionTensors
from ..model.errors import HMLMError
from ..model.fields import to_device
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.tokenization_hmlm import HMLMTokenizer

LONGEST_GRADIENT = 1.0
ROUNDS = 2
"""Of the inference of gates; about as many as pretraining has on average."""


@dataclass(frozen=True)
class AdaptSettings:
    """How weights are adapted.

    Attributes:
        steps: of AdamW, on a cosine schedule.
        learning_rate: its peak; small, for there is little to learn from.
        asked: conditions per step; at most as many are shown.
        look_every: steps between looks at the held-out conditions.
        patience: looks without a better error before it stops.
    """

    steps: int = 80
    learning_rate: float = 1e-3
    asked: int = 8
    look_every: int = 5
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
        model: pretrained, and not fine-tuned yet.
        data: at least four conditions with activities.
        progress: told the step and the held-out error.

    Raises:
        ValueError: fewer than four such conditions, or a model that carries gates of a tissue.
    """
    settings = settings or AdaptSettings()
    data = data.in_model_hours(time_scale_for(data.times_hours))
    asked_of = data.after_start()
    useful = np.flatnonzero(asked_of.measured.any((1, 2)))
    if len(useful) < 4:
        raise HMLMError(
            f"{len(useful)} conditions with activities after time 0 to adapt weights to; expected "
            "at least 4"
        )
    refuse_tissue(model)
    adapted = copy.deepcopy(model).eval()
    rng = np.random.default_rng([seed, 21])
    order = rng.permutation(useful)
    held_out, learned = np.split(order, [max(1, len(order) // HELD_OUT_PART)])
    states = torch.tensor(asked_of.states, dtype=torch.float32, device=model.device)
    measured = torch.tensor(asked_of.measured, device=model.device)
    conditions = ConditionTensors.from_conditions(data.conditions, data.network)

    def error(shown: np.ndarray, asked: np.ndarray) -> torch.Tensor:
        """Mean squared error of asked conditions where others are shown."""
        context = measured_context(tokenizer, data, shown.tolist())
        logits, wiring = adapted.infer_gates(
            **to_device(context, adapted.device),
            inference_rounds=torch.tensor([ROUNDS]),
        )
        roll_out = MemberRollOut(
            adapted.next_state.transducer,
            wiring,
            1,
            conditions,
            asked_of.times_hours,
            data.baseline,
        )
        told = roll_out(logits.gates(wiring), asked)[0]
        counted = measured[asked]
        return ((told - states[asked]) ** 2 * counted).sum() / counted.sum().clamp(min=1)

    optimizer = torch.optim.AdamW(adapted.parameters(), settings.learning_rate, weight_decay=0.0)
    best, best_error, best_step = copy.deepcopy(adapted.state_dict()), math.inf, 0
    for step in range(settings.steps + 1):
        if step % settings.look_every == 0:
            with torch.no_grad():
                found = float(error(learned[: 2 * settings.asked], held_out))
            if found < best_error:
                best, best_error, best_step = copy.deepcopy(adapted.state_dict()), found, step
            progress(step, best_error)
            if (
                step == settings.steps
                or step - best_step >= settings.patience * settings.look_every
            ):
                break
        for group in optimizer.param_groups:
            warm = min(1.0, (step + 1) / settings.look_every)
            wave = 0.5 * (1 + math.cos(math.pi * step / settings.steps))
            group["lr"] = settings.learning_rate * warm * wave
        drawn = rng.permutation(learned)
        asked, shown = np.split(drawn, [min(settings.asked, len(drawn) // 2)])
        optimizer.zero_grad()
        error(shown[: settings.asked], asked).backward()
        torch.nn.utils.clip_grad_norm_(adapted.parameters(), LONGEST_GRADIENT)
        optimizer.step()
    adapted.load_state_dict(best)
    return adapted
