"""`hmlm corpus build measured`: a corpus of measured sets, from files as they are published."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from ..common.words import counted
from ..corpora.build import BuildError
from ..corpora.measured_card import MeasuredCardFacts
from ..corpora.measured_corpus import write_measured_corpus
from ..corpora.measured_sources import load_measured_sets
from ..corpora.records import Problem

LISTED = 20


def build_measured(
    options: argparse.Namespace, command: str, progress: Callable[[str], object]
) -> None:
    """Build the corpus, and print what it holds and what was not read.

    Args:
        options: with `from_dir`, `out` and `seed`.
        command: for the card.
        progress: is called with each file that is looked at.

    Raises:
        BuildError: there is no --from-dir.
        HMLMError: as `load_measured_sets` and `write_measured_corpus`.
    """
    if options.from_dir is None:
        raise BuildError(f"{options.source}: expected --from-dir, a folder with measurements")
    started = time.perf_counter()
    found = load_measured_sets([options.from_dir], progress)
    facts = write_measured_corpus(options.out, found, options.seed, command)
    _report(facts, time.perf_counter() - started)
    print(f"the corpus is in {options.out}; see its README.md, and reports/ for all files")


def _report(facts: MeasuredCardFacts, seconds: float) -> None:
    found, summary = facts.found, facts.summary
    sides = ", ".join(f"{count} {side}" for side, count in summary["sides"].items())
    print(
        f"measured: {counted(summary['sets'], 'set')}, {summary['values']:,} values in "
        f"{seconds:.0f} s; {sides}; not read {len(found.skipped)}, odd {len(found.warnings)}, "
        f"without measurements {len(found.others)}"
    )
    _list("skipped", found.skipped)
    _list("odd", found.warnings)
    for pair in facts.same:
        print(f"  the same measurements: {pair}")
    if facts.only_for_testing:
        names = ", ".join(facts.only_for_testing[:LISTED])
        more = len(facts.only_for_testing) - LISTED
        print(
            f"  for testing only (their licence allows no training or is not stated): {names}"
            + (f" and {more} more" if more > 0 else "")
        )


def _list(word: str, problems: list[Problem]) -> None:
    for problem in problems[:LISTED]:
        print(f"  {word} {problem.location}: {problem.reason}")
    if len(problems) > LISTED:
        print(f"  … and {len(problems) - LISTED} more")
