"""What gates explain of held-out conditions, what added effects explain, and what simpler methods
would have.

Shapes: M members, C conditions, T times, K columns (states of molecules, then values in other
modalities), X treatments.
"""

from __future__ import annotations

import numpy as np

from ..model.ruler import ruler
from .calibration import HeldOutErrors

MEAN, GATES, WITH_EFFECTS, RULER = "mean", "gates", "gates_with_effects", "ruler"


def compare_held_out(
    gates_alone: np.ndarray, errors: HeldOutErrors, doses: np.ndarray
) -> dict[str, float]:
    """Mean squared errors on conditions that members held out, in units of an activity.

    Args:
        gates_alone: (M, C, T, K) predictions of the members without added effects.
        errors: those with them, and what was measured.
        doses: (C, X) treatment vectors.

    Returns:
        The errors of the mean of the other conditions, of gates, of gates with added effects, and
        of the ruler, all on the same; nothing where no member held out whole conditions.
    """
    unit = errors.unit.double().cpu().numpy()
    values = errors.values.double().cpu().numpy() / unit
    measured = errors.measured.cpu().numpy()
    rest = errors.rest.double().cpu().numpy() / unit
    changes = np.where(measured, values - rest, np.nan)
    predictions = {
        GATES: gates_alone / unit - rest,
        WITH_EFFECTS: errors.predicted.double().cpu().numpy() / unit - rest,
    }
    totals = dict.fromkeys((MEAN, GATES, WITH_EFFECTS, RULER), 0.0)
    count = 0
    used = doses[:, doses.any(0)]
    flat = changes.reshape(len(changes), -1)
    for member, held_out in enumerate(errors.held_out.cpu().numpy()):
        rows = held_out.all(1)
        if not rows.any() or rows.all():
            continue
        there = np.isfinite(flat[rows])
        shown = flat[~rows]
        control = _control(shown, doses[~rows])
        n = np.isfinite(shown).sum(0)
        mean = np.nansum(shown, 0) / np.maximum(n, 1)
        found = {
            MEAN: np.broadcast_to(mean, there.shape),
            RULER: ruler(used[~rows], shown - control, used[rows]).changes + control,
        }
        for name, of_members in predictions.items():
            found[name] = of_members[member, rows].reshape(there.shape)
        for name, predicted in found.items():
            totals[name] += float(np.square(np.where(there, predicted - flat[rows], 0.0)).sum())
        count += int(there.sum())
    return {name: total / count for name, total in totals.items()} if count else {}


def _control(changes: np.ndarray, doses: np.ndarray) -> np.ndarray:
    """What the shown controls do by themselves in time, of every column; 0 where there is none."""
    untreated = changes[~doses.any(1)]
    count = np.isfinite(untreated).sum(0)
    mean: np.ndarray = np.nansum(untreated, 0) / np.maximum(count, 1)
    return mean
