"""`MeasuredPipeline`: from a measured set to predictions of conditions that nobody measured.

Shapes: S conditions, K treatments, M outputs.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from ..common.errors import FormatWarning
from ..formats.measured.dose_units import is_same_unit
from ..formats.measured.measured_set import DRUG, MeasuredSet, Treatment
from ..formats.measured.set_formats import read_sets
from ..measurements.response_tasks_of_sets import response_task
from ..measurements.responses import responses_of
from ..model.error_base import HMLMError, did_you_mean
from ..model.modeling_hmlm import HMLMForSignaling
from .loading import load_pretrained
from .response_prediction import predict_responses

COLUMNS = ("condition", "readout", "time_hours", "modality", "value", "change", "sd")


class MeasuredPipeline:
    """A model and a measured set, all of which is shown: conditions in, a table of readouts out.

    pipeline = MeasuredPipeline.from_pretrained("hmlm-small", "liver")
    pipeline.predict({"both": [Treatment("stimulus", "EGF"), Treatment("inhibition", "MEK")]})
    """

    def __init__(self, model: HMLMForSignaling, measured: MeasuredSet) -> None:
        """
        Args:
            model: with a head for measured sets.
            measured: what is shown; it needs no network.
        """
        self.model, self.measured = model.eval(), measured

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, measured: str | Path | MeasuredSet) -> Self:
        """A pretrained checkpoint with a measured set.

        Args:
            name_or_path: `hmlm-small`, a folder, or a name on a hub.
            measured: the set, its folder, or a file of measurements of one cell line.

        Raises:
            HMLMError: there is no such checkpoint or set, or the file is of several cell lines.
        """
        if not isinstance(measured, MeasuredSet):
            found = read_sets(measured)
            if len(found) > 1:
                names = ", ".join(repr(one.cell_line or one.name) for one in found)
                raise HMLMError(
                    f"it holds sets of {names}; expected one: `hmlm convert` writes each alone",
                    path=str(measured),
                )
            measured = found[0]
        return cls(load_pretrained(name_or_path)[0], measured)

    def predict(self, conditions: Mapping[str, Sequence[Treatment]] | None = None) -> pd.DataFrame:
        """Columns condition, readout, time_hours (infinite of a steady state), modality, value (on
        the scale of what was measured), change (of the value from the control; none where there is
        no control) and sd (of both).

        Args:
            conditions: treatments by the names of conditions, in the units of the set; all of the
                set in which nothing was measured, where not given.

        Raises:
            HMLMError: there are no such conditions; a treatment is in another unit than in the set;
                or as `predict_responses`.
        """
        asked = self.unmeasured() if conditions is None else dict(conditions)
        if not asked:
            raise HMLMError(
                f"{self.measured.name}: something was measured in all of its conditions; expected "
                "conditions to predict"
            )
        self._check(asked)
        responses, measured = responses_of(self.measured), self.measured
        shown = np.flatnonzero(np.isfinite(responses.changes).any(1))
        context = responses.changes[shown]
        rest = responses.reference_of(context)
        largest = {t.key: t.value for t in measured.treatments}
        every = (t.key for done in asked.values() for t in done)
        keys = list(dict.fromkeys((*responses.treatments, *every)))
        queries = np.zeros((len(asked), len(keys)))
        for row, done in zip(queries, asked.values(), strict=True):
            for treatment in done:
                row[keys.index(treatment.key)] = _relative(treatment, largest.get(treatment.key))
        more = np.zeros((len(shown), len(keys) - len(responses.treatments)))
        task = response_task(
            measured,
            keys,
            responses.outputs,
            np.concatenate([np.hstack([responses.doses[shown], more]), queries]),
            np.concatenate([context - rest, np.full((len(asked), len(rest)), np.nan)]),
            np.arange(len(shown) + len(asked)) < len(shown),
        )
        change, sd = predict_responses(self.model, task)
        control = np.where(responses.has_control, responses.control, rest)
        outputs, count = responses.outputs, len(asked)
        return pd.DataFrame(
            {
                "condition": np.repeat(list(asked), len(outputs)),
                "readout": np.tile([o.readout for o in outputs], count),
                "time_hours": np.tile([o.hours for o in outputs], count),
                "modality": np.tile([o.modality for o in outputs], count),
                "value": (change + control).ravel(),
                "change": np.where(responses.has_control, change, np.nan).ravel(),
                "sd": sd.ravel(),
            },
            columns=list(COLUMNS),
        )

    def unmeasured(self) -> dict[str, tuple[Treatment, ...]]:
        """The conditions of the set in which nothing was measured."""
        measured = {m.condition for m in self.measured.measurements}
        return {n: t for n, t in self.measured.conditions.items() if n not in measured}

    def _check(self, asked: Mapping[str, Sequence[Treatment]]) -> None:
        """Refuse what is no treatment or in another unit; tell of what was never shown."""
        units = {t.key: t.unit for t in self.measured.treatments}
        known = {t.name for t in self.measured.treatments}
        for condition, done in asked.items():
            place = f"condition {condition!r}"
            for treatment in done:
                if not isinstance(treatment, Treatment):
                    raise HMLMError(
                        f"{place}: {treatment!r} is no treatment; expected one such as "
                        'Treatment("stimulus", "EGF")'
                    )
                unit = units.get(treatment.key, treatment.unit)
                if not is_same_unit(unit, treatment.unit):
                    raise HMLMError(
                        f"{place}: {treatment.label} is in {treatment.unit or 'no unit'!r}; "
                        f"expected {unit or 'no unit'!r}, as in the set"
                    )
                if treatment.key not in units:
                    hint = did_you_mean(treatment.name, known - {treatment.name})
                    warnings.warn(
                        f"{place}: {treatment.kind} {treatment.name!r} is none of what was given "
                        f"in the set{hint}; it is predicted by what it is known to hit",
                        FormatWarning,
                        stacklevel=3,
                    )


def _relative(treatment: Treatment, largest: float | None) -> float:
    """A dose over the largest of the set; of a treatment that the set has not, a level as it is,
    and 1 for a dose, which nothing there compares with."""
    if largest is not None:
        return treatment.value / largest if largest > 0 else 0.0
    return (
        float(treatment.value > 0) if treatment.unit or treatment.kind == DRUG else treatment.value
    )
