"""What `hmlm predict` does: a checkpoint or a fitted folder and conditions to a table of states.

Shapes: C conditions, T times, N molecules.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..common.errors import FormatError
from ..common.files import check_output_files, write_text
from ..common.words import counted
from ..inference.pipeline import SignalingPipeline
from .command_options import PredictOptions
from .condition_arguments import (
    conditions_of,
    load_one_network,
    own_files,
    parse_times,
    positions,
)

MOST_PANELS, MOST_ROWS = 12, 20


def run_prediction(options: PredictOptions) -> None:
    """Predict as requested, write the requested files, or print the molecules that change most.

    Raises:
        FormatError: options that make no sense, a name that the network has not, a file that
            cannot be read or must not be written.
        HMLMError: the checkpoint does not load, or a network is missing or given beside a
            fine-tuned folder.
        OSError: a file cannot be written.
    """
    if options.measured is not None:
        from .measured_prediction import run_measured_prediction

        run_measured_prediction(options)
        return
    folder = Path(options.checkpoint)
    inputs = [*([folder] if folder.exists() else []), *own_files(options.network or "core")]
    inputs += [options.conditions] if options.conditions else []
    check_output_files(options.out, options.plot, inputs, options.force)
    hours = parse_times(options.hours, "--hours")
    pipeline = load_pipeline(options)
    network = pipeline.network
    conditions, chosen = conditions_of(options, network), positions(options.molecule, network)
    table = pipeline.predict(conditions, hours, options.modality)
    if chosen:
        names = [network.names[i] for i in chosen]
        table = table[table["molecule"].isin(names)]
    if options.out is None:
        print_most_changed(table)
    else:
        write_text(options.out, table.to_csv(index=False, lineterminator="\n"))
        print(
            f"{options.out}: {counted(len(conditions), 'condition')}, "
            f"{counted(table['molecule'].nunique(), 'molecule')}, {counted(len(hours), 'time')}"
        )
    if options.plot is not None:
        draw(table, network.name, options.plot)
        print(f"{options.plot}: trajectories with their 90 % band")


def load_pipeline(options: PredictOptions) -> SignalingPipeline:
    """The pipeline of a pretrained checkpoint with a network, or of a fine-tuned folder.

    Raises:
        FormatError, HMLMError: as `run_prediction`.
    """
    if options.pathway is not None and not options.network:
        raise FormatError("--pathway is given without --network; expected both")
    network = load_one_network(options.network, options.pathway) if options.network else None
    return SignalingPipeline.from_pretrained(options.checkpoint, network)


def print_most_changed(table: pd.DataFrame) -> None:
    """Print, condition by condition, the molecules that change most from the first time on."""
    value = _value_column(table)
    for condition, own in table.groupby("condition", sort=False):
        wide = own.pivot(index="molecule", columns="time_hours", values=value)
        change = wide.sub(wide.iloc[:, 0], axis=0).abs().max(axis=1)
        largest = wide.loc[change.sort_values(ascending=False, kind="stable").index[:MOST_ROWS]]
        largest.columns = [f"{hours:g} h" for hours in largest.columns]
        print(f"{condition}:\n{largest.to_string(float_format='%.3f')}\n")


def draw(table: pd.DataFrame, title: str, path: Path) -> None:
    """Trajectories of the first condition's molecules that change most, with their bands."""
    from ..inference.figures import Band, plot_bands  # matplotlib takes its time

    value, condition = _value_column(table), table["condition"].iloc[0]
    own = table[table["condition"] == condition]
    means = own.pivot(index="time_hours", columns="molecule", values=value)
    sds = own.pivot(index="time_hours", columns="molecule", values="sd")
    spread = (means.max() - means.min()).sort_values(ascending=False, kind="stable")
    hours = means.index.to_numpy(dtype=float)
    panels = [
        Band(str(name), means[name].to_numpy(), sds[name].to_numpy(), is_activity=value == "state")
        for name in spread.index[:MOST_PANELS]
    ]
    more = table["condition"].nunique() - 1
    others = f" (and {counted(more, 'condition')} more)" if more else ""
    plot_bands(f"{title}: {condition}{others}", hours, panels, None, path)


def _value_column(table: pd.DataFrame) -> str:
    return "state" if "state" in table else "value"
