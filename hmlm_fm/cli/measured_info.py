"""What `hmlm info` says of measured sets and of their corpora."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..common.words import counted
from ..corpora.layout import is_one_corpus
from ..corpora.measured_sources import load_measured_sets
from ..formats.measured.measured_set import LATE, MeasuredSet, Treatment
from ..formats.measured.set_formats import set_format
from ..formats.measured.set_statistics import statistics_of_set
from ..model.error_base import listed

MOST_READOUTS, MOST_TREATMENTS = 100, 30
NOT_STATED, NONE = "not stated", "none"

Facts = Iterator[tuple[str, object]]


def is_measured(path: Path) -> bool:
    """Whether a file or folder holds measured sets: published, or in a corpus.

    Raises:
        FormatError: a file cannot be read.
    """
    if not path.exists():
        return False
    if not is_one_corpus(path):
        return set_format(path) is not None
    from ..corpora.measured_corpus import is_measured_corpus  # pyarrow takes its time

    return is_measured_corpus(path)


def facts_of_measured(name: str) -> Facts:
    """Of a file, a folder or a corpus with measured sets.

    Raises:
        FormatError: it cannot be read.
    """
    path = Path(name)
    found = load_measured_sets([path])
    if is_one_corpus(path):
        yield "corpus of measured sets", name
        yield from sets_facts(found.sets)
        yield from _corpus_facts(path, found.sets)
    elif len(found.sets) == 1:
        yield "measured set", name
        yield from set_facts(found.sets[0])
    else:
        yield "measured sets", name
        yield from sets_facts(found.sets)
    for problem in found.warnings:
        yield "odd", problem.reason


def set_facts(one: MeasuredSet) -> Facts:
    """Of one measured set."""
    of = statistics_of_set(one)
    yield "study", one.study
    yield "source", one.source or NOT_STATED
    yield "licence", one.licence or NOT_STATED
    for fact in ("organism", "cell_line", "shares"):
        if getattr(one, fact):
            yield fact.replace("_", " "), getattr(one, fact)
    if one.network is None:
        yield "network", f"{NONE}; --network of a command names one"
    else:
        molecules = counted(len(one.network.molecules), "molecule")
        yield "network", f"{one.network.name}, {molecules}"
    yield "conditions", of.conditions
    yield "control", _control(one)
    yield "treatments", of.treatments
    yield from _treatment_facts(one)
    names = one.readout_names
    shown = ", ".join(names) if len(names) <= MOST_READOUTS else listed(names)
    yield "readouts", f"{len(names)}: {shown}"
    if one.readouts:
        yield "genes", f"stated of {sum(name in one.readouts for name in names)} readouts"
    if one.targets is not None:
        yield "targets", f"stated of {counted(len(one.targets.targets), 'drug')}"
    yield "times", _times(one)
    yield "values", of.values
    yield "modalities", ", ".join(sorted({m.modality for m in one.measurements}))
    yield "scales", ", ".join(sorted({str(m.scale) for m in one.measurements}))
    yield "replicates", _up_to(of.replicates, "of one condition, readout and time")
    yield "sd", f"stated of {sum(m.sd is not None for m in one.measurements)} values"
    yield "batches", _names({m.batch for m in one.measurements if m.batch})
    for note in one.notes:
        yield "note", note


def sets_facts(sets: Sequence[MeasuredSet]) -> Facts:
    """Of several measured sets."""
    yield "sets", len(sets)
    yield "studies", _names({one.study for one in sets})
    yield "values", sum(len(one.measurements) for one in sets)
    licences = Counter(one.licence or NOT_STATED for one in sets)
    yield "licences", "; ".join(f"{licence} ({n})" for licence, n in sorted(licences.items()))
    for one in sets:
        of = statistics_of_set(one)
        counts = [
            counted(of.conditions, "condition"), counted(of.treatments, "treatment"),
            counted(of.readouts, "readout"), counted(of.times, "time"), counted(of.values, "value"),
        ]  # fmt: skip
        yield "set", f"{one.name}: {', '.join(counts)}; {one.licence or NOT_STATED}"


def _corpus_facts(path: Path, sets: Sequence[MeasuredSet]) -> Facts:
    from ..corpora.measured_card import hash_of_sets
    from ..corpora.measured_corpus import read_measured_corpus
    from ..corpora.relatives import SIDES

    for side in SIDES:
        yield side, _names(one.name for one in read_measured_corpus(path, [side]))
    yield "hash", hash_of_sets(sets)


def _control(one: MeasuredSet) -> str:
    """The conditions in which nothing was given."""
    with_values = {m.condition for m in one.measurements}
    names = [
        name
        for name, done in one.conditions.items()
        if name in with_values and not any(t.value for t in done)
    ]
    if names:
        return listed(names)
    is_change = all(m.scale.is_change for m in one.measurements)
    return f"{NONE}; values are changes from it" if is_change else NONE


def _treatment_facts(one: MeasuredSet) -> Facts:
    """Each treatment with its doses."""
    doses: dict[tuple[str, str, float, float], list[Treatment]] = {}
    for done in one.conditions.values():
        for treatment in done:
            doses.setdefault(treatment.key, []).append(treatment)
    for same in list(doses.values())[:MOST_TREATMENTS]:
        first = same[0]
        values = listed(f"{value:g}" for value in sorted({t.value for t in same}))
        yield "treatment", f"{first.label} ({first.kind}): {values} {first.unit}".rstrip()
    if len(doses) > MOST_TREATMENTS:
        yield "treatment", f"and {len(doses) - MOST_TREATMENTS} more"


def _times(one: MeasuredSet) -> str:
    hours = [t for t in one.times_hours if t != LATE]
    words = [", ".join(f"{t:g}" for t in hours) + " hours"] if hours else []
    return ", ".join([*words, *(["late"] if len(hours) < len(one.times_hours) else [])])


def _up_to(count: int, what: str) -> str:
    return NONE if count < 2 else f"up to {count} values {what}"


def _names(names: Iterable[str]) -> str:
    found = sorted(names)
    return f"{len(found)}: {listed(found)}" if found else NONE
