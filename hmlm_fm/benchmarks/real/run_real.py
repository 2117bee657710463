"""Every entry on every measured set and split, several at a time.

What an entry said of a set's split is kept in a folder, so that a run that was stopped is resumed.
"""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...common.files import write_bytes
from ...measurements.responses import Responses, hours_text
from ...model.error_base import HMLMError
from .figures_of_folds import Tally, figures
from .folds import FEWEST_CONDITIONS, SPLITS, Fold, TooFew, folds_of, lines_of_design
from .methods import Answer
from .real_entries import RealEntry, RealResources

Log = Callable[[str], object]


@dataclass(frozen=True)
class Job:
    """One entry on one split of one set, by the positions of all three."""

    of_set: int
    split: str
    entry: int


@dataclass
class RealRun:
    """What the jobs share.

    Attributes:
        sets: the responses of every set.
        entries: those that are measured, the ruler first.
        resources: of the entries.
        identity: of the checkpoint, and of the settings.
        cache: the folder of answers that are kept.
        splits: that are measured.
        fitted_sets: on how many sets, each of another study, entries are measured that are fitted.
    """

    sets: list[Responses]
    entries: tuple[RealEntry, ...]
    resources: RealResources
    identity: dict[str, str]
    cache: Path
    splits: tuple[str, ...] = tuple(SPLITS)
    fitted_sets: int = 3

    @property
    def asks_weights(self) -> bool:
        """Whether any entry starts from the checkpoint's weights."""
        return any(entry.starts_from == "weights" for entry in self.entries)

    def folds(self, of_set: int, split: str) -> list[Fold]:
        """All folds of a split of a set.

        Raises:
            TooFew: the set has too little for the split.
        """
        responses = self.sets[of_set]
        others = lines_of_design(responses, self.sets) if split.startswith("line") else ()
        repeats = max(entry.repeats for entry in self.entries)
        return folds_of(split, responses, others, repeats)

    def folds_of_job(self, job: Job) -> list[Fold]:
        """Those that the entry is measured on."""
        folds = self.folds(job.of_set, job.split)
        return [folds[i] for i in self.entries[job.entry].chosen(folds)]

    @cached_property
    def sets_of_fitted(self) -> list[int]:
        """Positions of the sets that fitted entries are measured on: with a network and enough
        conditions, first those of different studies, the smaller networks first."""
        able = [
            i
            for i, responses in enumerate(self.sets)
            if responses.measured.network is not None and len(responses.doses) >= FEWEST_CONDITIONS
        ]
        studies: dict[str, list[int]] = {}
        for i in able:
            studies.setdefault(self.sets[i].measured.study, []).append(i)
        rounds = zip_longest(*studies.values())
        ordered = [i for of_round in rounds for i in of_round if i is not None]
        return ordered[: self.fitted_sets]

    def predictions(self, results: Sequence[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
        """Every held-out value with what each entry predicts; see the header of the table."""
        place = {r.measured.name: i for i, r in enumerate(self.sets)}
        of_entry = {entry.id: e for e, entry in enumerate(self.entries)}
        for row in results:
            job = Job(place[row["set"]], row["split"], of_entry[row["entry"]])
            responses = self.sets[job.of_set]
            folds = self.folds_of_job(job)
            for fold, answer in zip(folds, self.answers(job)[0], strict=True):
                for q, m in zip(*np.nonzero(np.isfinite(fold.truth)), strict=True):
                    output = responses.outputs[m]
                    sd = "" if answer.sd is None else f"{answer.sd[q, m]:.6g}"
                    yield (
                        row["set"], job.split, fold.part, fold.repeat,
                        fold.shown.query_conditions[q], output.readout,
                        hours_text(output.hours), row["entry"],
                        f"{fold.truth[q, m]:.6g}", f"{answer.changes[q, m]:.6g}", sd,
                    )  # fmt: skip

    def answers(self, job: Job) -> tuple[list[Answer], float]:
        """What an entry says of every fold, and the seconds that it took; kept ones are read."""
        entry = self.entries[job.entry]
        folds = self.folds_of_job(job)
        path = self._path(job, folds)
        if path is not None and path.exists():
            return _stored(path, len(folds))
        started = time.perf_counter()
        method = entry.make(self.resources)
        found = [method.answer(fold.shown) for fold in folds]
        seconds = time.perf_counter() - started
        if path is not None:
            _store(path, found, seconds)
        return found, seconds

    def _path(self, job: Job, folds: Sequence[Fold]) -> Path | None:
        """Where answers are kept; what takes milliseconds is not."""
        entry = self.entries[job.entry]
        if entry.starts_from == "nothing" and not entry.is_fitted:
            return None
        digest = hashlib.sha256()
        for fold in folds:
            for values in (fold.shown.doses, fold.shown.changes, fold.shown.query_doses):
                digest.update(np.ascontiguousarray(values).tobytes())
        network = self.sets[job.of_set].measured.network
        stated = {
            "task": "real", "entry": entry.id, "split": job.split, "data": digest.hexdigest(),
            "network": network.content_hash if network else "",
            "model": self.identity[entry.starts_from],
            "settings": self.identity["settings"] if entry.is_fitted else "",
        }  # fmt: skip
        name = hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:24]
        return self.cache / f"{name}.npz"


def run_sets(run: RealRun, workers: int, log: Log) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Measure all entries; returns the results, and why sets were skipped, by set and split.

    Args:
        workers: processes that measure side by side.
        log: is called with a line for every set and split.
    """
    jobs, skipped = _jobs(run)
    answered: dict[tuple[int, str], dict[int, tuple[list[Answer], float]]] = {}
    wanted = {(job.of_set, job.split): 0 for job in jobs}
    for job in jobs:
        wanted[job.of_set, job.split] += 1
    results: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for job, found in _answered(run, jobs, workers):
        place = (job.of_set, job.split)
        answered.setdefault(place, {})[job.entry] = found
        if len(answered[place]) == wanted[place]:
            results[place] = _results(run, *place, answered.pop(place))
            log(_line(results[place]))
    order = [(i, split) for i in range(len(run.sets)) for split in SPLITS]
    return [row for place in order for row in results.get(place, ())], skipped


def _jobs(run: RealRun) -> tuple[list[Job], dict[str, str]]:
    jobs, skipped = [], {}
    for i, responses in enumerate(run.sets):
        for split in run.splits:
            entries = [e for e, entry in enumerate(run.entries) if _takes(run, entry, i, split)]
            try:
                run.folds(i, split)
            except TooFew as reason:
                skipped[f"{responses.measured.name}, {split}"] = str(reason)
                continue
            jobs += [Job(i, split, e) for e in entries]
    return jobs, skipped


def _takes(run: RealRun, entry: RealEntry, of_set: int, split: str) -> bool:
    """Whether an entry is measured on a split of a set; what is fitted needs a network."""
    return split in entry.splits and not (entry.is_fitted and of_set not in run.sets_of_fitted)


def _answered(
    run: RealRun, jobs: Sequence[Job], workers: int
) -> Iterator[tuple[Job, tuple[list[Answer], float]]]:
    """Answers as they are found; side by side where any entry takes longer than starting that."""
    takes_long = [run.entries[job.entry] for job in jobs]
    if workers == 1 or not any(e.is_fitted or e.starts_from != "nothing" for e in takes_long):
        for job in jobs:
            yield job, run.answers(job)
        return
    # A fork of a process whose threads have computed may hang.
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // workers)
    pool = ProcessPoolExecutor(workers, context, _start_worker, (run, threads))
    try:
        under_way = {pool.submit(_answer_here, job): job for job in jobs}
        for future in as_completed(under_way):
            yield under_way[future], future.result()
    except BrokenProcessPool:
        raise HMLMError(
            "a process that measured was stopped, perhaps for want of memory; the same command "
            "goes on from there, with --workers 1 in one process"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


_RUN: list[RealRun] = []
"""That of this worker."""


def _start_worker(run: RealRun, threads: int) -> None:
    torch.set_num_threads(threads)
    _RUN.append(run)


def _answer_here(job: Job) -> tuple[list[Answer], float]:
    return _RUN[0].answers(job)


def _results(
    run: RealRun, of_set: int, split: str, answered: dict[int, tuple[list[Answer], float]]
) -> list[dict[str, Any]]:
    """One result for every entry; each is held against the ruler on its own folds."""
    responses = run.sets[of_set]
    measured, found = responses.measured, []
    ruler_answers = answered[0][0]
    folds = run.folds(of_set, split)
    for e in sorted(answered):
        answers, seconds = answered[e]
        own, base = Tally.of(len(responses.doses)), Tally.of(len(responses.doses))
        for i, answer in zip(run.entries[e].chosen(folds), answers, strict=True):
            own.add(folds[i], answer)
            base.add(folds[i], ruler_answers[i])
        found.append(
            {
                "set": measured.name, "study": measured.study, "split": split,
                "entry": run.entries[e].id, "label": run.entries[e].label,
                "conditions": len(responses.doses), "outputs": len(responses.outputs),
                **figures(own, base), "noise": responses.noise_source, "seconds": seconds,
            }
        )  # fmt: skip
    return found


def _line(results: Sequence[dict[str, Any]]) -> str:
    first = results[0]
    errors = "  ".join(f"{row['entry']} {row['ratio']:.2f}" for row in results[1:])
    return f"{first['set']}, {first['split']}: ruler {first['mse']:.3f}; over it {errors}"


def _store(path: Path, answers: Sequence[Answer], seconds: float) -> None:
    """Keep answers; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray] = {"seconds": np.array(seconds)}
    for i, answer in enumerate(answers):
        arrays[f"changes_{i}"] = answer.changes
        if answer.sd is not None:
            arrays[f"sd_{i}"] = answer.sd
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    write_bytes(path, content.getvalue())


def _stored(path: Path, count: int) -> tuple[list[Answer], float]:
    with np.load(path, allow_pickle=False) as kept:
        answers = [
            Answer(kept[f"changes_{i}"], kept[f"sd_{i}"] if f"sd_{i}" in kept else None)
            for i in range(count)
        ]
        return answers, float(kept["seconds"])
