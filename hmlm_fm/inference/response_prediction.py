"""Predictions of measured sets in context, by the response head.

Shapes: S conditions, Q of them asked, M outputs.
"""

from __future__ import annotations

import numpy as np
import torch

from ..model.error_base import HMLMError
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.response_batch import batch_of
from ..model.response_features import ResponseFeatures, ResponseTask, features_of

PROJECTIONS, MANY_TOKENS = 4, 10_000
"""How often treatments are projected, predictions being the mean; half as often where there are
more tokens (conditions times outputs) than that, so that an answer comes within a second."""


@torch.no_grad()
def predict_responses(
    model: HMLMForSignaling,
    task: ResponseTask,
    projections: int | None = None,
    features: ResponseFeatures | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Changes of the conditions that are asked, and their standard deviations, both (Q, M), in the
    unit of the context.

    Args:
        model: with a head for measured sets.
        task: what is shown and what is asked.
        projections: of treatments, over which predictions are averaged; by the size of the task.
        features: of the task, where they are known already.

    Raises:
        HMLMError: the model has no head for measured sets, or weights that are not finite.
    """
    if model.responses is None:
        raise HMLMError(
            "the checkpoint has no head for measured sets; expected one that `hmlm responses` made"
        )
    features = features_of(task) if features is None else features
    if projections is None:
        projections = PROJECTIONS if task.changes.size <= MANY_TOKENS else PROJECTIONS // 2
    # In a batch, conditions that are asked stand behind the context, in their order.
    asked = slice(int(task.shown.sum()), None)
    changes, variances = [], []
    for seed in range(projections):
        batch = batch_of([task], [features], [np.random.default_rng([2026, seed])])
        mean, sd = model.responses(batch.to(model.device))
        changes.append(mean[0, asked].double().cpu().numpy() * features.unit)
        variances.append((sd[0, asked].double().cpu().numpy() * features.unit) ** 2)
    if not (np.isfinite(changes).all() and np.isfinite(variances).all()):
        raise HMLMError("the head for measured sets predicts what is no number; are its weights?")
    return np.mean(changes, 0), np.sqrt(np.mean(variances, 0) + np.var(changes, 0))
