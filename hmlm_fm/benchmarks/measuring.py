"""Every row of a task at every budget and seed, several at a time.

Every cell (a row at a budget with a seed) is kept as soon as it is measured, so that a run that was
stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
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
from ..model.errors import HMLMError
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer
from .baselines.hmlm import HMLMRow
from .entries import Row
from .task import Task

QUICK = FitSettings(members=4, steps=60, patience=40)
QUICK_NEURAL_STEPS = 60


@dataclass(frozen=True)
class Place:
    """Of a cell: the budget, the name of the row, and the seed."""

    budget: Budget
    row: str
    seed: int


@dataclass
class Bench:
    """What the cells of one run share.

    Attributes:
        task: what is asked.
        network: with kinetics, which only the simulator sees.
        model, tokenizer: the pretrained one.
        track: of `TRACKS`.
        folder: of what was measured already.
        quick: fewer members and steps, for a look.
    """

    task: Task
    network: SignalingNetwork
    model: HMLMForSignaling
    tokenizer: HMLMTokenizer
    track: str
    folder: Path
    quick: bool = False

    def __post_init__(self) -> None:
        self._rows: dict[Budget, dict[str, Row]] = {}
        self._drawn: dict[tuple[Budget, int], SimulatedTask] = {}

    def rows(self, budget: Budget) -> dict[str, Row]:
        """By name."""
        if budget not in self._rows:
            steps = QUICK_NEURAL_STEPS if self.quick else None
            made = self.task.rows(self.model, self.tokenizer, self._settings(budget), steps)
            self._rows[budget] = {row.name: row for row in made}
        return self._rows[budget]

    def _settings(self, budget: Budget) -> FitSettings:
        return QUICK if self.quick else settings_for(budget.conditions)

    def measure(self, place: Place, chosen: dict[str, Any] | None = None) -> dict[str, Any]:
        """The figures of one cell, read if they were kept, or else measured and kept.

        Args:
            chosen: hyperparameters; without, they are chosen by what is seen with seed 0.
        """
        if self.has(place):
            kept: dict[str, Any] = json.loads(self._path(place).read_text(encoding="utf-8"))
            return kept
        row = self.rows(place.budget)[place.row]
        if chosen is None:
            chosen = row.choose(self._draw(place.budget, 0).training)
        drawn = self._draw(place.budget, place.seed)
        cell = {**self._key(place), **_measure(self.task, row, chosen, drawn)}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self._path(place), json.dumps(cell))
        return cell

    def has(self, place: Place) -> bool:
        """Whether the figures of a cell were kept."""
        return self._path(place).exists()

    def _path(self, place: Place) -> Path:
        key = json.dumps(self._key(place), sort_keys=True)
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"

    def _draw(self, budget: Budget, seed: int) -> SimulatedTask:
        if (budget, seed) not in self._drawn:
            self._drawn[budget, seed] = self.task.draw(self.network, budget, self.track, seed)
        return self._drawn[budget, seed]

    def _key(self, place: Place) -> dict[str, Any]:
        """All that the figures of a cell depend on, but for the code."""
        depends = ""
        if self.rows(place.budget)[place.row].starts_from_model:
            depends = self._weights
        elif place.row.startswith("HMLM"):
            depends = self._shape
        return {
            "task": self.task.draws,
            "network": self.network.content_hash,
            "model": depends,
            "row": place.row,
            "track": self.track,
            "budget": str(place.budget),
            "seed": place.seed,
            "settings": asdict(self._settings(place.budget)),
            "quick": self.quick,
        }

    @cached_property
    def _weights(self) -> str:
        digest = hashlib.sha256(self._shape.encode())
        for _, value in sorted(self.model.state_dict().items()):
            digest.update(value.cpu().numpy().tobytes())
        return digest.hexdigest()

    @cached_property
    def _shape(self) -> str:
        """A model that starts anew depends on the configuration alone, wherever that lies."""
        config = self.model.config.to_dict()
        config.pop("_name_or_path", None)
        shape = json.dumps(config, sort_keys=True, default=str)
        return hashlib.sha256(shape.encode()).hexdigest()


def run(
    bench: Bench,
    budgets: Sequence[Budget],
    seeds: int,
    only: str = "",
    workers: int = 1,
    say: Callable[[str], object] = lambda line: None,
) -> list[dict[str, Any]]:
    """Measure every row; returns one dictionary per model, budget and split.

    Args:
        seeds: how many, from 0 on.
        only: a part of the names of rows, to measure these alone.
        workers: processes that measure cells side by side; with 1, this one does.
        say: told of every cell.

    Raises:
        ValueError: no row has `only` in its name.
    """
    found: list[dict[str, Any]] = []
    names = {budget: [n for n in bench.rows(budget) if only in n] for budget in budgets}
    published = [
        {"model": name, "budget": str(budget), "split": bench.task.splits[0]}
        | {"mse": errors[str(budget)], "as_published": True}
        for budget in budgets
        for name, errors in bench.task.published.items()
        if only in name and str(budget) in errors
    ]
    if not published and not any(names.values()):
        raise HMLMError(f"no row has {only!r} in its name")
    wanted = [Place(b, name, seed) for b in budgets for name in names[b] for seed in range(seeds)]
    missing = sum(not bench.has(place) for place in wanted)
    cells = (
        _side_by_side(bench, wanted, min(workers, missing))
        if workers > 1 and missing > 1
        else _one_by_one(bench, wanted)
    )
    measured: dict[Place, dict[str, Any]] = {}
    for place, cell in cells:
        measured[place] = cell
        errors = "  ".join(f"{s} {of['mse']:.4f}" for s, of in cell["splits"].items())
        say(f"{place.budget} seed {place.seed}  {place.row}: {errors}  ({cell['seconds']:.0f} s)")
    for budget in budgets:
        found += [row for row in published if row["budget"] == str(budget)]
        for name in names[budget]:
            of_row = [measured[Place(budget, name, seed)] for seed in range(seeds)]
            found += _summarise(name, budget, of_row)
    return found


def _one_by_one(bench: Bench, wanted: Sequence[Place]) -> Iterator[tuple[Place, dict[str, Any]]]:
    chosen: dict[str, Any] = {}
    for place in wanted:
        cell = bench.measure(place, None if place.seed == 0 else chosen)
        chosen = cell["chosen"]
        yield place, cell


def _side_by_side(
    bench: Bench, wanted: Sequence[Place], workers: int
) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Cells as they are done. Seed 0 of a row chooses what its other seeds take, and is first."""
    threads = max(1, torch.get_num_threads() // workers)
    # A fork of a process whose threads have computed may hang.
    context = multiprocessing.get_context("spawn")
    # A copy without the rows that this process has made: they hold functions that do not travel.
    pool = ProcessPoolExecutor(workers, context, _start_worker, (replace(bench), threads))
    try:
        # Left for the end, a long one would keep one worker busy while the others wait.
        first = [place for place in wanted if place.seed == 0]
        first.sort(key=lambda place: not bench.rows(place.budget)[place.row].long)
        under_way = {pool.submit(_measure_here, place): place for place in first}
        while under_way:
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                place, cell = under_way.pop(future), future.result()
                yield place, cell
                under_way |= {
                    pool.submit(_measure_here, other, cell["chosen"]): other
                    for other in wanted
                    if place.seed == 0
                    and (other.budget, other.row) == (place.budget, place.row)
                    and other.seed > 0
                }
    finally:
        pool.shutdown(cancel_futures=True)


_BENCH: list[Bench] = []
"""That of this worker."""


def _start_worker(bench: Bench, threads: int) -> None:
    torch.set_num_threads(threads)
    _BENCH.append(bench)


def _measure_here(place: Place, chosen: dict[str, Any] | None = None) -> dict[str, Any]:
    return _BENCH[0].measure(place, chosen)


def _measure(task: Task, row: Row, chosen: dict[str, Any], drawn: SimulatedTask) -> dict[str, Any]:
    started = time.perf_counter()
    fitted = row.make(**chosen).fit(drawn.training)
    seconds = time.perf_counter() - started
    splits = {}
    for split, truth in drawn.queries.items():
        if isinstance(fitted, HMLMRow):
            told = fitted.answer(truth.conditions, truth.times_hours)
            splits[split] = task.measure(told.states, told.scale, truth)
        else:
            states = fitted.predict(truth.conditions, truth.times_hours)
            splits[split] = task.measure(states, None, truth)
    return {"chosen": chosen, "seconds": seconds, "splits": splits}


def _summarise(
    name: str, budget: Budget, of_seeds: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    rows = []
    for split in of_seeds[0]["splits"]:
        of_split = [cell["splits"][split] for cell in of_seeds]
        mse, low, high = interval([found["squared_errors"] for found in of_split])
        row: dict[str, Any] = {"model": name, "budget": str(budget), "split": split}
        row |= {"mse": mse, "mse_low": low, "mse_high": high}
        for key, value in of_split[0].items():
            if isinstance(value, float) and key not in row:
                row[key] = sum(found[key] for found in of_split) / len(of_split)
        row["seeds"] = len(of_split)
        row["seconds"] = sum(cell["seconds"] for cell in of_seeds) / len(of_seeds)
        rows.append(row)
    return rows
