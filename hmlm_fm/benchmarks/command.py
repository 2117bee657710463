"""What `hmlm benchmark` does: one task from its options to its table, figure and JSON."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..common.files import check_output_files, creating
from ..formats import load_network
from ..inference.figures import plot_errors
from ..inference.loading import load_foundation
from ..inference.shipped import checkpoint_path
from ..measurements.simulated import TRACKS, Budget
from ..model.errors import HMLMError
from ..model.network import SignalingNetwork
from .measuring import Bench, run
from .report import Report, markdown, write_json
from .speed.speed import FULL, QUICK, measure_speed
from .task import Task
from .tasks.crosstalk_truth import (
    FIRST_SEED,
    JOINED_NETWORKS,
    crosstalk_table,
    joined_network,
    measure_network,
    molecule_pairs_table,
    summarise,
)
from .tasks.held_out_conditions import measured_task
from .tasks.literature import literature_table, literature_task, rows_of_truth
from .tasks.masked_molecules import measure_molecules, molecules_table, what_it_has_read
from .tasks.registry import TASKS

DEFAULT_NETWORK, DEFAULT_CORPUS = "cardiac-fibroblast", "core"
MOST_WORKERS = 8
QUICK_NOTE = (
    "A quick look: few members and steps, which starves rows that start far from where they end, "
    "the fitted rivals above all. Leave --quick out to compare rows.\n\n"
)
Say = Callable[[str], object]

_IN_CELLS = (*TASKS, "literature", "measured")
_OF_A_NETWORK = [
    *(name for name, task in TASKS.items() if task.own_network is None),
    "literature",
    "measured",
    "crosstalk",
]
TAKEN_BY: dict[str, Sequence[str]] = {
    "model": (*_IN_CELLS, "crosstalk", "molecules"),
    "network": (*_OF_A_NETWORK, "speed"),
    "pathway": (*_OF_A_NETWORK, "speed"),
    "track": _OF_A_NETWORK,
    "budget": (*TASKS, "literature"),
    "seeds": (*_IN_CELLS, "molecules"),
    "rows": (*_IN_CELLS, "molecules"),
    "cells": (*_IN_CELLS, "molecules"),
    "workers": _IN_CELLS,
    "experiments": ("literature",),
    "conditions": ("measured",),
    "observations": ("measured",),
    "corpus": ("molecules",),
}
"""Options that not every task takes, with the tasks that do."""


def available_workers() -> int:
    """One per core that this process may use, as far as memory is likely to hold out."""
    of_process = getattr(os, "sched_getaffinity", None)
    cores = len(of_process(0)) if of_process else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


@dataclass
class BenchmarkOptions:
    """Options of one benchmark; see `hmlm benchmark --help`."""

    task: str
    model: str = "hmlm-small"
    network: str = ""
    pathway: str | None = None
    track: str = "signs"
    budget: Sequence[str] = field(default_factory=list)
    seeds: int = 1
    json: Path | None = None
    figure: Path | None = None
    cells: Path = Path("outputs/benchmark-cells")
    quick: bool = False
    rows: str = ""
    workers: int | None = None
    experiments: Path | None = None
    conditions: Path | None = None
    observations: Path | None = None
    corpus: str = ""
    force: bool = False

    def check(self) -> None:
        """
        Raises:
            ValueError: an option makes no sense, or is not for this task; or the folder of cells
                cannot be made.
            FormatError: a file cannot or must not be written.
        """
        if self.task not in RUNNERS:
            raise HMLMError(f"task {self.task!r}; expected one of {', '.join(RUNNERS)}")
        if self.track not in TRACKS:
            raise HMLMError(f"track {self.track!r}; expected one of {', '.join(TRACKS)}")
        if self.seeds < 1:
            raise HMLMError(f"{self.seeds} seeds; expected at least 1")
        if self.workers is not None and self.workers < 1:
            raise HMLMError(f"{self.workers} workers; expected at least 1")
        usual = BenchmarkOptions(self.task)
        for name, tasks in TAKEN_BY.items():
            if self.task not in tasks and getattr(self, name) != getattr(usual, name):
                taken = [f"--{other}" for other, those in TAKEN_BY.items() if self.task in those]
                raise HMLMError(
                    f"--{name} is not for the task {self.task}, which takes {', '.join(taken)}"
                )
        named = (
            self.network, self.model, self.corpus, self.experiments, self.conditions,
            self.observations,
        )  # fmt: skip
        read = [path for name in named if name and (path := Path(name)).exists()]
        check_output_files(self.json, self.figure, read, self.force)
        if self.task in TAKEN_BY["cells"]:
            with creating(self.cells):
                self.cells.mkdir(parents=True, exist_ok=True)

    def load_network(self) -> SignalingNetwork:
        return load_network(self.network or DEFAULT_NETWORK, self.pathway)


def run_benchmark(options: BenchmarkOptions, say: Say = print) -> str:
    """Run one task; returns its tables as Markdown.

    Raises:
        ValueError: options that make no sense.
        FormatError, NetworkError: a network that cannot be read or has no dynamics.
    """
    options.check()
    report = RUNNERS[options.task](options, say)
    if options.json is not None:
        write_json(
            options.json, options.task, options.track, report.rows, model=options.model,
            quick=options.quick, **report.about,
        )  # fmt: skip
    if options.figure is not None:
        report.draw(options.figure)
    return (QUICK_NOTE if options.quick else "") + report.table


def _measure(
    task: Task, network: SignalingNetwork, options: BenchmarkOptions, say: Say
) -> list[dict[str, Any]]:
    budgets = _budgets(task, options)
    model, tokenizer = load_foundation(options.model)
    bench = Bench(task, network, model, tokenizer, options.track, options.cells, options.quick)
    workers = options.workers or available_workers()
    rows = run(bench, budgets, options.seeds, options.rows, workers, say)
    return [row for row in rows if row["split"] in task.splits]


def _budgets(task: Task, options: BenchmarkOptions) -> list[Budget]:
    return [Budget.parse(text) for text in options.budget or task.budgets]


def _run_cells(task: Task, options: BenchmarkOptions, say: Say) -> Report:
    """A task whose rows are fitted once and asked on several splits."""
    if task.own_network is None:
        network = options.load_network()
    else:
        network = task.own_network()
    return _report_cells(task, network, options, say)


def _report_cells(
    task: Task, network: SignalingNetwork, options: BenchmarkOptions, say: Say
) -> Report:
    shown = _measure(task, network, options, say)
    title = f"{options.task}, {network.name}, {options.track}"
    return Report(
        shown,
        markdown(shown, task.splits),
        partial(plot_errors, rows=shown, splits=task.splits, title=title),
        {"network": network.name},
    )


def _run_literature(options: BenchmarkOptions, say: Say) -> Report:
    network = options.load_network()
    if options.network not in ("", DEFAULT_NETWORK) and options.experiments is None:
        raise HMLMError(
            f"the shipped experiments are of {DEFAULT_NETWORK}; name those of "
            f"{options.network} with --experiments FILE"
        )
    task = literature_task(network, options.experiments)
    rows = rows_of_truth(task, network, _budgets(task, options))
    rows += _measure(task, network, options, say)
    draw = partial(
        plot_errors, rows=rows, splits=task.splits, title=f"literature, {network.name}",
        figure_of_merit="accuracy",
    )  # fmt: skip
    return Report(rows, literature_table(rows), draw, {"network": network.name})


def _run_measured(options: BenchmarkOptions, say: Say) -> Report:
    if options.conditions is None or options.observations is None:
        raise HMLMError(
            "measured asks about measurements of your own; expected --network FILE, "
            "--conditions FILE and --observations FILE"
        )
    network = options.load_network()
    task = measured_task(network, str(options.conditions), str(options.observations))
    return _report_cells(task, network, options, say)


def _run_crosstalk(options: BenchmarkOptions, say: Say) -> Report:
    network = options.load_network()
    joined = 2 if options.quick else JOINED_NETWORKS
    model, tokenizer = load_foundation(options.model)
    found = []
    for one in (network, *(joined_network(FIRST_SEED + i) for i in range(joined))):
        found.append(measure_network(one, model, tokenizer, options.track))
        say(f"{one.name}: {len(found[-1].truth)} pairs")
    rows = summarise(found)
    molecules = molecule_pairs_table(network, model, tokenizer, options.track)
    draw = partial(
        plot_errors, rows=rows, splits=[rows[0]["split"]], title=f"crosstalk, {options.track}",
        figure_of_merit="spearman",
    )  # fmt: skip
    table = "\n\n".join(part for part in (crosstalk_table(rows), molecules) if part)
    return Report(rows, table, draw, {"network": network.name})


def _run_molecules(options: BenchmarkOptions, say: Say) -> Report:
    corpus = options.corpus or DEFAULT_CORPUS
    has_read = what_it_has_read(checkpoint_path(options.model), corpus)
    model, tokenizer = load_foundation(options.model)
    rows = measure_molecules(
        corpus, model, tokenizer, options.seeds, options.cells, options.quick, options.rows, say
    )
    if not rows:
        raise HMLMError(f"no row has {options.rows!r} in its name")
    title, splits = f"molecules, {corpus}", [rows[0]["split"]]
    draw = partial(plot_errors, rows=rows, splits=splits, title=title, figure_of_merit="top10")
    about = {"corpus": corpus, "pretrained_model": has_read}
    return Report(rows, molecules_table(rows, has_read), draw, about)


def _run_speed(options: BenchmarkOptions, say: Say) -> Report:
    return measure_speed(options.load_network(), QUICK if options.quick else FULL, say)


RUNNERS: dict[str, Callable[[BenchmarkOptions, Say], Report]] = {
    **{name: partial(_run_cells, task) for name, task in TASKS.items()},
    "literature": _run_literature,
    "measured": _run_measured,
    "crosstalk": _run_crosstalk,
    "molecules": _run_molecules,
    "speed": _run_speed,
}
