"""What `hmlm predict --measured` does: a checkpoint and a measured set to a table of readouts."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pandas as pd

from ..common.errors import FormatError
from ..common.files import check_output_files, write_text
from ..common.words import counted
from ..formats.measured.set_tables import read_treatments
from ..inference.measured_pipeline import MeasuredPipeline
from ..measurements.responses import hours_text
from ..model.error_base import did_you_mean
from .command_options import PredictOptions, TreatmentOptions

MOST_ROWS, MOST_COLUMNS, MOST_CONDITIONS = 20, 100, 60


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
    readouts = pipeline.measured.readout_names
    for name in options.molecule:
        if name not in readouts:
            hint = did_you_mean(name, readouts)
            raise FormatError(f"--molecule: {name!r} is no readout of the set{hint}")
    table = pipeline.predict(asked)
    if options.molecule:
        table = table[table["readout"].isin(options.molecule)]
    written = table.assign(time_hours=[hours_text(hours) for hours in table["time_hours"]])
    if options.out is None:
        print_largest(written)
    else:
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
    unused = treatments | {"network", "pathway", "hours", "modality"}
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
    """A map of changes, conditions by readouts; of many, those with the largest.

    Raises:
        FormatError: nothing has a control.
    """
    from ..inference.figures import plot_changes  # matplotlib takes its time

    table = table[table["change"].notna()]
    if table.empty:
        raise FormatError("nothing was measured in a control; a map shows changes from one")
    has_times = table["time_hours"].nunique() > 1
    output = [
        f"{name} {hours_text(hours)}" if has_times else name
        for name, hours in zip(table["readout"], table["time_hours"], strict=True)
    ]
    named = table.assign(output=output, size=(table["change"] / table["sd"]).abs())
    for column, most in (("output", MOST_COLUMNS), ("condition", MOST_CONDITIONS)):
        sizes = named.groupby(column, sort=False)["size"].max()
        named = named[named[column].isin(sizes.nlargest(most).index)]
    conditions, outputs = (list(dict.fromkeys(named[c])) for c in ("condition", "output"))

    def wide(column: str) -> pd.DataFrame:
        return pd.DataFrame(
            named[column].to_numpy().reshape(len(conditions), -1), conditions, outputs
        )

    plot_changes(wide("change"), wide("sd"), title, path)
