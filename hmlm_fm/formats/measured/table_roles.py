"""What the columns of a published table of measurements are: stated, or found by their names and
contents.

Two shapes are known. Of a wide table each row is a condition at a time, with columns of doses or
of what was given, and a column for each readout. Of a long table each row is a value, with a column
that names the readout.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from ...common.errors import FormatError
from ...model.conditions import MODALITIES
from ...model.error_base import did_you_mean, quoted
from ..tables import PathLike
from .measured_set import is_vehicle

MOST_LEVELS, LEAST_ZEROS = 6, 0.3
"""A column of numbers is one of doses where at least this share is 0 and it has no more distinct
values than these."""

_NAMES = {
    "condition": "condition|sample|experiment|sampleid",
    "line": "cell ?line|cells?|line|donor|patient|cell ?type",
    "time": (
        "time|hours?|minutes?|seconds?|time ?points?|"
        "time ?(hours?|h|hrs?|minutes?|mins?|seconds?|secs?|s)"
    ),
    "replicate": "replicates?|rep|repl",
    "batch": "batch|blot|plate|run|gel",
    "readout": "readout|analyte|antibody|protein|cytokine|marker|observable|target|probe|gene",
    "value": "value|log.*(mfi|intensity|change|ratio)|mfi|intensity|signal|measurement|expression",
    "given": (
        "treatments?|stimul(us|ant|ation|i)|ligands?|drugs?|inhibitors?|compounds?|perturbations?|"
        "perturbagen"
    ),
    "dose": "doses?|concentration|conc",
    "sd": "sd|std|stdev|standard deviation",
    "modality": "modality",
}
_UNITS = {
    "s": 1 / 3600, "sec": 1 / 3600, "secs": 1 / 3600, "second": 1 / 3600, "seconds": 1 / 3600,
    "min": 1 / 60, "mins": 1 / 60, "minute": 1 / 60, "minutes": 1 / 60,
    "h": 1.0, "hr": 1.0, "hrs": 1.0, "hour": 1.0, "hours": 1.0,
}  # fmt: skip


@dataclass(frozen=True)
class Roles:
    """The columns of a table by what they are.

    Attributes:
        given: columns that name what was given, such as Stimulus and Inhibitor.
        doses: columns of doses, each named after what was given; of a table with one column of
            what was given, the column of its dose.
        readouts: columns of values, one for each readout; none of a long table.
        readout, value: of a long table, the columns of the readout's name and of its value.
        condition, line, time, replicate, batch, sd, modality: further columns; empty where there is
            none.
        hours_per_unit: of times.
        notes: what was found by names and contents, in sentences for the user.
    """

    given: tuple[str, ...] = ()
    doses: tuple[str, ...] = ()
    readouts: tuple[str, ...] = ()
    readout: str = ""
    value: str = ""
    condition: str = ""
    line: str = ""
    time: str = ""
    replicate: str = ""
    batch: str = ""
    sd: str = ""
    modality: str = ""
    hours_per_unit: float = 1.0
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_long(self) -> bool:
        """Whether each row is one value."""
        return bool(self.readout)

    @property
    def columns(self) -> tuple[str, ...]:
        """All that have a role."""
        found = []
        for f in fields(self):
            stated = getattr(self, f.name)
            if isinstance(stated, str):
                found.append(stated)
            elif f.name in ("given", "doses", "readouts"):
                found += stated
        return tuple(name for name in found if name)


def find_roles(
    columns: Mapping[str, Sequence[str]], stated: Roles, path: PathLike, time_unit: str = ""
) -> Roles:
    """Roles of the columns of a table; those that are stated are kept.

    Args:
        columns: the cells of each, by its name.
        stated: roles that the user states; the others are found.
        path: the file, for messages.
        time_unit: of times, of `HOURS_OF`; by the column's name, else hours.

    Raises:
        FormatError: a stated column that is not there, no column of what was given, or none that
            was measured.
    """
    _check(columns, stated, path)
    found, free = stated, [name for name in columns if name not in stated.columns]
    for role in ("condition", "line", "time", "replicate", "batch", "sd", "modality"):
        if not getattr(found, role):
            named = [name for name in free if _is_called(name, role)]
            if named:
                found = replace(found, **{role: named[0]})  # type: ignore[arg-type]
                free.remove(named[0])
    if not found.given:
        found = replace(found, given=tuple(name for name in free if _is_called(name, "given")))
        free = [name for name in free if name not in found.given]
    if not found.readout and not found.readouts:
        found = _long(columns, found, free)
        free = [name for name in free if name not in found.columns]
    if not found.doses:
        is_dose = _is_dose_column if not found.is_long else _is_named_dose
        found = replace(found, doses=tuple(n for n in free if is_dose(n, columns[n])))
        free = [name for name in free if name not in found.doses]
    if not found.is_long and not found.readouts:
        readouts = tuple(name for name in free if _are_numbers(columns[name]))
        found = replace(found, readouts=readouts)
        free = [name for name in free if name not in readouts]
    if not found.is_long and not found.readouts:
        raise FormatError("there is no column of values; expected one for each readout", path=path)
    if not found.given and not found.doses and found.condition:
        found = replace(found, given=(found.condition,))
    if not found.given and not found.doses:
        raise FormatError(
            "there is no column of what was given; expected columns of doses, or one called "
            "treatment, stimulus, ligand, drug or inhibitor (or state them: --doses, --given)",
            path=path,
        )
    unit = time_unit or _unit_of(found.time)
    return replace(found, hours_per_unit=_UNITS[unit] if unit else 1.0, notes=_notes(found, free))


def _check(columns: Mapping[str, Sequence[str]], stated: Roles, path: PathLike) -> None:
    for name in stated.columns:
        if name not in columns:
            hint = did_you_mean(name, columns)
            raise FormatError(
                f"there is no column {name!r}{hint}; it has {quoted(columns)}", path=path
            )


def _is_called(name: str, role: str) -> bool:
    """Whether a column's name says what it is; underscores, brackets and case do not count."""
    plain = " ".join(re.sub(r"[^a-z0-9]+", " ", name.casefold()).split())
    return re.fullmatch(_NAMES[role], plain) is not None


def _long(columns: Mapping[str, Sequence[str]], found: Roles, free: Sequence[str]) -> Roles:
    """The roles of a long table, where it is one: a column of readouts and one of values."""
    readout = [n for n in free if _is_called(n, "readout") and not _are_numbers(columns[n])]
    value = [n for n in free if _is_called(n, "value") and _are_numbers(columns[n])]
    if not readout or not value:
        return found
    return replace(found, readout=readout[0], value=value[0])


def _is_named_dose(name: str, cells: Sequence[str]) -> bool:
    return _is_called(name, "dose") and _are_numbers(cells)


def _is_dose_column(name: str, cells: Sequence[str]) -> bool:
    """Whether a column holds doses: mostly nothing, and few levels of something."""
    if _is_named_dose(name, cells):
        return True
    if not _are_numbers(cells):
        return False
    values = [float(cell) if cell.strip() else 0.0 for cell in cells]
    zeros = sum(value == 0 for value in values)
    levels = set(values) - {0.0}
    return zeros >= LEAST_ZEROS * len(values) and 0 < len(levels) <= MOST_LEVELS and min(levels) > 0


def _are_numbers(cells: Sequence[str]) -> bool:
    found = [cell for cell in cells if cell.strip() and cell.casefold() not in ("na", "nan")]
    try:
        list(map(float, found))
    except ValueError:
        return False
    return bool(found)


def _unit_of(name: str) -> str:
    """The unit that the name of a column of times states, or nothing."""
    words = re.findall(r"[a-z]+", name.casefold())
    return next((word for word in reversed(words) if word in _UNITS), "")


def _notes(found: Roles, free: Sequence[str]) -> tuple[str, ...]:
    said = []
    for what, names in (
        ("what was given", found.given),
        ("doses", found.doses),
        ("readouts", (found.readout,) if found.is_long else found.readouts),
        ("no use was found for", tuple(free)),
    ):
        if names:
            start = "no use was found for the columns" if names == tuple(free) else f"{what}:"
            said.append(f"{start} {quoted(names)}")
    return tuple(said)


def likely_modality(readouts: Sequence[str]) -> str:
    """What readouts are by their names: phosphoproteins where any says so, else proteins."""
    phospho = re.compile(r"(^p[-_]|^p[A-Z]|p[STY]\d|phos)")
    return MODALITIES[1] if any(phospho.search(name) for name in readouts) else MODALITIES[3]


def given_names(cell: str) -> tuple[str, ...]:
    """What a cell of what was given names, such as `EGF + MEKi`; nothing of a vehicle."""
    parts = re.split(r"\s*(?:\+|;|\|)\s*", cell.strip())
    return tuple(part for part in parts if part and not is_vehicle(part))
