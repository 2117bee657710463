"""What the response head learns from: tasks drawn of simulated worlds and of measured sets.

A task shows some conditions and asks others, as laboratories would have measured them: a panel of
readouts with gains, noise, saturation and gaps. In some tasks a treatment was never shown; networks
and names are left out of a share of them, so that nothing rests on either.

Shapes: S conditions, K treatments, M outputs, N molecules, T times, G members of a molecule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..model.response_features import ResponseTask, without_names, without_network

LIVELY = 0.02
"""Molecules that change less over conditions are nothing that a laboratory would measure."""
NOISES = (0.0, 0.1, 0.2, 0.4, 0.7)
"""Standard deviations of noise, in those of the panel."""
LEAST_SPREAD, FEWEST_SHOWN = 1e-3, 4
PREFERENCES = (0.0, 1.0, 2.0)
"""The power of how many treatments move a molecule, to which it is likely to be measured."""
WITH_NETWORK, WITH_NAMES, NEW_TREATMENT, NO_CONTEXT = 0.6, 0.5, 0.3, 0.06
"""Shares of tasks: with a network, with names, of a treatment that was never shown, and in which
nothing is shown."""


def task_of_world(world: Mapping[str, np.ndarray], rng: np.random.Generator) -> ResponseTask | None:
    """A task of one world, as stored by `World.row`; None where it would say nothing."""
    whole = measured_world(world, rng)
    return None if whole is None else _asked(whole, rng)


def measured_world(
    world: Mapping[str, np.ndarray], rng: np.random.Generator
) -> ResponseTask | None:
    """A world as a laboratory would measure it, nothing of which is shown; None where too little
    moves."""
    times = world["changes"].shape[1]
    at = rng.permutation(times)[: 1 if rng.random() < 0.7 else 2]
    changes = world["changes"].astype(np.float64)
    spread = changes[:, at].std((0, 1))
    lively = np.flatnonzero(spread > LIVELY)
    if len(lively) < 3:
        return None
    panel = _panel(changes[:, at].mean(1), lively, rng)
    doses = world["doses"].astype(np.float64)
    # A condition is a treatment vector: none may be shown and asked.
    distinct = np.unique(doses, axis=0, return_index=True)[1]
    rows = rng.permutation(distinct)[: rng.integers(12, max(13, len(distinct) + 1))]
    used = np.flatnonzero(doses[rows].any(0))
    if len(used) < 2:
        return None
    values = np.concatenate([changes[rows][:, t][:, panel] for t in at], 1)
    molecule = np.tile(panel, len(at))
    gain = np.tile(np.exp(rng.normal(0, 0.5, len(panel))), len(at))
    return ResponseTask(
        doses[rows][:, used],
        _measured(values * gain, rng),
        np.zeros(len(rows), dtype=bool),
        world["signed"][used][:, molecule].astype(np.float64),
        world["reach"][used][:, molecule].astype(np.float64),
        world["direction"][used].astype(np.float64),
        world["members"][world["treated"][used]].astype(np.int64),
        world["members"][molecule].astype(np.int64),
    )


def _panel(changes: np.ndarray, lively: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Molecules that are measured: lively ones and up to two others, at most 40 in all.

    Laboratories measure what many treatments move; how strictly differs from task to task.
    """
    share = np.abs(changes) / (np.abs(changes).sum(0) + 1e-9)
    moved_by = 1 / ((share**2).sum(0) + 1e-9)
    preference = float(rng.choice(PREFERENCES))
    liking = preference * np.log(moved_by + 1e-3) + rng.gumbel(size=changes.shape[1])
    ordered = lively[np.argsort(-liking[lively])]
    dull = np.setdiff1d(np.arange(changes.shape[1]), lively)
    size = int(rng.integers(4, 41))
    return np.concatenate([ordered, rng.permutation(dull)[:2]])[:size]


def task_of_set(whole: ResponseTask, rng: np.random.Generator) -> ResponseTask | None:
    """A task of a measured set, of which `shown` is not read; None where it would say nothing."""
    outputs = rng.permutation(whole.changes.shape[1])
    outputs = outputs[: rng.integers(min(5, len(outputs)), min(len(outputs), 40) + 1)]
    rows = rng.permutation(len(whole.doses))
    rows = rows[: rng.integers(min(12, len(rows)), min(len(rows), 60) + 1)]
    used = np.flatnonzero(whole.doses[rows].any(0))
    if len(used) < 2:
        return None
    gain = np.exp(rng.normal(0, 0.3, len(outputs))) * rng.choice([-1, 1])
    flipped = float(np.sign(gain[0]))
    return _asked(
        ResponseTask(
            whole.doses[rows][:, used],
            whole.changes[rows][:, outputs] * gain,
            np.zeros(len(rows), dtype=bool),
            flipped * whole.signed[used][:, outputs],
            whole.reach[used][:, outputs],
            flipped * whole.direction[used],
            whole.treatment_members[used],
            whole.output_members[outputs],
        ),
        rng,
    )


def _measured(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Values as an instrument shows them: noise, of which the control's is in every change and a
    well's in every readout of it, saturation, and gaps."""
    spread = values.std()
    shape = values.shape
    noise = float(rng.choice(NOISES)) * spread * np.exp(rng.normal(0, 0.3, shape[1]))
    tails = rng.standard_t(4, shape) / np.sqrt(2)
    control = rng.standard_normal(shape[1]) * (0.5 if rng.random() < 0.5 else 0.0)
    wells = rng.standard_normal((shape[0], 1)) * np.exp(rng.normal(0, 0.3, shape[1]))
    share = rng.uniform(0.2, 0.8) if rng.random() < 0.5 else 0.0
    found = values + noise * (np.sqrt(1 - share) * tails + np.sqrt(share) * wells + control)
    if rng.random() < 0.3:
        scale = rng.uniform(0.5, 4) / (spread + 1e-9)
        found = np.sign(found) * np.log1p(scale * np.abs(found)) / scale
    if rng.random() < 0.3:
        found = np.where(rng.random(found.shape) < rng.uniform(0, 0.2), np.nan, found)
    return found


def in_own_units(task: ResponseTask) -> ResponseTask:
    """The task with changes in units of one standard deviation of all of them: where nothing is
    shown, nothing says how large they are."""
    return replace(task, changes=task.changes / max(np.nanstd(task.changes), LEAST_SPREAD))


def _asked(task: ResponseTask, rng: np.random.Generator) -> ResponseTask | None:
    """The task with what is shown, and what is known of network and names."""
    count = len(task.doses)
    shown = np.zeros(count, dtype=bool)
    if rng.random() < NO_CONTEXT:
        task = in_own_units(task)
    elif rng.random() < NEW_TREATMENT and task.doses.shape[1] > 3:
        shown = task.doses[:, rng.integers(task.doses.shape[1])] == 0
    else:
        size = int(rng.integers(max(4, int(0.3 * count)), max(5, count - 1)))
        shown[rng.permutation(count)[:size]] = True
    context, asked = task.changes[shown], task.changes[~shown]
    if not np.isfinite(asked).any():
        return None
    if shown.any() and (
        shown.sum() < FEWEST_SHOWN
        or not np.isfinite(context).any()
        or np.nanstd(context) < LEAST_SPREAD
    ):
        return None
    task = replace(task, shown=shown)
    if rng.random() > WITH_NETWORK:
        task = without_network(task)
    if rng.random() > WITH_NAMES:
        task = without_names(task)
    return task
