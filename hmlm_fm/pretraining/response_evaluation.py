"""How well the response head predicts worlds of networks that it was not trained on.

Shapes: S conditions, M outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from ..inference.figures import PredictedWorld
from ..inference.response_prediction import predict_responses
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.next_state_head import NORMAL_QUANTILE
from ..model.response_features import ResponseTask, features_of
from .response_tasks import in_own_units, measured_world
from .response_training import LARGEST_ERROR
from .state_evaluation import CONTEXTS, bootstrap_interval

FEWEST_ASKED, MOST_ASKED = 6, 24


def fit_worlds(worlds: Iterable[Mapping[str, np.ndarray]], count: int) -> list[ResponseTask]:
    """The first worlds in which enough moves, as laboratories would measure them, in their own
    units.

    Args:
        worlds: as stored by `World.row`.
        count: how many are wanted, of ten times as many at most.
    """
    found: list[ResponseTask] = []
    for number, world in enumerate(islice(worlds, 10 * count)):
        task = measured_world(world, np.random.default_rng(number))
        if task is not None and len(task.doses) >= max(CONTEXTS) + FEWEST_ASKED:
            found.append(in_own_units(task))
        if len(found) == count:
            break
    return found


def evaluate_responses(model: HMLMForSignaling, worlds: Sequence[ResponseTask]) -> dict[str, Any]:
    """Squared errors on held-out worlds, by how many conditions are shown.

    Args:
        model: with a head for measured sets.
        worlds: as `fit_worlds`, at least one.

    Returns:
        n_worlds, and by_context for each of `CONTEXTS`: the mean squared errors of hmlm, of the
        untrained model, which is the ruler, and of nearest, the condition with the nearest
        treatments, all in units of one variance of the world; hmlm over untrained, the ratio of
        their geometric means, with a 95 % interval over worlds; and the coverage of the 90 %
        interval.
    """
    found = {}
    for context in CONTEXTS:
        tasks = [showing(world, context) for world in worlds]
        rows = [_errors(predict_world(model, task), task) for task in tasks]
        found[str(context)] = _summary(np.array(rows))
    return {"n_worlds": len(worlds), "by_context": found}


def showing(task: ResponseTask, context: int) -> ResponseTask:
    """The task with its first conditions shown, and as many asked in every context."""
    last = max(CONTEXTS) + MOST_ASKED
    kept = np.r_[np.arange(context), np.arange(max(CONTEXTS), min(len(task.doses), last))]
    return replace(
        task,
        doses=task.doses[kept],
        changes=task.changes[kept],
        shown=np.arange(len(kept)) < context,
    )


def predict_world(model: HMLMForSignaling, task: ResponseTask) -> PredictedWorld:
    """What the model and the ruler say of a task."""
    asked, features = ~task.shown, features_of(task)
    mean, sd = predict_responses(model, task, features=features)
    return PredictedWorld(task.changes[asked], mean, sd, features.base[asked] * features.unit)


def _errors(found: PredictedWorld, task: ResponseTask) -> list[float]:
    """Mean squared errors of hmlm, untrained and nearest, and the coverage."""
    there = np.isfinite(found.truth)
    unit = max(float(np.nanstd(found.truth)), 1e-9)

    def error(predicted: np.ndarray) -> float:
        missed = np.clip((predicted - found.truth)[there] / unit, -LARGEST_ERROR, LARGEST_ERROR)
        return float((missed**2).mean())

    inside = (np.abs(found.mean - found.truth) <= NORMAL_QUANTILE * found.sd)[there].mean()
    return [error(found.mean), error(found.untrained), error(_nearest(task)), float(inside)]


def _nearest(task: ResponseTask) -> np.ndarray:
    """The changes of the shown condition with the nearest treatments; none where nothing is
    shown."""
    asked, shown = task.doses[~task.shown], task.doses[task.shown]
    if not len(shown):
        return np.zeros((len(asked), task.changes.shape[1]))
    distance = ((asked[:, None] - shown[None]) ** 2).sum(-1)
    found: np.ndarray = np.nan_to_num(task.changes[task.shown])[distance.argmin(1)]
    return found


def _summary(rows: np.ndarray) -> dict[str, Any]:
    """Of errors and coverages (worlds, 4)."""
    logs = np.log(np.maximum(rows[:, 0], 1e-6)) - np.log(np.maximum(rows[:, 1], 1e-6))
    interval = np.exp(bootstrap_interval(logs))
    means = rows.mean(0).tolist()
    return {
        **dict(zip(("hmlm_mse", "untrained_mse", "nearest_mse", "coverage"), means, strict=True)),
        "hmlm_over_untrained": float(np.exp(logs.mean())),
        "interval": interval.tolist(),
    }
