"""Directions of changes when no condition is shown: what names and network alone say.

A model says whether a readout goes up or down; so does the sign of the shortest path from what was
treated to what was measured. Scored is the balanced accuracy, the mean of the shares of rises and
of falls that are told, over changes that exceed the noise; who says nothing is right in half of the
cases, and so is who always says the same.

Shapes: C conditions, K treatments, M outputs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...measurements.response_tasks_of_sets import directions_of, places_on_network
from ...measurements.responses import Responses
from ...model.next_state_head import NORMAL_QUANTILE
from .folds import fold_of
from .network_methods import InContext

DRAWS = 2000
FEWEST_OF_EACH = 8
"""A set with fewer rises or falls is left out."""
LEAST_SHARE = 0.5
"""Of a standard deviation of all changes, that a change must have where the noise is not known."""


def directions(sets: Sequence[Responses], methods: Mapping[str, InContext]) -> list[dict[str, Any]]:
    """One row per set and entry: balanced accuracy with its 95 % interval over conditions.

    Args:
        sets: those with a control are measured.
        methods: by the labels of their entries.
    """
    rows = []
    for responses in sets:
        truth = _truth(responses)
        if min((truth > 0).sum(), (truth < 0).sum()) < FEWEST_OF_EACH:
            continue
        said = {label: _told(responses, method) for label, method in methods.items()}
        if responses.measured.network is not None:
            said["sign of the shortest path"] = path_signs(responses)
        for label, signs in said.items():
            low, high = _interval(truth, signs)
            rows.append(
                {
                    "set": responses.measured.name, "study": responses.measured.study,
                    "label": label, "changes": int((truth != 0).sum()),
                    "rises": int((truth > 0).sum()), "accuracy": balanced_accuracy(truth, signs),
                    "accuracy_low": low, "accuracy_high": high,
                    "silent": float((signs[truth != 0] == 0).mean()),
                }
            )  # fmt: skip
    return rows


def balanced_accuracy(truth: np.ndarray, said: np.ndarray) -> float:
    """The mean of the shares of rises and of falls that are told; 0 counts as half.

    Args:
        truth, said: signs of the same shape; where the truth is 0, nothing is scored.
    """
    right = 0.5 * (1 + truth * said)
    return float(0.5 * (right[truth > 0].mean() + right[truth < 0].mean()))


def path_signs(responses: Responses) -> np.ndarray:
    """Signs (C, M) of the shortest paths from what was treated to what was measured, summed over
    the treatments of a condition by their doses."""
    network = responses.measured.network
    assert network is not None
    rows, columns = places_on_network(responses.measured, responses.treatments, responses.outputs)
    signs = np.zeros((len(rows), len(columns)))
    index, after = network.molecule_index, dict[int, list[tuple[int, int]]]()
    for interaction in network.interactions:
        for source, sign in zip(interaction.sources, interaction.signs, strict=True):
            after.setdefault(index[source], []).append((index[interaction.target], sign))
    for k, row in enumerate(rows):
        if row is None:
            continue
        reached = _shortest(after, row)
        signs[k] = [0 if column is None else reached.get(column, 0) for column in columns]
    turned = directions_of(responses.treatments)[:, None] * signs
    total: np.ndarray = np.sign(responses.doses @ turned)
    return total


def _shortest(after: Mapping[int, Sequence[tuple[int, int]]], start: int) -> dict[int, int]:
    """The sign of the shortest path to each molecule; of several, that of most, 0 where they are
    level.

    Args:
        after: of each molecule, those that it acts on, with the sign.
        start: where paths begin.
    """
    steps, totals, waiting = {start: 0}, {start: 1}, deque([start])
    while waiting:
        at = waiting.popleft()
        for target, sign in after.get(at, ()):
            if target not in steps:
                steps[target], totals[target] = steps[at] + 1, 0
                waiting.append(target)
            if steps[target] == steps[at] + 1:
                totals[target] += sign * int(np.sign(totals[at]))
    return {place: int(np.sign(total)) for place, total in totals.items()}


def _truth(responses: Responses) -> np.ndarray:
    """Signs (C, M) of the changes from a control that exceed the noise, of which the control has as
    much as one value; 0 elsewhere."""
    changes = np.where(responses.has_control, responses.changes, np.nan)
    there = np.isfinite(changes)
    if not there.any():
        return np.zeros(changes.shape)
    noise = NORMAL_QUANTILE * np.sqrt(responses.noise * (1 / np.maximum(responses.counts, 1) + 1))
    least = np.where(np.isfinite(noise), noise, LEAST_SHARE * changes[there].std())
    changes = np.nan_to_num(changes)
    signs: np.ndarray = np.where(np.abs(changes) > least, np.sign(changes), 0.0)
    return signs


def _told(responses: Responses, method: InContext) -> np.ndarray:
    """The signs (C, M) of what a method predicts when nothing is shown."""
    every = np.arange(len(responses.doses))
    shown = fold_of("none", "all", 0, responses, every, np.array([], dtype=int)).shown
    signs: np.ndarray = np.sign(method.answer(shown).changes)
    return signs


def _interval(truth: np.ndarray, said: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the balanced accuracy over conditions."""
    right = 0.5 * (1 + truth * said)
    sums = np.stack(
        [np.where(truth > 0, right, 0).sum(1), (truth > 0).sum(1),
         np.where(truth < 0, right, 0).sum(1), (truth < 0).sum(1)]
    )  # fmt: skip
    drawn = np.random.default_rng(0).integers(0, len(truth), (DRAWS, len(truth)))
    up, ups, down, downs = sums[:, drawn].sum(2)
    whole = (ups > 0) & (downs > 0)
    found = 0.5 * (up[whole] / ups[whole] + down[whole] / downs[whole])
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)
