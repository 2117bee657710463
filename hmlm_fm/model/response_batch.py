"""Tasks of measured sets side by side, as the response head reads them.

Travels with checkpoints. Shapes: B tasks, S conditions, of which the first C are the context, K
treatments, M outputs, G members of a molecule, X features, R columns of a projection; each padded
to the largest of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch

from .response_features import ResponseFeatures, ResponseTask

PROJECTED = 16


@dataclass(frozen=True)
class ResponseBatch:
    """Tasks in one set of tensors, in units of one standard deviation of their contexts.

    Attributes:
        tokens: (B, S, M, X) features.
        projected: (B, S, R) treatments, in a projection that is drawn anew for each task, since
            they have no fixed vocabulary.
        alike: (B, S, C) how alike treatments are to those of the context.
        together: (B, M, M) how outputs of the context move together.
        doses: (B, S, K) relative to the largest of the context.
        direction: (B, K) of treatments.
        treatment_members, output_members: (B, K, G) and (B, M, G) vocabulary ids.
        context: (B, C) which of the first C conditions are of the context.
        outputs: (B, M) which outputs there are.
        base: (B, S, M) what the ruler predicts.
        base_sd: (B, M) standard deviations of its errors.
    """

    tokens: torch.Tensor
    projected: torch.Tensor
    alike: torch.Tensor
    together: torch.Tensor
    doses: torch.Tensor
    direction: torch.Tensor
    treatment_members: torch.Tensor
    output_members: torch.Tensor
    context: torch.Tensor
    outputs: torch.Tensor
    base: torch.Tensor
    base_sd: torch.Tensor

    def to(self, device: torch.device | str) -> ResponseBatch:
        """The same on another device."""
        return ResponseBatch(*(getattr(self, f.name).to(device) for f in fields(self)))


def context_first(task: ResponseTask) -> np.ndarray:
    """The order (S) in which a batch has the conditions of a task."""
    return np.argsort(~task.shown, kind="stable")


def batch_of(
    tasks: Sequence[ResponseTask],
    features: Sequence[ResponseFeatures],
    rngs: Sequence[np.random.Generator],
) -> ResponseBatch:
    """Tasks in a batch, their conditions in the order of `context_first`; each generator draws the
    projection of a task."""
    rows: list[tuple[np.ndarray, ...]] = []
    for task, found, rng in zip(tasks, features, rngs, strict=True):
        order = context_first(task)
        doses, shown = found.doses[order], int(task.shown.sum())
        projection = rng.normal(size=(doses.shape[1], PROJECTED)) / np.sqrt(PROJECTED)
        rows.append(
            (
                found.tokens[order],
                (doses @ projection).astype(np.float32),
                found.alike[order],
                found.together,
                doses,
                task.direction.astype(np.float32),
                task.treatment_members.astype(np.int64),
                task.output_members.astype(np.int64),
                np.ones(shown, dtype=bool),
                np.ones(task.changes.shape[1], dtype=bool),
                found.base[order],
                found.base_sd,
            )
        )
    return ResponseBatch(*(padded(column) for column in zip(*rows, strict=True)))


def padded(values: Sequence[np.ndarray]) -> torch.Tensor:
    """Arrays of one number of axes as one tensor, filled up with zeros."""
    largest = np.max([v.shape for v in values], axis=0)
    joined = np.zeros((len(values), *largest), dtype=values[0].dtype)
    for i, value in enumerate(values):
        joined[i][tuple(slice(n) for n in value.shape)] = value
    return torch.from_numpy(joined)
