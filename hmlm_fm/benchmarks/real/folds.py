"""What is shown of a measured set and what is held out, split by split.

Shapes: C shown conditions, Q held-out ones, K treatments, M outputs (a readout at a time). A
condition is a distinct treatment vector: whatever bears it, at any time, stays on one side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...formats.measured.measured_set import MeasuredSet
from ...measurements.responses import Output, Responses

FOLDS, REPEATS = 4, 3
FEWEST_CONDITIONS = 12
FEWEST_SHOWN = 4
"""A split whose folds would show fewer conditions is skipped."""
FEWEST_DOSES = 3
FEW, FEWEST_ASKED = (4, 8, 16, 32), 6
"""Sizes of small contexts, and how many conditions must be left to ask."""
QUARTER = 0.25
LINE, LINE_QUARTER = "line", "line-quarter"


@dataclass(frozen=True)
class Shown:
    """What a method is shown.

    Attributes:
        measured: names and network of the set that is asked about, without its values.
        outputs: (M) what is predicted.
        doses: (C, K) treatment vectors, each treatment relative to its largest dose in the set.
        changes: (C, M) from the control, NaN where nothing was measured.
        lines: (C) the cell line of each condition; all the same but in the splits over lines.
        conditions: (C) the name of a condition with each vector.
        query_doses: (Q, K).
        query_conditions: (Q) the name of a condition with each vector.
        query_line: the cell line of the queries.
        treatments: (K) as `Responses.treatments`.
        held_out: the treatment that no shown condition has, in the split over treatments.
    """

    measured: MeasuredSet
    outputs: tuple[Output, ...]
    doses: np.ndarray
    changes: np.ndarray
    lines: np.ndarray
    conditions: tuple[str, ...]
    query_doses: np.ndarray
    query_conditions: tuple[str, ...]
    query_line: str
    treatments: tuple[tuple[str, str, float, float], ...]
    held_out: int | None = None

    @property
    def unit(self) -> float:
        """One standard deviation of what is shown."""
        spread = float(np.nanstd(self.changes))
        return spread if spread > 0 else 1.0


@dataclass(frozen=True)
class Fold:
    """What is shown, and the truth of what is not.

    Attributes:
        split: its name.
        part: what is held out, in words.
        repeat: of random folds.
        shown: what methods get.
        rows: (Q) positions of the queries among the set's conditions.
        truth: (Q, M) changes of the queries, NaN where nothing was measured.
        noise: (Q, M) variances of these about their replicates; NaN where they are not known.
    """

    split: str
    part: str
    repeat: int
    shown: Shown
    rows: np.ndarray
    truth: np.ndarray
    noise: np.ndarray


Split = Callable[[Responses, Sequence[Responses], int], Iterator[Fold]]


class TooFew(Exception):
    """A set has too little for a split; the message says what."""


def folds_of(
    split: str, responses: Responses, others: Sequence[Responses] = (), repeats: int = REPEATS
) -> list[Fold]:
    """The folds of a split of a set.

    Args:
        split: of `SPLITS`.
        responses: of the set.
        others: of the other lines of its design.
        repeats: of random folds.

    Raises:
        TooFew: the set has too few conditions, or none of what the split holds out.
    """
    count = len(responses.doses)
    if count < FEWEST_CONDITIONS:
        raise TooFew(f"{count} distinct conditions; expected at least {FEWEST_CONDITIONS}")
    found = list(SPLITS[split](responses, others, repeats))
    if not found:
        raise TooFew(NOTHING[split])
    return found


def _conditions(responses: Responses, _: Sequence[Responses], repeats: int) -> Iterator[Fold]:
    """Random quarters of the conditions, each held out once in every repeat."""
    count = len(responses.doses)
    for repeat in range(repeats):
        order = _generator(responses, repeat).permutation(count)
        for part in range(FOLDS):
            held_out = np.sort(order[part::FOLDS])
            yield fold_of("conditions", f"quarter {part + 1}", repeat, responses, held_out)


def _combinations(responses: Responses, _: Sequence[Responses], __: int) -> Iterator[Fold]:
    """All conditions with several treatments, of which each is shown alone. What more than half of
    the conditions have does not count."""
    active = (responses.doses > 0) & ~responses.background
    singles = np.flatnonzero(active.sum(1) <= 1)
    known = active[singles].any(0)
    combined = np.flatnonzero((active.sum(1) > 1) & ~(active & ~known).any(1))
    if len(singles) >= FEWEST_SHOWN and len(combined) >= FEWEST_SHOWN:
        yield fold_of("combinations", "combinations", 0, responses, combined, singles)


def _treatment(responses: Responses, _: Sequence[Responses], __: int) -> Iterator[Fold]:
    """All conditions with one treatment, each in turn but for what more than half of them have."""
    for k in np.flatnonzero(~responses.background):
        has = responses.doses[:, k] > 0
        if has.any() and (~has).sum() >= FEWEST_SHOWN:
            label = responses.labels[k]
            yield fold_of(
                "treatment", label, 0, responses, np.flatnonzero(has), held_out_treatment=int(k)
            )


def _dose(responses: Responses, _: Sequence[Responses], __: int) -> Iterator[Fold]:
    """All conditions with one dose of a treatment that has three or more, each in turn."""
    for k, label in enumerate(responses.labels):
        doses = np.unique(responses.doses[:, k])
        doses = doses[doses > 0]
        for dose in doses if len(doses) >= FEWEST_DOSES else ():
            has = responses.doses[:, k] == dose
            if (~has).sum() >= FEWEST_SHOWN:
                yield fold_of("dose", f"{label} {dose:g}", 0, responses, np.flatnonzero(has))


def _few(count: int) -> Split:
    """The split that shows a few random conditions and asks all others."""

    def folds(responses: Responses, _: Sequence[Responses], repeats: int) -> Iterator[Fold]:
        enough = len(responses.doses) >= count + FEWEST_ASKED
        for repeat in range(repeats if enough else 0):
            # What a smaller context shows, a larger one shows too.
            order = _generator(responses, repeat).permutation(len(responses.doses))
            held_out = np.sort(order[count:])
            yield fold_of(shown_few(count), "all others", repeat, responses, held_out)

    return folds


def shown_few(count: int) -> str:
    """The name of the split that shows so many conditions."""
    return f"shown-{count}"


def _line(responses: Responses, others: Sequence[Responses], _: int) -> Iterator[Fold]:
    """All conditions of the line; the other lines are shown whole."""
    if others:
        rows = np.arange(len(responses.doses))
        nothing = np.array([], dtype=int)
        yield fold_of(LINE, "the whole line", 0, responses, rows, nothing, others)


def _line_quarter(
    responses: Responses, others: Sequence[Responses], repeats: int
) -> Iterator[Fold]:
    """Three quarters of the conditions of the line; the other lines are shown whole."""
    count = len(responses.doses)
    for repeat in range(repeats if others else 0):
        order = _generator(responses, repeat).permutation(count)
        own = np.sort(order[: max(1, round(count * QUARTER))])
        rest = np.setdiff1d(np.arange(count), own)
        yield fold_of(LINE_QUARTER, "three quarters", repeat, responses, rest, own, others)


SPLITS: dict[str, Split] = {
    "conditions": _conditions,
    "combinations": _combinations,
    "treatment": _treatment,
    "dose": _dose,
    LINE: _line,
    LINE_QUARTER: _line_quarter,
    **{shown_few(count): _few(count) for count in FEW},
}
NOTHING = {
    "conditions": "it has no conditions",
    "combinations": "too few combinations of treatments that are shown alone",
    "treatment": "no treatment that some conditions have and enough have not",
    "dose": f"no treatment with {FEWEST_DOSES} doses",
    LINE: "no other line of the same design",
    LINE_QUARTER: "no other line of the same design",
    **{shown_few(n): f"fewer than {n + FEWEST_ASKED} distinct conditions" for n in FEW},
}
"""Why a split has no folds."""


def lines_of_design(responses: Responses, every: Sequence[Responses]) -> list[Responses]:
    """The other lines of a set's design: sets of the same study and another cell line that have at
    least half of its treatment vectors and outputs, laid out as the set is."""
    own = responses.measured
    found = []
    for other in every:
        of_other = other.measured
        if other is responses or of_other.study != own.study:
            continue
        if of_other.cell_line == own.cell_line:
            continue
        aligned = _aligned(other, responses)
        if aligned is not None:
            found.append(aligned)
    return found


def _aligned(other: Responses, to: Responses) -> Responses | None:
    """Responses of another line with the treatments and outputs of a set, without conditions that
    have others; None where less than half of the set's vectors or outputs are left."""
    place = {key: i for i, key in enumerate(other.treatments)}
    doses = np.zeros((len(other.doses), len(to.treatments)))
    for k, key in enumerate(to.treatments):
        if key in place:
            doses[:, k] = other.doses[:, place[key]]
    foreign = [i for i, key in enumerate(other.treatments) if key not in to.treatments]
    kept = np.flatnonzero(~(other.doses[:, foreign] > 0).any(1))
    columns = {output: i for i, output in enumerate(other.outputs)}
    shared = [output in columns for output in to.outputs]
    own = {tuple(vector) for vector in to.doses}
    common = sum(tuple(vector) in own for vector in doses[kept])
    if 2 * common < len(own) or 2 * sum(shared) < len(shared):
        return None
    changes = np.full((len(kept), len(to.outputs)), np.nan)
    for m, output in enumerate(to.outputs):
        if output in columns:
            changes[:, m] = other.changes[kept, columns[output]]
    return Responses(
        other.measured, to.treatments, doses[kept], tuple(other.conditions[i] for i in kept),
        to.outputs, changes, np.isfinite(changes).astype(int),
        np.zeros(len(to.outputs)), np.full(len(to.outputs), np.nan),
    )  # fmt: skip


def fold_of(
    split: str,
    part: str,
    repeat: int,
    responses: Responses,
    held_out: np.ndarray,
    shown: np.ndarray | None = None,
    others: Sequence[Responses] = (),
    held_out_treatment: int | None = None,
) -> Fold:
    """A fold by positions of conditions; what is not held out is shown by default."""
    if shown is None:
        shown = np.setdiff1d(np.arange(len(responses.doses)), held_out)
    own = responses.subset(shown)
    changes = np.concatenate([own.changes, *(other.changes for other in others)])
    truth = responses.changes[held_out]
    reference = responses.reference_of(changes)
    changes, truth = changes - reference, truth - reference
    lines = [own.measured.cell_line] * len(own.doses)
    for other in others:
        lines += [other.measured.cell_line or other.measured.name] * len(other.doses)
    conditions = tuple(names[0] for one in (own, *others) for names in one.conditions)
    view = Shown(
        replace(responses.measured, measurements=()),
        responses.outputs,
        np.concatenate([own.doses, *(other.doses for other in others)]),
        changes,
        np.array(lines, dtype=object),
        conditions,
        responses.doses[held_out],
        tuple(responses.conditions[i][0] for i in held_out),
        responses.measured.cell_line,
        responses.treatments,
        held_out_treatment,
    )
    noise = responses.noise / np.maximum(responses.counts[held_out], 1)
    return Fold(split, part, repeat, view, held_out, truth, noise)


def _generator(responses: Responses, repeat: int) -> np.random.Generator:
    """The same for a set wherever it lies, and whatever else is measured beside it."""
    digest = hashlib.sha256(np.ascontiguousarray(responses.doses).tobytes()).digest()
    return np.random.default_rng([2026, repeat, int.from_bytes(digest[:4], "big")])
