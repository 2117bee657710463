"""Conditions that a measured set is asked about: checked, and in the names of the set."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..common.errors import FormatWarning
from ..formats.measured.dose_units import is_same_unit
from ..formats.measured.measured_set import DRUG, KINDS, MeasuredSet, Treatment
from ..measurements.response_tasks_of_sets import genes_hit
from ..model.error_base import HMLMError, did_you_mean, listed


def checked_conditions(
    asked: Mapping[str, Sequence[Treatment]], measured: MeasuredSet
) -> dict[str, tuple[Treatment, ...]]:
    """Conditions with the treatments of the set by its own names, in whatever case they are asked,
    or by their labels, such as `MEKi`. A warning tells of others, and of conditions that were
    measured.

    Raises:
        HMLMError: something else than treatments by the names of conditions; an unknown kind, a
            level outside [0, 1], a dose below 0 or in another unit than in the set.
    """
    shown = {m.condition for m in measured.measurements}
    vectors = {
        _vector(done): name for name, done in measured.conditions.items() if name in shown and done
    }
    known = {t.key: t for t in measured.treatments}
    found = {}
    for condition, given in asked.items():
        place = f"condition {condition!r}"
        if isinstance(given, Treatment | str) or not isinstance(given, Sequence):
            raise HMLMError(f"{place}: {given!r} is no list of treatments")
        done = tuple(_checked(treatment, place, known) for treatment in given)
        for treatment in done:
            if treatment.key not in known:
                _tell_of_new(treatment, place, measured)
        if _vector(done) in vectors:
            warnings.warn(
                f"{place} was measured, as {vectors[_vector(done)]!r}; the set has its values",
                FormatWarning,
                stacklevel=3,
            )
        found[condition] = done
    return found


def _checked(
    treatment: object, place: str, known: Mapping[tuple[str, str, float, float], Treatment]
) -> Treatment:
    """A treatment in the name and unit of the set."""
    if not isinstance(treatment, Treatment):
        raise HMLMError(
            f"{place}: {treatment!r} is no treatment; expected one such as "
            'Treatment("stimulus", "EGF")'
        )
    if treatment.kind not in KINDS:
        hint = did_you_mean(treatment.kind, KINDS)
        raise HMLMError(
            f"{place}: kind is {treatment.kind!r}; expected one of {', '.join(KINDS)}{hint}"
        )
    if treatment.key not in known:
        name = treatment.name.casefold()
        alike = [
            t for t in known.values()
            if name in (t.name.casefold(), t.label.casefold())
            and t.key == replace(treatment, name=t.name).key
        ]  # fmt: skip
        treatment = replace(treatment, name=alike[0].name) if len(alike) == 1 else treatment
    own = known.get(treatment.key)
    if own is not None and not is_same_unit(own.unit, treatment.unit):
        raise HMLMError(
            f"{place}: {treatment.label} is in {treatment.unit or 'no unit'!r}; expected "
            f"{own.unit or 'no unit'!r}, as in the set"
        )
    is_dose = bool(treatment.unit) or treatment.kind == DRUG
    if not (0 <= treatment.value < math.inf and (is_dose or treatment.value <= 1)):
        expected = "a dose of at least 0" if is_dose else "a number in [0, 1]"
        raise HMLMError(
            f"{place}: {treatment.label} is given at {treatment.value}; expected {expected}"
        )
    return treatment


def _tell_of_new(treatment: Treatment, place: str, measured: MeasuredSet) -> None:
    """Warn of a treatment that the set has not, and say what it is predicted by."""
    genes = genes_hit(measured, treatment.key)
    by = (
        f"predicted by its hitting {listed(genes)}" if genes else "nothing is known of what it hits"
    )
    hint = did_you_mean(treatment.name, {t.name for t in measured.treatments} - {treatment.name})
    warnings.warn(
        f"{place}: {treatment.kind} {treatment.name!r} was never given in the set{hint}; {by}",
        FormatWarning,
        stacklevel=4,
    )


def _vector(done: Sequence[Treatment]) -> frozenset[tuple[object, ...]]:
    """A condition, whatever it is called."""
    return frozenset((t.key, t.value) for t in done if t.value)
