"""The card of a corpus of measured sets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..common.words import counted
from ..formats.measured.measured_set import MeasuredSet
from ..formats.measured.set_statistics import SetStatistics, statistics_of_set
from .corpus_card import header
from .measured_rows import row_of_set
from .records import FoundSets
from .relatives import SIDES
from .same_measurements import Same
from .training_licences import may_be_trained_on

NOT_STATED = "not stated"
_COUNTS = (
    "conditions", "controls", "treatments", "readouts", "times", "values", "replicates", "batches",
)  # fmt: skip


@dataclass(frozen=True)
class PlacedSet:
    """A measured set and where it is in a corpus.

    Attributes:
        measured: the set.
        group: the first of the studies that stay on one side with it.
        side: of `SIDES`.
    """

    measured: MeasuredSet
    group: str
    side: str = ""


@dataclass(frozen=True)
class MeasuredCardFacts:
    """What the card of a corpus of measured sets states.

    Attributes:
        placed: all sets, by name.
        same: pairs that hold the same measurements.
        found: what was read, and what was not.
        command: that makes the corpus.
        seed: of the sides.
    """

    placed: tuple[PlacedSet, ...]
    same: tuple[Same, ...]
    found: FoundSets
    command: str
    seed: int

    def sets_of(self, side: str) -> list[PlacedSet]:
        """The sets of one side."""
        return [one for one in self.placed if one.side == side]

    @property
    def used_sides(self) -> list[str]:
        """The sides that have sets."""
        return [side for side in SIDES if self.sets_of(side)]

    @property
    def only_for_testing(self) -> list[str]:
        """Sets whose licence does not allow training."""
        licences = {one.measured.name: one.measured.licence for one in self.placed}
        return [name for name, licence in licences.items() if not may_be_trained_on(licence)]

    @cached_property
    def statistics(self) -> list[SetStatistics]:
        """Of every set."""
        return [statistics_of_set(one.measured) for one in self.placed]

    @cached_property
    def content_hash(self) -> str:
        """Of all sets, see `hash_of_sets`."""
        return hash_of_sets(one.measured for one in self.placed)

    @property
    def summary(self) -> dict[str, Any]:
        """The facts of the corpus as a whole."""
        return {
            "sets": len(self.placed),
            "studies": len({one.measured.study for one in self.placed}),
            "groups": len({one.group for one in self.placed}),
            "values": sum(of.values for of in self.statistics),
            "content_hash": self.content_hash,
            "sides": {side: len(self.sets_of(side)) for side in SIDES},
            "only_for_testing": len(self.only_for_testing),
            "seed": self.seed,
        }


def hash_of_sets(sets: Iterable[MeasuredSet]) -> str:
    """SHA-256 over the content hashes of measured sets, whatever their order."""
    hashes = sorted(row_of_set(one)["sha256"] for one in sets)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def write_measured_card(facts: MeasuredCardFacts) -> str:
    """The card as Markdown."""
    licences = {one.measured.licence or NOT_STATED for one in facts.placed}
    licence = licences.pop() if len(licences) == 1 else "other"
    lines = header(
        "Measurements of cell signalling", licence, [("default", "", facts.used_sides)],
        "as measured sets",
    )  # fmt: skip
    lines += ["", "# Measurements of cell signalling, as measured sets", ""]
    lines += _licence_lines(facts)
    summary = facts.summary
    sides = ", ".join(f"{len(facts.sets_of(side))} {side}" for side in facts.used_sides)
    lines += _table(
        ("", ""),
        [
            ("sets", f"{summary['sets']}, in {counted(summary['groups'], 'group')}"),
            ("values", f"{summary['values']:,}"),
            ("sides", f"{sides}; drawn by seed {facts.seed}"),
            ("command", f"`{facts.command}`"),
            ("content hash", f"`{facts.content_hash}`"),
        ],
    )
    lines += _table(("set", "side", "group", *_COUNTS), _counts(facts), right_from=3)
    lines += _table(
        ("set", "study", "source", "licence", "organism", "cell line", "shares", "network"),
        [_origin(one.measured) for one in facts.placed],
    )
    lines += _same_lines(facts)
    found = facts.found
    lines += [
        f"Not read: {len(found.skipped)}; without measurements: {len(found.others)}; odd but read: "
        f"{len(found.warnings)}. The folder `reports` lists them.",
        "",
        *_USE,
    ]
    return "\n".join(lines)


_USE = (
    "```python",
    "from datasets import load_dataset",
    "",
    'sets = load_dataset("FOLDER")["test"]  # this folder',
    "```",
    "",
    "Each row is one set, and a row group of its own. `conditions` and `observations` have the "
    "columns of the two tables of a measured set: a control is a condition of empty `kind`; a "
    "treatment that never ends has the end +inf hours; a steady state (`late`) has the time +inf "
    "hours; `scale` says whether a value is linear or a logarithm, and whether it is a change from "
    "the control. `readouts` are genes and sites where they are stated, `targets` what drugs act "
    "on (null: the package's own table), `network` prior knowledge in the project's JSON or "
    "nothing, `sha256` is of all that a set states, and `group` names what stays on one side. "
    "`hmlm_fm.corpora.measured_corpus.read_measured_corpus` gives the sets back as "
    "`MeasuredSet`s, and `hmlm benchmark real FOLDER` measures methods on them.",
    "",
)


def _licence_lines(facts: MeasuredCardFacts) -> list[str]:
    """Which sets must not be trained on."""
    names = facts.only_for_testing
    if not names:
        return []
    which = "all sets" if len(names) == len(facts.placed) else _cell(", ".join(names))
    return [
        f"**For testing only**: {which}. Their licence is not stated or not one of MIT, BSD, "
        "Apache, CC0, CC BY and the public domain; look at it before you pass them on.",
        "",
    ]


def _counts(facts: MeasuredCardFacts) -> list[tuple[str, ...]]:
    return [
        (one.measured.name, one.side, one.group, *(f"{getattr(of, name):,}" for name in _COUNTS))
        for one, of in zip(facts.placed, facts.statistics, strict=True)
    ]


def _origin(one: MeasuredSet) -> tuple[str, ...]:
    network = "" if one.network is None else one.network.name
    return (
        one.name, one.study, one.source or NOT_STATED, one.licence or NOT_STATED, one.organism,
        one.cell_line, one.shares, network,
    )  # fmt: skip


def _same_lines(facts: MeasuredCardFacts) -> list[str]:
    """Which sets hold the same measurements."""
    lines = [f"- {_cell(str(pair))}" for pair in facts.same]
    start = (
        "Sets of one study, and sets that hold the same measurements under other names, are on "
        "one side (`group`)."
    )
    return [f"{start} Found:" if lines else f"{start} None were found.", "", *lines, ""]


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], right_from: int | None = None
) -> list[str]:
    marks = [
        "---:" if right_from is not None and i >= right_from else "---" for i in range(len(head))
    ]
    return [
        f"| {' | '.join(head)} |",
        f"|{'|'.join(marks)}|",
        *(f"| {' | '.join(map(_cell, row))} |" for row in rows),
        "",
    ]


def _cell(text: str) -> str:
    """A text that stays within a cell."""
    return " ".join(text.split()).replace("|", "\\|")
