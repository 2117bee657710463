"""Figures: losses of a run, trajectories, and predicted against simulated ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..dynamics.trajectories import TIMES_HOURS, Trajectories
from ..model.network import SignalingNetwork
from ..model.next_state_head import NORMAL_QUANTILE

LABELS = {
    "masked_loss": "masked molecule (nats)",
    "neighbour_loss": "neighbours alone (nats)",
    "pathway_loss": "pathways alone (nats)",
    "next_state_loss": "next state",
    "observation_loss": "observations",
}


def plot_losses(log: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Each objective's loss against steps, as a PNG file."""
    names = [name for name in LABELS if any(name in entry for entry in log)]
    figure = Figure(figsize=(4 * max(len(names), 1), 3), layout="constrained")
    for axes, name in zip(
        figure.subplots(1, max(len(names), 1), squeeze=False)[0], names, strict=False
    ):
        entries = [entry for entry in log if name in entry]
        axes.plot([e["step"] for e in entries], [e[name] for e in entries])
        axes.set(title=LABELS[name], xlabel="step")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def plot_trajectories(
    sample: Trajectories, predictions: Mapping[int, np.ndarray], path: Path, panels: int = 8
) -> None:
    """Molecules with the largest changes of one held-out network under its first condition.

    Args:
        sample: simulated truth.
        predictions: by number of context conditions, states (conditions, later times, N).
        path: of the PNG file.
        panels: how many molecules.
    """
    truth = sample.states[0].astype(np.float64)
    largest = np.argsort(-(truth.max(0) - truth.min(0)))[:panels]
    figure = Figure(figsize=(11, 5), layout="constrained")
    grid = figure.subplots(2, (panels + 1) // 2, sharex=True, sharey=True).ravel()
    for axes, molecule in zip(grid, largest, strict=False):
        axes.plot(TIMES_HOURS, truth[:, molecule], "k-", label="simulated")
        for (context, states), style in zip(predictions.items(), ("C1--", "C0--"), strict=False):
            predicted = np.concatenate([truth[:1, molecule], states[0, :, molecule]])
            axes.plot(TIMES_HOURS, predicted, style, label=f"HMLM, {context} conditions given")
        axes.set_title(sample.drawn.molecules[molecule].name, fontsize=9)
        axes.set_ylim(-0.03, 1.03)
        axes.grid(alpha=0.3)
    grid[0].legend(fontsize=7)
    figure.supxlabel("hours")
    figure.supylabel("activity")
    figure.suptitle(f"A network that training never used: {sample.visible.name}", fontsize=10)
    figure.savefig(path, dpi=120)


@dataclass(frozen=True)
class Band:
    """A panel of `plot_bands`.

    Attributes:
        name: its title.
        mean, sd: (U) of the prediction.
        times, known: (T) true or measured values, and when; None without.
        is_activity: whether it lies in [0, 1].
    """

    name: str
    mean: np.ndarray
    sd: np.ndarray
    times: np.ndarray | None = None
    known: np.ndarray | None = None
    is_activity: bool = True


def plot_bands(
    title: str,
    hours: np.ndarray,
    panels: Sequence[Band],
    known: tuple[str, str] | None,
    path: Path,
) -> None:
    """Predicted trajectories of one condition with their 90 % band, and known values, as a PNG.

    Args:
        title: of the figure.
        hours: (U) of the predictions.
        panels: one each.
        known: matplotlib's style of known values, and their label; None without any.
        path: of the file.
    """
    columns = min(len(panels), 4)
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(2.8 * columns, 2.5 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, sharex=True, squeeze=False).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        half = NORMAL_QUANTILE * panel.sd
        axes.fill_between(hours, panel.mean - half, panel.mean + half, color="C0", alpha=0.25, lw=0)
        axes.plot(hours, panel.mean, "C0", label="HMLM")
        low, high = 0.0, 1.0
        if known is not None and panel.times is not None and panel.known is not None:
            axes.plot(panel.times, panel.known, known[0], label=known[1])
            low, high = min(low, panel.known.min()), max(high, panel.known.max())
        axes.set_title(_plain(panel.name), fontsize=9)
        if panel.is_activity:
            axes.set_ylim(low - 0.05, high + 0.05)
        axes.grid(alpha=0.3)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    grid[0].legend(fontsize=7)
    figure.suptitle(_plain(title), fontsize=10, wrap=True)
    figure.supxlabel("hours")
    figure.supylabel("activity" if all(p.is_activity for p in panels) else "value")
    figure.savefig(path, dpi=120)


def plot_states(
    network: SignalingNetwork,
    conditions: Sequence[str],
    times_hours: Sequence[float],
    states: np.ndarray,
    molecules: Sequence[int],
    path: Path,
) -> None:
    """Trajectories of some molecules, one panel each and one line per condition.

    Args:
        network: of the states.
        conditions: names of the C conditions.
        times_hours: T times in hours.
        states: activity (C, T, N).
        molecules: positions of those to draw.
        path: of the file, whose ending gives its format.
    """
    columns = min(len(molecules), 4)
    lines = -(-len(molecules) // columns)
    figure = Figure(figsize=(2.8 * max(columns, 2), 2.2 * lines + 0.8), layout="constrained")
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    # Ten colours can be distinguished; more conditions are shades in order.
    shades = colormaps["viridis"](np.linspace(0, 0.9, len(conditions)))
    colours = [f"C{c}" if len(conditions) <= 10 else shades[c] for c in range(len(conditions))]
    mark = "o-" if len(times_hours) <= 10 else "-"
    names = [_plain(name) for name in (network.name, *network.names, *conditions)]
    of_molecules, of_conditions = names[1 : -len(conditions)], names[-len(conditions) :]
    for axes, i in zip(grid, molecules, strict=False):
        for c, colour in enumerate(colours):
            axes.plot(times_hours, states[c, :, i], mark, color=colour, ms=3)
        axes.set_title(of_molecules[i], fontsize=9)
        axes.set_ylim(-0.03, max(1.03, 1.03 * float(states[:, :, list(molecules)].max())))
        axes.grid(alpha=0.3)
    for axes in grid[len(molecules) :]:
        axes.set_axis_off()
    if 1 < len(conditions) <= 10:
        figure.legend(grid[0].lines, of_conditions, fontsize=7, loc="outside right upper")
    what = f"{len(conditions)} conditions" if len(conditions) > 1 else of_conditions[0]
    figure.suptitle(f"{names[0]}: {what}", fontsize=10, wrap=True)
    figure.supxlabel("hours")
    figure.supylabel("activity")
    figure.savefig(path, dpi=120)


def plot_crosstalk(path: Path, table: pd.DataFrame, title: str) -> None:
    """Scores of ordered pairs of pathways as a map, as a PNG.

    Args:
        path: of the file.
        table: columns from, to and score.
        title: of the figure.
    """
    square = table.pivot(index="from", columns="to", values="score")
    names = sorted({*square.index, *square.columns})
    square = square.reindex(index=names, columns=names)
    figure = Figure(figsize=(2.5 + 0.5 * len(names), 2 + 0.5 * len(names)), layout="tight")
    axis = figure.subplots()
    image = axis.imshow(square.to_numpy(), cmap="viridis")
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_xlabel("target pathway")
    axis.set_ylabel("source pathway")
    figure.colorbar(image, ax=axis, label="score")
    axis.set_title(f"crosstalk, {title}", fontsize=9)
    figure.savefig(path, dpi=110)


def _plain(text: str) -> str:
    """Text with `$` escaped, which matplotlib would read as mathematics."""
    return text.replace("$", r"\$")


def plot_changes(changes: pd.DataFrame, sds: pd.DataFrame, title: str, path: Path) -> None:
    """A map of predicted changes, with a dot where the 90 % interval holds no change.

    Args:
        changes: conditions by outputs.
        sds: standard deviations of the same.
        title: of the figure.
        path: of the file.
    """
    rows, columns = changes.shape
    size = (2.5 + 0.22 * columns, 1.6 + 0.22 * rows)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    largest = float(np.nanmax(np.abs(changes.to_numpy()), initial=1e-9))
    image = axes.imshow(changes, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto")
    at_row, at_column = np.nonzero((changes.abs() > NORMAL_QUANTILE * sds).to_numpy())
    axes.plot(at_column, at_row, ".", color="0.1", markersize=3)
    axes.set_xticks(range(columns), map(_plain, changes.columns), rotation=90, fontsize=7)
    axes.set_yticks(range(rows), map(_plain, changes.index), fontsize=7)
    axes.set_title(f"{_plain(title)}: predicted changes", fontsize=9, wrap=True)
    axes.set_xlabel("a dot: 0 is outside of the 90 % interval", fontsize=7)
    figure.colorbar(image, ax=axes, label="change from control", shrink=0.8)
    figure.savefig(path, dpi=150)


@dataclass(frozen=True)
class PredictedWorld:
    """What is predicted of the conditions of one world that are asked.

    Attributes:
        truth, mean, sd, untrained: (Q, M) changes as measured and as predicted, the standard
            deviations of the latter, and what an untrained model predicts, which is the ruler.
    """

    truth: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    untrained: np.ndarray


def plot_world(found: PredictedWorld, shown: int, path: Path, panels: int = 8) -> None:
    """Held-out conditions of a world that was not trained on, as measured and as predicted.

    Args:
        found: truth and predictions.
        shown: how many conditions of it were shown.
        path: of the PNG file.
        panels: how many conditions.
    """
    figure = Figure(figsize=(12, 5.5), layout="constrained")
    grid = figure.subplots(2, (panels + 1) // 2, sharex=True, sharey=True).ravel()
    order = np.argsort(found.mean[:panels].mean(0))
    places = np.arange(len(order))
    for row, axes in enumerate(grid[: len(found.truth)]):
        mean, half = found.mean[row, order], NORMAL_QUANTILE * found.sd[row, order]
        axes.fill_between(places, mean - half, mean + half, color="C0", alpha=0.2, linewidth=0,
                          label="90 % interval")  # fmt: skip
        axes.plot(places, mean, "C0-", label="predicted")
        axes.plot(places, found.untrained[row, order], "--", color="0.6", label="the ruler")
        axes.plot(places, found.truth[row, order], "k.", label="measured")
        axes.axhline(0, color="0.8", linewidth=0.6)
        axes.set_title(f"held-out condition {row + 1}", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in grid[len(found.truth) :]:
        axes.set_visible(False)
    grid[0].legend(fontsize=7)
    figure.supxlabel("readouts", fontsize=9)
    figure.supylabel("change from control", fontsize=9)
    figure.suptitle(f"a world of held-out networks, {shown} of its conditions shown", fontsize=10)
    figure.savefig(path, dpi=120)
