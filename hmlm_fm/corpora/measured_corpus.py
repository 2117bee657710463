"""Corpora of measured sets: Parquet that `datasets.load_dataset` opens, with a card.

Sets of one study, and sets that hold the same measurements, are on one side. Sets whose licence
does not allow training are for testing only, and whatever shares a study or measurements with
them; see `training_licences`. A corpus appears whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..common.errors import FormatError
from ..common.files import whole_folder, write_text
from ..formats.measured.measured_set import MeasuredSet
from ..model.error_base import HMLMError, did_you_mean
from .build import REPORTS_FOLDER, BuildError, check_new, write_table
from .layout import DATA_FOLDER, is_one_corpus, parquet_files
from .measured_card import MeasuredCardFacts, PlacedSet, write_measured_card
from .measured_rows import SCHEMA, row_of_set, set_of_row
from .parquet import read_rows
from .records import FoundSets
from .relatives import PROTECTED_FAMILIES, SIDES, deal_protected, family_of
from .same_measurements import Same, groups_of, same_measurements
from .training_licences import may_be_trained_on


def write_measured_corpus(
    out: Path, found: FoundSets, seed: int, command: str
) -> MeasuredCardFacts:
    """Write measured sets as a corpus.

    Args:
        out: a new folder, or an empty one.
        found: the sets, with distinct names, and what was not read.
        seed: of the draw of sides.
        command: that makes the corpus, for the card.

    Raises:
        BuildError: `out` holds files already, or there are no sets.
    """
    check_new(out)
    if not found.sets:
        raise BuildError("there are no measured sets; a corpus cannot hold that")
    same = same_measurements(found.sets)
    facts = MeasuredCardFacts(_placed(found.sets, same, seed), tuple(same), found, command, seed)
    with whole_folder(out) as folder:
        for side in facts.used_sides:
            _write_side(folder, side, facts.sets_of(side))
        reports = folder / REPORTS_FOLDER
        for name, problems in (
            ("skipped", [*found.skipped, *found.others]),
            ("warnings", found.warnings),
        ):
            rows = [(p.location, p.reason) for p in problems]
            write_table(reports / f"{name}.tsv", ("location", "reason"), rows)
        write_table(
            reports / "duplicates.tsv",
            ("smaller", "larger", "share"),
            [(pair.smaller, pair.larger, f"{pair.share:.4f}") for pair in same],
        )
        write_text(reports / "summary.json", json.dumps(facts.summary, indent=2) + "\n")
        write_text(folder / "README.md", write_measured_card(facts))
    return facts


def read_measured_corpus(
    folder: Path | str, sides: Iterable[str] | None = None
) -> list[MeasuredSet]:
    """The sets of a corpus, side by side, as they were written.

    Args:
        folder: of the corpus.
        sides: to read, of `SIDES`; all where None.

    Raises:
        FormatError: it is no corpus of measured sets, or a file is damaged.
        HMLMError: a side that is not known.
    """
    wanted = SIDES if sides is None else tuple(sides)
    for side in wanted:
        if side not in SIDES:
            raise HMLMError(
                f"side is {side!r}; expected some of {', '.join(SIDES)}{did_you_mean(side, SIDES)}"
            )
    if not is_one_corpus(folder):
        raise FormatError("it is no corpus; expected a folder with data/*.parquet", path=folder)
    found = []
    for path in parquet_files(Path(folder)):
        if path.name.partition("-")[0] not in wanted:
            continue
        for number, row in enumerate(read_rows(path, SCHEMA, "measured sets"), start=1):
            try:
                found.append(set_of_row(row))
            except HMLMError as error:
                raise FormatError(str(error), path=path, place=f"row {number}") from None
    return found


def is_measured_corpus(folder: Path) -> bool:
    """Whether a folder is a corpus, and of measured sets.

    Raises:
        FormatError: the first of them is damaged.
    """
    if not is_one_corpus(folder):
        return False
    path = parquet_files(folder)[0]
    try:
        names = pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        why = str(error).split("\n")[0]
        raise FormatError(
            f"it cannot be read ({why}); expected a Parquet file", path=path
        ) from None
    return "observations" in names and "conditions" in names


def _placed(sets: Sequence[MeasuredSet], same: Sequence[Same], seed: int) -> tuple[PlacedSet, ...]:
    """Every set with its group and its side, by name; the order of the sets does not matter."""
    free: list[list[PlacedSet]] = []
    for_testing: list[list[PlacedSet]] = []
    for positions in groups_of(sets, same):
        members = sorted((sets[i] for i in positions), key=lambda one: one.name)
        group = min(one.study for one in members)
        is_free = all(_may_be_trained_on(one) for one in members)
        (free if is_free else for_testing).append([PlacedSet(one, group) for one in members])
    free.sort(key=lambda members: members[0].group)
    dealt = deal_protected(free, for_testing, seed)
    placed = [
        PlacedSet(one.measured, one.group, side)
        for side, groups in zip(SIDES, dealt, strict=True)
        for members in groups
        for one in members
    ]
    return tuple(sorted(placed, key=lambda one: one.measured.name))


def _may_be_trained_on(measured: MeasuredSet) -> bool:
    """Whether its licence allows it, and models are not benchmarked on its network."""
    network = measured.network
    is_protected = network is not None and family_of(network) in PROTECTED_FAMILIES
    return may_be_trained_on(measured.licence) and not is_protected


def _write_side(folder: Path, side: str, sets: Sequence[PlacedSet]) -> None:
    rows = [row_of_set(one.measured, one.group) for one in sets]
    path = folder / DATA_FOLDER / f"{side}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    pq.write_table(table, path, compression="zstd", row_group_size=1)
