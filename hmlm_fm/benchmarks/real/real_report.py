"""`hmlm benchmark real`, from its sets to its report."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...common.errors import OptionsError
from ...common.files import read_text, write_text
from ...common.words import by_comma, not_installed
from ...corpora.records import FoundSets
from ...corpora.same_measurements import same_measurements, values_hash
from ...fitting.ensemble import FitSettings, settings_for
from ...formats.measured.measured_set import MeasuredSet
from ...inference.shipped import TRAINING_FILE, checkpoint_path
from ...measurements.responses import responses_of
from ...model.error_base import did_you_mean
from ..benchmark_options import BenchmarkOptions
from ..measuring import QUICK, QUICK_NEURAL_STEPS, model_hashes
from ..report import Report
from .directions import directions
from .folds import SPLITS
from .network_methods import InContext
from .published_figures import published_figures
from .real_entries import IN_CONTEXT, RealEntry, RealResources
from .real_table import plot_ratios, real_table, summarise_sets
from .run_real import RealRun, run_sets

Log = Callable[[str], object]
WITH_SCIKIT_LEARN = ("bayesian-ridge", "gaussian-process")
"""Entries that need it."""


def measure_real(
    found: FoundSets,
    entries: Sequence[RealEntry],
    options: BenchmarkOptions,
    workers: int,
    log: Log,
) -> Report:
    """Measure entries on measured sets.

    Raises:
        OptionsError: no sets, or an unknown split.
        HMLMError: there is no such checkpoint.
    """
    if not found.sets:
        raise OptionsError("no measured sets; expected SET_OR_CORPUS, one or several")
    splits = _splits(options.splits)
    _check_installed(entries)
    for problem in (*found.skipped, *found.warnings):
        log(f"{problem.location}: {problem.reason}")
    same = same_measurements(found.sets)
    for pair in same:
        log(str(pair))
    sets = [responses_of(one) for one in found.sets]
    resources = RealResources(
        options.model,
        QUICK if options.quick else settings_for(max(len(r.doses) for r in sets)),
        QUICK_NEURAL_STEPS if options.quick else None,
    )
    run = RealRun(
        sets,
        tuple(replace(e, repeats=1) if options.quick else e for e in entries),
        resources,
        _identity(resources, entries, resources.settings),
        options.cache,
        splits,
        options.fitted_sets,
    )
    trained_on = _trained_on(resources, found.sets) if run.asks_weights else []
    results, skipped = run_sets(run, workers, log)
    results = [row | {"trained_on": row["set"] in trained_on} for row in results]
    if not results:
        reasons = "; ".join(f"{place}: {reason}" for place, reason in list(skipped.items())[:3])
        raise OptionsError(f"no set has enough conditions for a split ({reasons})")
    if options.predictions is not None:
        _write_predictions(run, results, options)
    about: dict[str, Any] = {
        "summary": summarise_sets(results),
        "trained_on": trained_on,
        "directions": directions(
            [r for r in sets if r.measured.name not in trained_on] or sets,
            _in_context(entries, resources),
        ),
        "published": published_figures(sets),
        "skipped": skipped,
        "same_measurements": [asdict(pair) for pair in same],
    }
    highlighted = {entry.id for entry in entries if entry.highlighted}
    draw = partial(plot_ratios, results=results, highlighted=highlighted)
    return Report(results, real_table(results, about), draw, about)


def _check_installed(entries: Sequence[RealEntry]) -> None:
    """
    Raises:
        OptionsError: an entry needs scikit-learn, which is not installed.
    """
    learned = [entry for entry in entries if entry.id in WITH_SCIKIT_LEARN]
    if learned and find_spec("sklearn") is None:
        raise OptionsError(not_installed("scikit-learn", "benchmarks"))


def _trained_on(resources: RealResources, sets: Sequence[MeasuredSet]) -> list[str]:
    """The names of the sets that the checkpoint's head was trained on, by their values."""
    file = Path(checkpoint_path(resources.name), TRAINING_FILE)
    stated = json.loads(read_text(file))["sets"] if file.is_file() else []
    known = {one["values"] for one in stated}
    return [one.name for one in sets if values_hash(one) in known]


def _in_context(entries: Sequence[RealEntry], resources: RealResources) -> dict[str, InContext]:
    """The entries that answer in context, by their labels."""
    found = {}
    for entry in entries:
        method = entry.make(resources) if entry.id.startswith(IN_CONTEXT) else None
        if isinstance(method, InContext):
            found[entry.label] = method
    return found


def _splits(text: str) -> tuple[str, ...]:
    """
    Raises:
        OptionsError: one that is not known.
    """
    wanted = by_comma(text)
    for one in wanted:
        if one not in SPLITS:
            raise OptionsError(
                f"no split {one!r}{did_you_mean(one, SPLITS)}; expected some of {', '.join(SPLITS)}"
            )
    return tuple(split for split in SPLITS if split in wanted or not wanted)


def _identity(
    resources: RealResources, entries: Sequence[RealEntry], settings: FitSettings
) -> dict[str, str]:
    """What kept answers depend on, by what entries start from."""
    found = {"nothing": "", "settings": json.dumps(asdict(settings), sort_keys=True)}
    if any(entry.starts_from != "nothing" for entry in entries):
        found |= model_hashes(resources.of_model.model)
    return found


def _write_predictions(
    run: RealRun, results: Sequence[dict[str, Any]], options: BenchmarkOptions
) -> None:
    """A table of what every entry predicts of each held-out value."""
    assert options.predictions is not None
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("set", "split", "part", "repeat", "condition", "readout", "time_hours", "entry",
         "change", "predicted", "sd")
    )  # fmt: skip
    for row in run.predictions(results):
        writer.writerow(row)
    write_text(options.predictions, text.getvalue())
