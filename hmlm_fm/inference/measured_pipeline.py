"""`MeasuredPipeline`: from a measured set to predictions of conditions that nobody measured.

Shapes: S conditions, K treatments, M outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from ..formats.measured.measured_set import DRUG, MeasuredSet, Treatment
from ..formats.measured.set_formats import read_sets
from ..measurements.response_tasks_of_sets import response_task
from ..measurements.responses import responses_of
from ..model.error_base import HMLMError
from ..model.modeling_hmlm import HMLMForSignaling
from .asked_conditions import checked_conditions
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
            HMLMError: there are no such conditions; or as `checked_conditions` and
                `predict_responses`.
        """
        asked = self.unmeasured() if conditions is None else dict(conditions)
        if not asked:
            found = "no conditions are asked"
            if conditions is None:
                found = f"{self.measured.name}: something was measured in all of its conditions"
            raise HMLMError(f"{found}; expected conditions to predict")
        asked = checked_conditions(asked, self.measured)
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
            np.hstack([responses.doses[shown], more]),
            context - rest,
            queries,
        )
        change, sd = predict_responses(self.model, task)
        # A change from the control is none of the control.
        change = np.where(queries.any(1, keepdims=True) | ~responses.has_control, change, 0.0)
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


def _relative(treatment: Treatment, largest: float | None) -> float:
    """A dose over the largest of the set; of a treatment that the set has not, a level as it is,
    and 1 for a dose, which nothing there compares with."""
    if largest is not None:
        return treatment.value / largest if largest > 0 else 0.0
    return (
        float(treatment.value > 0) if treatment.unit or treatment.kind == DRUG else treatment.value
    )
