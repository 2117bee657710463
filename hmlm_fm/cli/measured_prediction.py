"""What `hmlm predict --measured` does: a checkpoint and a measured set to a table of readouts."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd

from ..common.errors import FormatError
from ..common.files import check_output_files, write_text
from ..common.words import counted
from ..formats.measured.set_tables import read_treatments
from ..inference.measured_pipeline import MeasuredPipeline
from .command_options import PredictOptions, TreatmentOptions

MOST_ROWS = 20


def run_measured_prediction(options: PredictOptions) -> None:
    """Predict as requested, write the requested files, or print the largest changes.

    Raises:
        FormatError: options that make no sense, or a file that cannot be read or must not be
            written.
        HMLMError: the checkpoint does not load, or has no head for measured sets.
        OSError: a file cannot be written.
    """
    assert options.measured is not None
    _refuse_options_of_networks(options)
    inputs = [options.measured, *([options.conditions] if options.conditions else [])]
    check_output_files(options.out, options.plot, inputs, options.force)
    asked = read_treatments(options.conditions) if options.conditions else None
    pipeline = MeasuredPipeline.from_pretrained(options.checkpoint, options.measured)
    table = pipeline.predict(asked)
    times = ["late" if np.isinf(t) else f"{t:.10g}" for t in table["time_hours"]]
    if options.out is None:
        print_largest(table.assign(time_hours=times))
    else:
        written = table.assign(time_hours=times)
        write_text(options.out, written.to_csv(index=False, lineterminator="\n"))
        print(
            f"{options.out}: {counted(table['condition'].nunique(), 'condition')}, "
            f"{counted(table['readout'].nunique(), 'readout')}"
        )
    if options.plot is not None:
        draw(table, pipeline.measured.name, options.plot)
        print(f"{options.plot}: changes, and which of them exceed their 90 % interval")


def _refuse_options_of_networks(options: PredictOptions) -> None:
    """
    Raises:
        FormatError: an option that only networks have.
    """
    treatments = {f.name for f in fields(TreatmentOptions)} - {"conditions"}
    unused = treatments | {"network", "pathway", "hours", "modality", "molecule"}
    for f in fields(PredictOptions):
        default = [] if callable(f.default_factory) else f.default
        if f.name in unused and getattr(options, f.name) != default:
            expected = "a table of --conditions" if f.name in treatments else "none"
            raise FormatError(f"--{f.name} is given beside --measured; expected {expected}")


def print_largest(table: pd.DataFrame) -> None:
    """Print, condition by condition, what changes most in units of its standard deviation."""
    for condition, own in table.groupby("condition", sort=False):
        size = (own["change"].fillna(own["value"]) / own["sd"]).abs()
        largest = own.loc[size.sort_values(ascending=False, kind="stable").index[:MOST_ROWS]]
        shown = largest.drop(columns=["condition", "modality"]).rename(columns={"time_hours": "h"})
        print(f"{condition}:\n{shown.to_string(index=False, float_format='%.3g')}\n")


def draw(table: pd.DataFrame, title: str, path: Path) -> None:
    """A map of changes, conditions by readouts."""
    from ..inference.figures import plot_changes  # matplotlib takes its time

    conditions = list(dict.fromkeys(table["condition"]))
    first = table[table["condition"] == conditions[0]]
    has_times = first["time_hours"].nunique() > 1
    outputs = [
        name + ("" if not has_times else " late" if np.isinf(hours) else f" {hours:g} h")
        for name, hours in zip(first["readout"], first["time_hours"], strict=True)
    ]

    def wide(values: pd.Series) -> pd.DataFrame:
        return pd.DataFrame(values.to_numpy().reshape(len(conditions), -1), conditions, outputs)

    change = table["change"].fillna(table["value"])
    plot_changes(wide(change), wide(table["sd"]), title, path)
