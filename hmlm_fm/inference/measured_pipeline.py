"""`MeasuredPipeline`: from a measured set to predictions of conditions that nobody measured.

Shapes: S conditions, K treatments, M outputs.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from ..formats.measured.measured_set import MeasuredSet, Treatment
from ..formats.measured.set_formats import read_sets
from ..measurements.response_tasks_of_sets import response_task
from ..measurements.responses import Responses, responses_of
from ..model.error_base import HMLMError, did_you_mean
from ..model.modeling_hmlm import HMLMForSignaling
from .loading import load_pretrained
from .response_prediction import predict_responses

ASKED = "asked: "
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
        responses = self._with(asked)
        row_of = {name: i for i, names in enumerate(responses.conditions) for name in names}
        shown = np.flatnonzero(np.isfinite(responses.changes).any(1))
        context = responses.changes[shown]
        there = np.isfinite(context).any(0)
        mean = np.zeros(len(there))
        mean[there] = np.nanmean(context[:, there], 0)
        rest = np.where(responses.has_control, 0.0, mean)
        nothing = np.zeros(len(responses.treatments))
        queries = [responses.doses[row_of[n]] if n in row_of else nothing for n in asked]
        task = response_task(
            self.measured,
            responses.treatments,
            responses.outputs,
            np.concatenate([responses.doses[shown], queries]),
            np.concatenate([context - rest, np.full((len(asked), len(rest)), np.nan)]),
            np.arange(len(shown) + len(asked)) < len(shown),
        )
        change, sd = predict_responses(self.model, task)
        control = np.where(responses.has_control, responses.control, mean)
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

    def _with(self, asked: Mapping[str, Sequence[Treatment]]) -> Responses:
        """The responses of the set, with the vectors of conditions that are asked; only those have
        names."""
        units = {t.key: t.unit for t in self.measured.treatments}
        known = {t.name for t in self.measured.treatments}
        for condition, done in asked.items():
            for treatment in done:
                self._check(treatment, condition, units, known)
        merged = {f"{ASKED}{name}": tuple(done) for name, done in asked.items()}
        found = responses_of(
            replace(self.measured, conditions={**self.measured.conditions, **merged})
        )
        own = [[n.removeprefix(ASKED) for n in names if n in merged] for names in found.conditions]
        return replace(found, conditions=tuple(map(tuple, own)))

    def _check(
        self,
        treatment: Treatment,
        condition: str,
        units: Mapping[tuple[str, str, float, float], str],
        known: Iterable[str],
    ) -> None:
        """Refuse what is no treatment or in another unit; tell of one that was never shown."""
        place = f"condition {condition!r}"
        if not isinstance(treatment, Treatment):
            raise HMLMError(
                f"{place}: {treatment!r} is no treatment; expected one such as "
                'Treatment("stimulus", "EGF")'
            )
        unit = units.get(treatment.key, treatment.unit)
        if unit != treatment.unit:
            raise HMLMError(
                f"{place}: {treatment.label} is in {treatment.unit or 'no unit'!r}; expected "
                f"{unit or 'no unit'!r}, as in the set"
            )
        if treatment.key not in units:
            same = " as such" if treatment.name in known else did_you_mean(treatment.name, known)
            warnings.warn(
                f"{place}: {treatment.kind} {treatment.name!r} is not among what was measured"
                f"{same}; it is predicted by what else is known of it",
                UserWarning,
                stacklevel=4,
            )
