"""Every entry of a task at every budget and seed, several at a time.

Every run (an entry at a budget with a seed) is kept in a folder as soon as it is measured, so that
a benchmark that was stopped is resumed from there.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ..common.files import write_text
from ..fitting.ensemble import FitSettings, settings_for
from ..measurements.metrics import interval
from ..measurements.simulated import Budget, SimulatedTask
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer
from .baselines.hmlm import HMLMPredictor
from .entries import Entry, Hyperparameters, Resources, Result, selected
from .task import Task

QUICK = FitSettings(members=4, steps=60, patience=40)
QUICK_NEURAL_STEPS = 60

Run = dict[str, Any]
"""What is kept of one run: its key, the hyperparameters, seconds, and the figures of all splits."""


@dataclass(frozen=True)
class RunKey:
    """Which run: the budget, the id of the entry, and the seed."""

    budget: Budget
    entry: str
    seed: int


@dataclass
class Benchmark:
    """What the runs of one task share.

    Attributes:
        task: what is measured.
        network: with kinetics, which only the simulator uses.
        model, tokenizer: the pretrained ones.
        track: of `TRACKS`.
        cache: the folder of runs that were measured already.
        quick: fewer members and steps, for a look.
    """

    task: Task
    network: SignalingNetwork
    model: HMLMForSignaling
    tokenizer: HMLMTokenizer
    track: str
    cache: Path
    quick: bool = False

    def __post_init__(self) -> None:
        self._resources: dict[Budget, Resources] = {}
        self._drawn: dict[tuple[Budget, int], SimulatedTask] = {}

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Those that are computed, by id."""
        return {entry.id: entry for entry in self.task.entries if entry.published is None}

    def measure(self, key: RunKey, chosen: Hyperparameters | None = None) -> Run:
        """One run, read where it was kept, or else measured and kept.

        Args:
            chosen: hyperparameters; by default those that are best on the training conditions of
                seed 0.
        """
        if self.has(key):
            kept: Run = json.loads(self._path(key).read_text(encoding="utf-8"))
            return kept
        entry, resources = self.entries[key.entry], self._of_budget(key.budget)
        if chosen is None:
            chosen = entry.choose(resources, self._draw(key.budget, 0).training)
        drawn = self._draw(key.budget, key.seed)
        run = {
            **self._identity(key),
            **measure_entry(self.task, entry, resources, chosen, drawn),
        }
        self.cache.mkdir(parents=True, exist_ok=True)
        write_text(self._path(key), json.dumps(run))
        return run

    def has(self, key: RunKey) -> bool:
        """Whether a run was kept."""
        return self._path(key).exists()

    def _path(self, key: RunKey) -> Path:
        identity = json.dumps(self._identity(key), sort_keys=True)
        return self.cache / f"{hashlib.sha256(identity.encode()).hexdigest()[:24]}.json"

    def _of_budget(self, budget: Budget) -> Resources:
        if budget not in self._resources:
            steps = QUICK_NEURAL_STEPS if self.quick else None
            self._resources[budget] = Resources(
                self.model, self.tokenizer, self._settings(budget), steps
            )
        return self._resources[budget]

    def _settings(self, budget: Budget) -> FitSettings:
        return QUICK if self.quick else settings_for(budget.conditions)

    def _draw(self, budget: Budget, seed: int) -> SimulatedTask:
        if (budget, seed) not in self._drawn:
            self._drawn[budget, seed] = self.task.draw(self.network, budget, self.track, seed)
        return self._drawn[budget, seed]

    def _identity(self, key: RunKey) -> dict[str, Any]:
        """All that the figures of a run depend on, but for the code."""
        starts = self.entries[key.entry].starts_from
        return {
            "task": self.task.draws,
            "network": self.network.content_hash,
            "model": "" if starts == "nothing" else self._hashes[starts],
            "entry": key.entry,
            "track": self.track,
            "budget": str(key.budget),
            "seed": key.seed,
            "settings": asdict(self._settings(key.budget)),
            "quick": self.quick,
        }

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return model_hashes(self.model)


def model_hashes(model: HMLMForSignaling) -> dict[str, str]:
    """What results depend on that start from a model's `configuration`, which is the same wherever
    it lies, or from its `weights`."""
    config = model.config.to_dict()
    config.pop("_name_or_path", None)
    text = json.dumps(config, sort_keys=True, default=str)
    configuration = hashlib.sha256(text.encode()).hexdigest()
    digest = hashlib.sha256(configuration.encode())
    for _, value in sorted(model.state_dict().items()):
        digest.update(value.cpu().numpy().tobytes())
    return {"configuration": configuration, "weights": digest.hexdigest()}


def run_entries(
    benchmark: Benchmark,
    budgets: Sequence[Budget],
    seeds: int,
    ids: Iterable[str] = (),
    workers: int = 1,
    log: Callable[[str], object] = lambda line: None,
) -> list[Result]:
    """Measure entries; returns one result per entry, budget, split and seed.

    Args:
        seeds: how many, from 0 on.
        ids: of the entries to measure; all of them by default.
        workers: processes that measure side by side; with 1, this one does.
        log: is called with a line for every run.

    Raises:
        HMLMError: an id that no entry has.
    """
    chosen = selected(benchmark.task.entries, ids)
    computed = [entry.id for entry in chosen if entry.published is None]
    wanted = [RunKey(b, id, seed) for b in budgets for id in computed for seed in range(seeds)]
    missing = sum(not benchmark.has(key) for key in wanted)
    runs = (
        _side_by_side(benchmark, wanted, min(workers, missing))
        if workers > 1 and missing > 1
        else _one_by_one(benchmark, wanted)
    )
    measured: dict[RunKey, Run] = {}
    for key, run in runs:
        measured[key] = run
        errors = "  ".join(f"{s} {of['mse']:.4f}" for s, of in run["splits"].items())
        label = benchmark.entries[key.entry].label
        log(f"{key.budget} seed {key.seed}  {label}: {errors}  ({run['seconds']:.0f} s)")
    results: list[Result] = []
    for budget in budgets:
        for entry in chosen:
            if entry.published is not None:
                results += _published(entry, budget, benchmark.task.splits[0])
            else:
                of_seeds = [measured[RunKey(budget, entry.id, seed)] for seed in range(seeds)]
                results += _results(entry, budget, of_seeds)
    return results


def _published(entry: Entry, budget: Budget, split: str) -> list[Result]:
    errors = entry.published or {}
    if str(budget) not in errors:
        return []
    return [entry.result(budget, split, None, mse=errors[str(budget)], as_published=True)]


def _results(entry: Entry, budget: Budget, of_seeds: Sequence[Run]) -> list[Result]:
    """Split by split, and seed by seed within."""
    results = []
    for split in of_seeds[0]["splits"]:
        for seed, run in enumerate(of_seeds):
            figures = dict(run["splits"][split])
            _, low, high = interval([figures.pop("squared_errors")])
            mse = figures.pop("mse")
            results.append(
                entry.result(
                    budget, split, seed, mse=mse, mse_low=low, mse_high=high, **figures,
                    seconds=run["seconds"],
                )
            )  # fmt: skip
    return results


def _one_by_one(benchmark: Benchmark, wanted: Sequence[RunKey]) -> Iterator[tuple[RunKey, Run]]:
    chosen: Hyperparameters = {}
    for key in wanted:
        run = benchmark.measure(key, None if key.seed == 0 else chosen)
        chosen = run["chosen"]
        yield key, run


def _side_by_side(
    benchmark: Benchmark, wanted: Sequence[RunKey], workers: int
) -> Iterator[tuple[RunKey, Run]]:
    """Runs as they are done. Seed 0 of an entry chooses what its other seeds take, and is first."""
    threads = max(1, torch.get_num_threads() // workers)
    # A fork of a process whose threads have computed may hang.
    context = multiprocessing.get_context("spawn")
    # A copy without what this process has drawn.
    pool = ProcessPoolExecutor(workers, context, _start_worker, (replace(benchmark), threads))
    try:
        # Left for the end, a long one would keep one worker busy while the others wait.
        first = [key for key in wanted if key.seed == 0]
        first.sort(key=lambda key: not benchmark.entries[key.entry].slow)
        under_way = {pool.submit(_measure_here, key): key for key in first}
        while under_way:
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                key, run = under_way.pop(future), future.result()
                yield key, run
                under_way |= {
                    pool.submit(_measure_here, other, run["chosen"]): other
                    for other in wanted
                    if key.seed == 0
                    and (other.budget, other.entry) == (key.budget, key.entry)
                    and other.seed > 0
                }
    finally:
        pool.shutdown(cancel_futures=True)


_BENCHMARK: list[Benchmark] = []
"""That of this worker."""


def _start_worker(benchmark: Benchmark, threads: int) -> None:
    torch.set_num_threads(threads)
    _BENCHMARK.append(benchmark)


def _measure_here(key: RunKey, chosen: Hyperparameters | None = None) -> Run:
    return _BENCHMARK[0].measure(key, chosen)


def measure_entry(
    task: Task,
    entry: Entry,
    resources: Resources,
    chosen: Hyperparameters,
    drawn: SimulatedTask,
) -> Run:
    """Fit an entry to the training conditions and measure its predictions of every split."""
    started = time.perf_counter()
    fitted = entry.make(resources, **chosen).fit(drawn.training)
    seconds = time.perf_counter() - started
    splits = {}
    for split, truth in drawn.queries.items():
        if isinstance(fitted, HMLMPredictor):
            predicted = fitted.predict_with_sd(truth.conditions, truth.times_hours)
            splits[split] = task.measure(predicted.states, predicted.scale, truth)
        else:
            states = fitted.predict(truth.conditions, truth.times_hours)
            splits[split] = task.measure(states, None, truth)
    return {"chosen": chosen, "seconds": seconds, "splits": splits}
