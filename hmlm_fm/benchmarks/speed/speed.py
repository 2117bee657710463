"""What `hmlm benchmark speed` measures: simulators, models on batches of networks, and growth."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...inference.figures import plot_speed
from ...model.network import SignalingNetwork
from ..report import Report
from .encoders import BATCHES, NETWORKS, measure_models
from .scaling import QUICK_SIZES, SIZES, fit_exponents, measure_scaling
from .simulators import ACCURACY, measure_simulators

Row = dict[str, Any]


@dataclass(frozen=True)
class Effort:
    """How much is measured; see the functions whose arguments these are."""

    conditions: int = 256
    scipy_conditions: int = 16
    simulator_repeats: int = 5
    networks: int = NETWORKS
    batches: int = BATCHES
    model_repeats: int = 10
    sizes: Sequence[int] = SIZES
    scaling_repeats: int = 5


FULL = Effort()
QUICK = Effort(
    conditions=64,
    scipy_conditions=2,
    simulator_repeats=2,
    batches=2,
    model_repeats=3,
    sizes=QUICK_SIZES,
    scaling_repeats=2,
)


def measure_speed(
    network: SignalingNetwork, effort: Effort, say: Callable[[str], object]
) -> Report:
    """Everything that the task measures.

    Args:
        network: the one that is simulated, with kinetics.
        effort: how much is measured.
        say: told of progress.

    Raises:
        NetworkError: a network without kinetics.
        ValueError: libroadrunner is not installed, or memory cannot be measured on this system.
    """
    simulators = measure_simulators(
        network, effort.conditions, effort.scipy_conditions, effort.simulator_repeats, say
    )
    models = measure_models(effort.networks, effort.batches, effort.model_repeats, say)
    scaling = measure_scaling(effort.sizes, effort.scaling_repeats, say)
    exponents = fit_exponents(scaling)
    rows = [*simulators, *models, *scaling, *exponents]
    table = "\n\n".join(
        [
            simulators_table(simulators, network.name),
            models_table(models),
            scaling_table(scaling),
            exponents_table(exponents),
        ]
    )
    draw = partial(plot_speed, rows=rows, title=f"speed on one core; {network.name} is simulated")
    about = {"network": network.name, "cores": os.cpu_count(), "threads_measured": 1}
    return Report(rows, table, draw, about)


def simulators_table(rows: Sequence[Row], network: str) -> str:
    """Times of simulators as Markdown."""
    return _table(
        f"Trajectories of {network} over 48 hours, each tool with the loosest tolerance at which "
        f"its largest error is at most {ACCURACY:g}; milliseconds of one core, the least and the "
        "median:",
        ["tool", "precision", "conditions", "tolerance", "largest error", "ms per trajectory",
         "median", "times ours in float32", "in float64"],
        [
            [row["tool"], row["precision"], str(row["conditions"]), f"{row['tolerance']:g}",
             f"{row['max_error']:.1e}", f"{row['ms_per_trajectory']:.2f}",
             f"{row['ms_median']:.2f}", f"{row['times_ours_float32']:.1f}",
             f"{row['times_ours_float64']:.1f}"]
            for row in rows
        ],
    )  # fmt: skip


def models_table(rows: Sequence[Row]) -> str:
    """Times of models as Markdown."""
    return _table(
        "Forward and backward of masked molecules on batches of core networks, "
        f"{rows[0]['molecules_per_batch']:.0f} molecules on average, on one core (the least and "
        "the median of the repeats):",
        ["model", "parameters", "in blocks", "molecules per batch", "ms per batch", "median",
         "molecules per second", "peak MB", "ratio to HMLM"],
        [
            [row["model"], f"{row['parameters']:,}", f"{row['parameters_in_blocks']:,}",
             f"{row['molecules_per_batch']:.0f}", f"{row['ms_per_batch']:.1f}",
             f"{row['ms_median']:.1f}", f"{row['molecules_per_second']:,.0f}",
             f"{row['peak_mb']:.0f}", f"{row['ratio_to_hmlm']:.2f}"]
            for row in rows
        ],
    )  # fmt: skip


def scaling_table(rows: Sequence[Row]) -> str:
    """Times and memory by size as Markdown."""
    return _table(
        "HMLM tiny on one random network, two sources per molecule on average, forward and "
        "backward on one core:",
        ["HMLM tiny", "molecules", "pairs", "ms", "median", "peak MB"],
        [
            [row["series"], f"{row['molecules']:,}", f"{row['pairs']:,}", f"{row['ms']:.0f}",
             f"{row['ms_median']:.0f}", f"{row['peak_mb']:.0f}"]
            for row in sorted(rows, key=lambda row: row["series"])
        ],
    )  # fmt: skip


def exponents_table(rows: Sequence[Row]) -> str:
    """Exponents as Markdown."""
    return _table(
        "How both grow: the exponent e of size^e over all sizes (between the two largest):",
        ["HMLM tiny", "molecules", "time", "memory"],
        [
            [row["series"], f"{row['smallest']:,} to {row['largest']:,}"]
            + [f"{row[key]:.2f} ({row[f'{key}_of_last_two']:.2f})" for key in ("time", "memory")]
            for row in rows
        ],
    )


def _table(caption: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    first, *rest = (f"| {' | '.join(cells)} |" for cells in (head, *lines))
    return "\n".join([caption, "", first, "|---" * len(head) + "|", *rest])
