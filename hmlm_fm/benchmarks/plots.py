"""Figures of benchmarks, made from their results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter


def plot_errors(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    splits: Sequence[str],
    title: str,
    figure_of_merit: str = "mse",
    highlighted: Collection[str] = (),
) -> None:
    """Entries of a benchmark, the best at the top, as a PNG; errors on a logarithmic scale.

    Args:
        path: of the file.
        rows: summaries with entry, label, budget, split, the figure of merit and, where there is an
            interval, the same with `_low` and `_high` behind.
        splits: those to draw, one column of panels each; a line of panels per budget.
        title: of the figure.
        figure_of_merit: mse, of which less is better, or another, of which more is.
        highlighted: ids of entries that are drawn in red.
    """
    is_error = figure_of_merit == "mse"
    low, high = f"{figure_of_merit}_low", f"{figure_of_merit}_high"
    budgets = list(dict.fromkeys(row["budget"] for row in rows))
    size = (4.2 * len(splits), 4.2 * len(budgets))
    figure = Figure(figsize=size, layout="tight")
    axes = figure.subplots(len(budgets), len(splits), squeeze=False)
    for line, budget in zip(axes, budgets, strict=True):
        for axis, split in zip(line, splits, strict=True):
            own = [r for r in rows if r["budget"] == budget and r["split"] == split]
            own.sort(key=lambda r: -r[figure_of_merit] if is_error else r[figure_of_merit])
            for place, row in enumerate(own):
                colour = "tab:red" if row["entry"] in highlighted else "tab:grey"
                found = row[figure_of_merit]
                if low in row:
                    # A logarithmic axis has no 0.
                    least = row[low] or found / 2 if is_error else row[low]
                    axis.plot([least, row[high]], [place] * 2, c=colour)
                axis.plot(found, place, "o", c=colour)
            axis.set_xscale("log" if is_error else "linear")
            axis.set_yticks(range(len(own)), [r["label"] for r in own], fontsize=7)
            axis.set_title(f"{split}, {budget}", fontsize=9)
            axis.set_xlabel("mean squared error" if is_error else figure_of_merit)
    figure.suptitle(title)
    figure.savefig(path, dpi=110)


def plot_speed(
    path: Path, results: Sequence[Mapping[str, Any]], title: str, highlighted: Collection[str] = ()
) -> None:
    """Three panels, as a PNG: simulators, models on batches, and growth with the network.

    Args:
        path: of the file.
        results: of `hmlm benchmark speed`.
        title: of the figure.
        highlighted: ids of entries that are drawn in red.
    """
    figure = Figure(figsize=(17, 4), layout="constrained")
    simulators, models, growth = figure.subplots(1, 3)
    tools = [of for of in results if of["split"] == "simulators"]
    _plot_times(
        simulators,
        [of["label"] for of in tools],
        [of["ms_per_trajectory"] for of in tools],
        [of["entry"] in highlighted for of in tools],
    )
    simulators.set_xscale("log")
    simulators.set(xlabel="ms per trajectory", title="simulators at equal accuracy")
    encoders = [of for of in results if of["split"] == "models"]
    _plot_times(
        models,
        [f"{of['label']} ({of['peak_mb']:.0f} MB)" for of in encoders],
        [of["ms_per_batch"] for of in encoders],
        [of["entry"] in highlighted for of in encoders],
    )
    models.set_xlim(left=0)
    models.set(xlabel="ms per batch", title="forward and backward (peak memory)")
    memory = growth.twinx()
    scaling = [of for of in results if of["split"] == "scaling"]
    for i, series in enumerate(dict.fromkeys(of["label"] for of in scaling)):
        own = [of for of in scaling if of["label"] == series]
        sizes = [row["molecules"] for row in own]
        growth.plot(sizes, [row["ms"] for row in own], "o-", color=f"C{i}", ms=3, label=series)
        memory.plot(sizes, [row["peak_mb"] for row in own], "--", color=f"C{i}")
    for axis, label in ((growth, "ms (lines)"), (memory, "peak MB (dashes)")):
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(ScalarFormatter())
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_ylabel(label)
    growth.set_xscale("log")
    growth.set_xticks(sorted({row["molecules"] for row in scaling}))
    growth.xaxis.set_major_formatter(ScalarFormatter())
    growth.xaxis.set_minor_formatter(NullFormatter())
    growth.set(xlabel="molecules", title="one random network, constant degree")
    growth.legend(fontsize=7)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=110)


def _plot_times(
    axis: Axes, names: Sequence[str], values: Sequence[float], in_red: Sequence[bool]
) -> None:
    """One point per name, the first at the top."""
    for place, (value, red) in enumerate(zip(values, in_red, strict=True)):
        axis.plot(value, place, "o", color="tab:red" if red else "tab:grey")
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.grid(axis="x", alpha=0.3)
    axis.invert_yaxis()
