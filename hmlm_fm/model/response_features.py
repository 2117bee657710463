"""What the response head is told of a measured set: changes of the context, what the ruler makes of
them, and what names and wiring say of treatments and outputs.

Travels with checkpoints. Shapes: S conditions, of which C are the context and Q are asked, K
treatments, M outputs (a readout at a time), G members of a molecule, X features, R columns of a
projection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ruler import LINEAR, ruler, scaled_doses

PROJECTED = 16
FEATURES = 13


@dataclass(frozen=True)
class ResponseTask:
    """A measured set with some conditions to predict.

    Attributes:
        doses: (S, K) treatment vectors.
        changes: (S, M) from the control; NaN where nothing was measured. Those of conditions that
            are asked are never read.
        shown: (S) which conditions are the context.
        signed, reach: (K, M) influence of treatments on outputs along a network, as
            `influence_of`, with the direction of the treatment; 0 without a network.
        direction: (K) +1 of stimuli, −1 of what lowers its target.
        treatment_members: (K, G) vocabulary ids of what treatments hit, 0 for nothing.
        output_members: (M, G) the same of readouts.
    """

    doses: np.ndarray
    changes: np.ndarray
    shown: np.ndarray
    signed: np.ndarray
    reach: np.ndarray
    direction: np.ndarray
    treatment_members: np.ndarray
    output_members: np.ndarray


@dataclass(frozen=True)
class ResponseFeatures:
    """The features of a task, in units of one standard deviation of the context.

    Attributes:
        tokens: (S, M, X).
        alike: (S, C) how alike treatments are to those of the context.
        doses: (S, K) relative to the largest of the context.
        base: (S, M) what the ruler predicts; of the context, each from the others.
        base_sd: (M) of its errors.
        unit: one standard deviation of the context's changes.
    """

    tokens: np.ndarray
    alike: np.ndarray
    doses: np.ndarray
    base: np.ndarray
    base_sd: np.ndarray
    unit: float


def projected(doses: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Treatments (S, K) in a projection (S, R) that is drawn anew for each task, since they have no
    fixed vocabulary."""
    projection = rng.normal(size=(doses.shape[1], PROJECTED)) / np.sqrt(PROJECTED)
    found: np.ndarray = (doses @ projection).astype(np.float32)
    return found


def features_of(task: ResponseTask) -> ResponseFeatures:
    """The features of a task."""
    shown, asked = task.shown, ~task.shown
    context = task.changes[shown]
    there = np.isfinite(context)
    unit = float(context[there].std()) if there.any() else 1.0
    unit = unit if unit > 1e-9 else 1.0
    own, queries = scaled_doses(task.doses[shown], task.doses[asked])
    doses = np.zeros(task.doses.shape)
    doses[shown], doses[asked] = own, queries
    whole = ruler(own, context / unit, queries)
    linear = ruler(own, context / unit, queries, LINEAR)
    shape = task.changes.shape
    base, base_linear = np.zeros(shape), np.zeros(shape)
    base[shown], base[asked] = np.nan_to_num(whole.left_out), whole.changes
    base_linear[shown], base_linear[asked] = np.nan_to_num(linear.left_out), linear.changes
    seen = np.zeros(shape, dtype=bool)
    seen[shown] = there
    value = np.where(seen, np.nan_to_num(task.changes) / unit, 0.0)
    left, left_linear = np.where(seen, value - base, 0.0), np.where(seen, value - base_linear, 0.0)
    count = np.maximum(seen.sum(0), 1)
    everywhere = np.ones(shape)
    tokens: list[np.ndarray] = [
        value, left, left_linear, base, base_linear, seen.astype(float),
        np.tanh(doses @ task.signed), np.tanh(doses @ task.reach),
        np.abs(doses).sum(1, keepdims=True) / 3 * everywhere,
        np.abs(value).sum(0) / count * everywhere,
        np.sqrt((left**2).sum(0) / count) * everywhere,
        np.sqrt((left_linear**2).sum(0) / count) * everywhere,
        whole.known.astype(float) * everywhere,
    ]  # fmt: skip
    length = np.linalg.norm(doses, axis=1) + 0.1
    alike = (doses @ doses.T / length[:, None] / length)[:, shown]
    return ResponseFeatures(
        np.stack(tokens, -1).astype(np.float32),
        alike.astype(np.float32),
        doses.astype(np.float32),
        base.astype(np.float32),
        whole.sd.astype(np.float32),
        unit,
    )
