"""What the response head is told of a measured set: changes of the context, what the ruler makes of
them, and what names and wiring say of treatments and outputs.

Travels with checkpoints. Shapes: S conditions, of which C are the context and Q are asked, K
treatments, M outputs (a readout at a time), G members of a molecule, X features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .ruler import LINEAR, rulers, scaled_doses

RESPONSE_PARTS = ("names", "network", "ruler", "conditions", "outputs")
"""Parts of the head for measured sets that can be switched off: what names and the network say of
treatments and outputs; what the ruler says, other than as the base; and attention across conditions
and across outputs."""
MEMBERS = 4
"""Genes and small molecules by which a molecule is known, at most."""
LEAST_SD = 1e-3
"""Of the ruler's errors, in units of the context: where nothing moves, none is measured."""
FEATURES = 15
OF_NETWORK, OF_RULER = (6, 7), (1, 2, 3, 4, 10, 11)
"""Which features the network gives, and which the ruler."""


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
        together: (M, M) how outputs of the context move together, in [-1, 1].
        doses: (S, K) relative to the largest of the context.
        base: (S, M) what the ruler predicts; of the context, each from the others.
        base_sd: (M) of its errors.
        unit: one standard deviation of the context's changes.
    """

    tokens: np.ndarray
    alike: np.ndarray
    together: np.ndarray
    doses: np.ndarray
    base: np.ndarray
    base_sd: np.ndarray
    unit: float


def without_network(task: ResponseTask) -> ResponseTask:
    """The task without what the network says."""
    nothing = np.zeros_like(task.signed)
    return replace(task, signed=nothing, reach=nothing)


def without_names(task: ResponseTask) -> ResponseTask:
    """The task without what treatments hit and readouts measure."""
    return replace(
        task,
        treatment_members=np.zeros_like(task.treatment_members),
        output_members=np.zeros_like(task.output_members),
    )


def member_ids(members: Sequence[Sequence[str]], index: Mapping[str, int]) -> np.ndarray:
    """Vocabulary ids (N, G) of what each of N molecules is made of, 0 for nothing.

    Args:
        members: genes and small molecules of each.
        index: ids of tokens.
    """
    found = np.zeros((len(members), MEMBERS), dtype=np.int64)
    for i, own in enumerate(members):
        known = [index[name] for name in own if name in index][:MEMBERS]
        found[i, : len(known)] = known
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
    whole, linear = rulers(own, context / unit, queries, (slice(None), LINEAR))
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
        value.sum(0) / count * everywhere,
        _new(doses, shown)[:, None] * everywhere,
    ]  # fmt: skip
    length = np.linalg.norm(doses, axis=1) + 0.1
    alike = (doses @ doses.T / length[:, None] / length)[:, shown]
    return ResponseFeatures(
        np.stack(tokens, -1).astype(np.float32),
        alike.astype(np.float32),
        _together(value).astype(np.float32),
        doses.astype(np.float32),
        base.astype(np.float32),
        np.maximum(whole.sd, LEAST_SD).astype(np.float32),
        unit,
    )


def _new(doses: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The share of each condition's (S) doses of which no other condition of the context has any;
    of the control, 0."""
    given = doses != 0
    elsewhere = given[shown].sum(0) - (given & shown[:, None])
    total = np.abs(doses).sum(1)
    new = np.where(elsewhere > 0, 0.0, np.abs(doses)).sum(1)
    return new / np.where(total > 0, total, 1.0)


def _together(value: np.ndarray) -> np.ndarray:
    """Correlations (M, M) about no change, drawn towards 0 where little moves."""
    products = value.T @ value
    size = np.sqrt(np.diag(products) + 1.0)
    return products / size[:, None] / size
