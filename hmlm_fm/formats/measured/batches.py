"""Batches of measurements, such as blots or plates, brought onto one scale.

Shapes: P places (a condition at a time), B batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .measured_set import Measurement

ROUNDS = 50
FEWEST_FOR_GAIN = 6
"""Places that a batch must share with others for a gain of its own; for an offset one suffices."""
GAIN_HELD = 4.0
"""As how many places a gain of 1 counts."""


def on_one_scale(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Values without the offset and the gain of their batch.

    What a batch adds to the values of a readout, and multiplies them by, is found by what it shares
    with other batches: the same conditions at the same times, controls above all. The mean offset
    is 0 and the mean gain 1. Batches that share nothing stay as they are, as do sets of one batch.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for i, m in enumerate(measurements):
        groups.setdefault((m.readout, m.modality), []).append(i)
    found = list(measurements)
    for own in groups.values():
        batches = sorted({measurements[i].batch for i in own})
        if len(batches) < 2:
            continue
        places = sorted({(measurements[i].condition, measurements[i].time_hours) for i in own})
        table = _table([measurements[i] for i in own], places, batches)
        offset, gain = _offsets_and_gains(table)
        for i in own:
            m = measurements[i]
            b = batches.index(m.batch)
            sd = None if m.sd is None else m.sd / gain[b]
            found[i] = replace(m, value=(m.value - offset[b]) / gain[b], sd=sd)
    return found


def _table(
    measurements: Sequence[Measurement], places: Sequence[tuple[str, float]], batches: Sequence[str]
) -> np.ndarray:
    """Means over replicates (P, B), NaN where a batch has none."""
    total, count = np.zeros((2, len(places), len(batches)))
    row = {place: p for p, place in enumerate(places)}
    for m in measurements:
        at = row[m.condition, m.time_hours], batches.index(m.batch)
        total[at] += m.value
        count[at] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _offsets_and_gains(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and gains (B) of batches, by alternating least squares on shared places (P, B)."""
    offset, gain = np.zeros(table.shape[1]), np.ones(table.shape[1])
    there = np.isfinite(table)
    shared = there.sum(1) > 1
    table, there = table[shared], there[shared]
    filled, count = np.where(there, table, 0.0), there.sum(0)
    if not len(table):
        return offset, gain
    for _ in range(ROUNDS):
        plain = np.where(there, (filled - offset) / gain, 0.0)
        level = plain.sum(1) / there.sum(1)
        for b in np.flatnonzero(count):
            x, y = level[there[:, b]], filled[there[:, b], b]
            spread = x - x.mean()
            power = float(spread @ spread)
            if len(x) >= FEWEST_FOR_GAIN and power > 0:
                held = GAIN_HELD * power / len(x)
                slope = (float(spread @ (y - y.mean())) + held) / (power + held)
                gain[b] = max(slope, 0.1)
            offset[b] = y.mean() - gain[b] * x.mean()
        gain[count > 0] /= np.exp(np.log(gain[count > 0]).mean())
        offset[count > 0] -= offset[count > 0].mean()
    return offset, gain
