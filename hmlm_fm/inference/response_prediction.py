"""Predictions of measured sets in context, by the response head.

Shapes: S conditions, Q of them asked, M outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..model.error_base import HMLMError
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.response_features import ResponseFeatures, ResponseTask, features_of, projected

PROJECTIONS = 4
"""How often treatments are projected; predictions are the mean."""


@torch.no_grad()
def predict_responses(
    model: HMLMForSignaling, task: ResponseTask, projections: int = PROJECTIONS
) -> tuple[np.ndarray, np.ndarray]:
    """Changes of the conditions that are asked, and their standard deviations, both (Q, M), in the
    unit of the context.

    Raises:
        HMLMError: the model has no head for measured sets.
    """
    if model.responses is None:
        raise HMLMError("the checkpoint has no head for measured sets; expected response_size > 0")
    asked, features = ~task.shown, features_of(task)
    changes, variances = [], []
    for seed in range(projections):
        found = respond(model, task, np.random.default_rng([2026, seed]), features)
        changes.append(found.mean[asked].cpu().numpy() * found.unit)
        variances.append((found.sd[asked].cpu().numpy() * found.unit) ** 2)
    return np.mean(changes, 0), np.sqrt(np.mean(variances, 0) + np.var(changes, 0))


@dataclass(frozen=True)
class Response:
    """What the head says of a task, in units of the context's standard deviation.

    Attributes:
        mean, sd: (S, M).
        base: (S, M) what the ruler says.
        unit: the context's standard deviation.
    """

    mean: torch.Tensor
    sd: torch.Tensor
    base: torch.Tensor
    unit: float


def respond(
    model: HMLMForSignaling,
    task: ResponseTask,
    rng: np.random.Generator,
    features: ResponseFeatures | None = None,
) -> Response:
    """What the head says of all conditions of a task.

    Args:
        model: with a head for measured sets.
        task: what is shown, and what is asked.
        rng: draws the projection of treatments.
        features: of the task, where they are known already.
    """
    assert model.responses is not None
    found = features_of(task) if features is None else features
    like = model.responses.out.weight

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(values, device=like.device)

    change, log_scale = model.responses(
        tensor(found.tokens),
        tensor(projected(found.doses, rng)),
        tensor(found.alike),
        tensor(found.doses),
        tensor(task.shown),
        tensor(task.direction.astype(np.float32)),
        tensor(task.treatment_members.astype(np.int64)),
        tensor(task.output_members.astype(np.int64)),
    )
    sd = tensor(found.base_sd) * log_scale.exp()
    base = tensor(found.base)
    return Response(base + change, sd, base, found.unit)
