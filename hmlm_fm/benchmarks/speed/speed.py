"""The task `hmlm benchmark speed`: simulators, models on batches of networks, growth, start-up."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...model.network import SignalingNetwork
from ..entries import Result
from ..plots import plot_speed
from ..report import Report, plain_table
from .encoders import BATCHES, ENCODERS, NETWORKS, measure_models
from .scaling import QUICK_SIZES, SIZES, fit_exponents, measure_scaling
from .simulators import ACCURACY, SIMULATORS, measure_simulators
from .start_up import measure_start_up


@dataclass(frozen=True)
class Effort:
    """How much is measured; see the functions whose arguments these are."""

    conditions: int = 256
    fewer_conditions: int = 16
    simulator_repeats: int = 5
    networks: int = NETWORKS
    batches: int = BATCHES
    model_repeats: int = 10
    sizes: Sequence[int] = SIZES
    scaling_repeats: int = 5
    start_up_repeats: int = 5


FULL = Effort()
QUICK = Effort(
    conditions=64,
    fewer_conditions=2,
    simulator_repeats=2,
    batches=2,
    model_repeats=3,
    sizes=QUICK_SIZES,
    scaling_repeats=2,
    start_up_repeats=2,
)


def measure_speed(
    network: SignalingNetwork, effort: Effort, log: Callable[[str], object]
) -> Report:
    """Everything that the task measures.

    Args:
        network: the one that is simulated, with kinetics.
        effort: how much is measured.
        log: is called with a line of progress now and then.

    Raises:
        NetworkError: a network without kinetics.
        HMLMError: libroadrunner is not installed, or memory cannot be measured on this system.
    """
    simulators = measure_simulators(
        network, effort.conditions, effort.fewer_conditions, effort.simulator_repeats, log
    )
    models = measure_models(effort.networks, effort.batches, effort.model_repeats, log)
    scaling = measure_scaling(effort.sizes, effort.scaling_repeats, log)
    start_up = measure_start_up(effort.start_up_repeats, log)
    results = [*simulators, *models, *scaling, *fit_exponents(scaling), *start_up]
    about = {"network": network.name, "cores": os.cpu_count(), "threads_measured": 1}
    draw = partial(
        plot_speed,
        results=results,
        title=f"speed on one core; {network.name} is simulated",
        highlighted={entry.id for entry in (*SIMULATORS, *ENCODERS) if entry.highlighted},
    )
    return Report(results, speed_table(results, about), draw, about)


def speed_table(results: Sequence[Result], about: Mapping[str, Any]) -> str:
    """All results as Markdown, a table for each split that was measured."""
    tables: dict[str, Callable[[Sequence[Result]], str]] = {
        "simulators": partial(_simulators_table, network=about["network"]),
        "models": _models_table,
        "scaling": _scaling_table,
        "exponents": _exponents_table,
        "start-up": _start_up_table,
    }
    of_split = {split: [r for r in results if r["split"] == split] for split in tables}
    return "\n\n".join(tables[split](own) for split, own in of_split.items() if own)


def _simulators_table(results: Sequence[Result], network: str) -> str:
    return plain_table(
        f"Trajectories of {network} over 48 hours, each tool with the loosest tolerance at which "
        f"its largest error is at most {ACCURACY:g}; milliseconds of one core, the least and the "
        "median:",
        ["entry", "conditions", "tolerance", "largest error", "ms per trajectory", "median",
         "times ours in float32", "in float64"],
        [
            [of["label"], str(of["conditions"]), f"{of['tolerance']:g}", f"{of['max_error']:.1e}",
             f"{of['ms_per_trajectory']:.2f}", f"{of['ms_median']:.2f}",
             f"{of['times_ours_float32']:.1f}", f"{of['times_ours_float64']:.1f}"]
            for of in results
        ],
    )  # fmt: skip


def _models_table(results: Sequence[Result]) -> str:
    return plain_table(
        "Forward and backward of masked molecules on batches of core networks, "
        f"{results[0]['molecules_per_batch']:.0f} molecules on average, on one core (the least "
        "and the median of the repeats):",
        ["entry", "parameters", "in blocks", "molecules per batch", "ms per batch", "median",
         "molecules per second", "peak MB", "ratio to HMLM"],
        [
            [of["label"], f"{of['parameters']:,}", f"{of['parameters_in_blocks']:,}",
             f"{of['molecules_per_batch']:.0f}", f"{of['ms_per_batch']:.1f}",
             f"{of['ms_median']:.1f}", f"{of['molecules_per_second']:,.0f}",
             f"{of['peak_mb']:.0f}", f"{of['ratio_to_hmlm']:.2f}"]
            for of in results
        ],
    )  # fmt: skip


def _scaling_table(results: Sequence[Result]) -> str:
    return plain_table(
        "HMLM tiny on one random network, two sources per molecule on average, forward and "
        "backward on one core:",
        ["entry", "molecules", "pairs", "ms", "median", "peak MB"],
        [
            [of["label"], f"{of['molecules']:,}", f"{of['pairs']:,}", f"{of['ms']:.0f}",
             f"{of['ms_median']:.0f}", f"{of['peak_mb']:.0f}"]
            for of in sorted(results, key=lambda of: of["label"])
        ],
    )  # fmt: skip


def _exponents_table(results: Sequence[Result]) -> str:
    return plain_table(
        "How both grow: the exponent e of size^e over all sizes (between the two largest):",
        ["entry", "molecules", "time", "memory"],
        [
            [of["label"], f"{of['smallest']:,} to {of['largest']:,}"]
            + [f"{of[key]:.2f} ({of[f'{key}_of_last_two']:.2f})" for key in ("time", "memory")]
            for of in results
        ],
    )


def _start_up_table(results: Sequence[Result]) -> str:
    return plain_table(
        "Start-up on a warm disk (the least and the median of the repeats):",
        ["entry", "seconds", "median", "ratio to import torch"],
        [
            [of["label"]]
            + [f"{of[key]:.2f}" for key in ("seconds", "seconds_median", "ratio_to_torch")]
            for of in results
        ],
    )
