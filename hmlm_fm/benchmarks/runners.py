"""How each task of `hmlm benchmark` is run: from its options to its report."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial

from ..corpora.measured_sources import load_measured_sets
from ..formats.network_loading import load_network
from ..inference.loading import load_foundation
from ..inference.shipped import checkpoint_path
from ..measurements.simulated import Budget
from ..model.error_base import HMLMError
from ..model.network import SignalingNetwork
from .benchmark_options import DEFAULT_CORPUS, DEFAULT_NETWORK, BenchmarkOptions, Log
from .entries import Entry, Result, selected
from .measuring import Benchmark, run_entries
from .plots import plot_errors
from .real.real_entries import chosen_entries
from .real.real_report import measure_real
from .report import Report, errors_table, summarise
from .speed.speed import FULL, QUICK, measure_speed
from .task import Task
from .tasks.crosstalk_truth import (
    CROSSTALK_ENTRIES,
    FIRST_SEED,
    JOINED_NETWORKS,
    correlations,
    crosstalk_table,
    joined_network,
    measure_network,
    molecule_pairs,
)
from .tasks.literature import OWN_EQUATIONS, literature_table, literature_task, results_of_truth
from .tasks.masked_molecules import (
    MASKED_ENTRIES,
    corpus_of_checkpoint,
    measure_molecules,
    molecules_table,
    pooled,
)
from .tasks.registry import TASKS

MOST_WORKERS = 8


def available_workers() -> int:
    """One per core that this process may use, as far as memory is likely to suffice."""
    of_process = getattr(os, "sched_getaffinity", None)
    cores = len(of_process(0)) if of_process else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


def network_of(options: BenchmarkOptions) -> SignalingNetwork:
    """The network that is named, or the default.

    Raises:
        HMLMError: it cannot be read, or is one of several of which none is named.
    """
    return load_network(options.network or DEFAULT_NETWORK, options.pathway)


def _measure(
    task: Task, network: SignalingNetwork, options: BenchmarkOptions, log: Log, ids: Sequence[str]
) -> list[Result]:
    budgets = _budgets(task, options)
    model, tokenizer = load_foundation(options.model)
    benchmark = Benchmark(
        task, network, model, tokenizer, options.track, options.cache, options.quick
    )
    workers = options.workers or available_workers()
    results = run_entries(benchmark, budgets, options.seeds, ids, workers, log)
    return [result for result in results if result["split"] in task.splits]


def _budgets(task: Task, options: BenchmarkOptions) -> list[Budget]:
    return [Budget.parse(text) for text in options.budget or task.budgets]


def _highlighted(entries: Sequence[Entry]) -> set[str]:
    return {entry.id for entry in entries if entry.highlighted}


def _run_fitted(task: Task, options: BenchmarkOptions, log: Log) -> Report:
    """A task whose entries are fitted once and predict several splits."""
    network = network_of(options) if task.own_network is None else task.own_network()
    return _report_fitted(task, network, options, log)


def _report_fitted(
    task: Task, network: SignalingNetwork, options: BenchmarkOptions, log: Log
) -> Report:
    results = _measure(task, network, options, log, options.entry_ids)
    title = f"{options.task}, {network.name}, {options.track}"
    draw = partial(
        plot_errors, rows=summarise(results), splits=task.splits, title=title,
        highlighted=_highlighted(task.entries),
    )  # fmt: skip
    return Report(results, errors_table(results, task.splits), draw, {"network": network.name})


def _run_literature(options: BenchmarkOptions, log: Log) -> Report:
    network = network_of(options)
    if options.network not in ("", DEFAULT_NETWORK) and options.experiments is None:
        raise HMLMError(
            f"the shipped experiments are of {DEFAULT_NETWORK}; name those of "
            f"{options.network} with --experiments FILE"
        )
    task = literature_task(network, options.experiments)
    chosen = selected((OWN_EQUATIONS, *task.entries), options.entry_ids)
    fitted = [entry.id for entry in chosen if entry is not OWN_EQUATIONS]
    results = []
    if OWN_EQUATIONS in chosen:
        results += results_of_truth(task, network, _budgets(task, options))
    if fitted:
        results += _measure(task, network, options, log, fitted)
    draw = partial(
        plot_errors, rows=summarise(results), splits=task.splits,
        title=f"literature, {network.name}", figure_of_merit="accuracy",
        highlighted=_highlighted(task.entries),
    )  # fmt: skip
    return Report(results, literature_table(results), draw, {"network": network.name})


def _run_real(options: BenchmarkOptions, log: Log) -> Report:
    entries = chosen_entries(options.entry_ids)
    found = load_measured_sets(options.sets)
    return measure_real(found, entries, options, options.workers or available_workers(), log)


def _run_crosstalk(options: BenchmarkOptions, log: Log) -> Report:
    network = network_of(options)
    joined = 2 if options.quick else JOINED_NETWORKS
    model, tokenizer = load_foundation(options.model)
    found = []
    for one in (network, *(joined_network(FIRST_SEED + i) for i in range(joined))):
        found.append(measure_network(one, model, tokenizer, options.track))
        log(f"{one.name}: {len(found[-1].truth)} pairs")
    results = correlations(found)
    pairs = molecule_pairs(network, model, tokenizer, options.track)
    draw = partial(
        plot_errors, rows=results, splits=[results[0]["split"]],
        title=f"crosstalk, {options.track}", figure_of_merit="spearman",
        highlighted=_highlighted(CROSSTALK_ENTRIES),
    )  # fmt: skip
    about = {"network": network.name, "molecule_pairs": pairs}
    return Report(results, crosstalk_table(results, about), draw, about)


def _run_molecules(options: BenchmarkOptions, log: Log) -> Report:
    corpus = options.corpus or DEFAULT_CORPUS
    entries = selected(MASKED_ENTRIES, options.entry_ids)
    about = {
        "corpus": corpus,
        "pretrained_model": corpus_of_checkpoint(checkpoint_path(options.model), corpus),
    }
    model, tokenizer = load_foundation(options.model)
    results = measure_molecules(
        corpus, model, tokenizer, options.seeds, options.cache, options.quick, entries, log
    )
    draw = partial(
        plot_errors, rows=pooled(results), splits=[results[0]["split"]],
        title=f"molecules, {corpus}", figure_of_merit="top10",
        highlighted=_highlighted(MASKED_ENTRIES),
    )  # fmt: skip
    return Report(results, molecules_table(results, about), draw, about)


def _run_speed(options: BenchmarkOptions, log: Log) -> Report:
    return measure_speed(network_of(options), QUICK if options.quick else FULL, log)


RUNNERS: dict[str, Callable[[BenchmarkOptions, Log], Report]] = {
    **{name: partial(_run_fitted, task) for name, task in TASKS.items()},
    "literature": _run_literature,
    "real": _run_real,
    "crosstalk": _run_crosstalk,
    "molecules": _run_molecules,
    "speed": _run_speed,
}
