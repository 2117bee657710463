"""Training the response head on tasks, and measuring it against the ruler."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ..inference.response_prediction import respond
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.response_features import ResponseTask

LARGEST_ERROR = 4.0
"""In standard deviations of the context; a single wild value teaches nothing."""
LEAST_BASE = 0.05
SHARE_OF_SCALE = 0.1
"""Of the loss of standard deviations beside that of means."""


@dataclass(frozen=True)
class ResponseSettings:
    """How the head is trained.

    Attributes:
        steps: of the optimiser.
        tasks: of each step.
        rate: the largest learning rate, after a short warm-up; it falls as a cosine.
        decay: of weights.
        seed: of the tasks.
    """

    steps: int = 5000
    tasks: int = 6
    rate: float = 1.5e-3
    decay: float = 0.02
    seed: int = 1


def response_loss(
    model: HMLMForSignaling, task: ResponseTask, rng: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """The loss of a task, and its error over the ruler's.

    The squared error is taken relative to the ruler's on the same task, so that noisy and clean
    worlds count alike.
    """
    found = respond(model, task, rng)
    truth = torch.as_tensor(task.changes / found.unit, dtype=found.mean.dtype)
    there = torch.isfinite(truth) & torch.as_tensor(~task.shown)[:, None]
    truth = torch.where(there, truth, 0.0)

    def missed(predicted: torch.Tensor) -> torch.Tensor:
        return (predicted - truth).clamp(-LARGEST_ERROR, LARGEST_ERROR)

    error = missed(found.mean).square()[there].mean()
    of_base = missed(found.base).square()[there].mean()
    surprise = (found.sd.log() + 0.5 * (missed(found.mean.detach()) / found.sd).square())[there]
    loss = error / (of_base + LEAST_BASE) + SHARE_OF_SCALE * surprise.mean()
    return loss, float(error.detach() / (of_base + 1e-6))


def train_responses(
    model: HMLMForSignaling,
    draw: Callable[[np.random.Generator], ResponseTask | None],
    settings: ResponseSettings,
    progress: Callable[[int, float], object] = lambda step, ratio: None,
) -> None:
    """Train the response head; other weights stay.

    Args:
        model: with a response head.
        draw: a task; None is drawn again.
        settings: of the training.
        progress: is called with the step and the mean error over the ruler's of its tasks.
    """
    assert model.responses is not None
    parameters = list(model.responses.parameters())
    optimiser = torch.optim.AdamW(parameters, settings.rate, weight_decay=settings.decay)
    rng = np.random.default_rng(settings.seed)
    for step in range(settings.steps):
        warm = min(1.0, (step + 1) / 50)
        falling = 0.5 * (1 + math.cos(math.pi * step / settings.steps)) + 0.02
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * warm * falling
        optimiser.zero_grad()
        ratios: list[float] = []
        while len(ratios) < settings.tasks:
            task = draw(rng)
            if task is None:
                continue
            loss, ratio = response_loss(model, task, rng)
            (loss / settings.tasks).backward()  # type: ignore[no-untyped-call]
            ratios.append(ratio)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        progress(step + 1, float(np.mean(ratios)))
