"""What the columns of a published table of measurements are: stated, or found by their names and
contents.

Two shapes are known. Of a wide table each row is a condition at a time, with columns of doses or
of what was given, and a column for each readout. Of a long table each row is a value, with a column
that names the readout.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from ...common.errors import FormatError
from ...model.conditions import MODALITIES
from ...model.error_base import did_you_mean, quoted
from ..tables import PathLike
from .set_tables import EMPTY
from .table_words import header_unit, is_of_treatment, says_logarithm
from .time_units import HOURS_OF

MOST_LEVELS, LEAST_ZEROS = 6, 0.3
"""A column of numbers is one of doses where at least this share is 0, it has no more distinct
values than these, and each of them is there twice or more; or where its name says so."""
FEW_ROWS = 12
"""Of fewer rows, levels need not be there twice, but are whole numbers."""
MOSTLY = 0.5
"""A column is one of numbers where at least this share of its filled cells is; the others are
errors, which name their row."""

_NAMES = {
    "condition": "condition|sample|experiment|sampleid",
    "line": "cell ?lines?|cells?|line|donor|patient|cell ?type|sheet",
    "time": "time|times?|time ?points?|hours?|minutes?|duration",
    "replicate": "replicates?|rep|repl|bio ?rep(licate)?|tech ?rep(licate)?",
    "batch": "batch|blot|plate|run|gel",
    "readout": "readout|analyte|antibody|protein|cytokine|marker|observable|target|probe|gene",
    "value": "value|(log.*)?(mfi|intensity|change|ratio|fc)|signal|measurement|expression",
    "given": (
        "(pre ?)?treatments?( \\d)?|stimul(us|ant|ation|i)( \\d)?|ligands?|drugs?( \\d)?|"
        "inhibitors?( \\d)?|compounds?|perturbations?|perturbagen|cytokine added"
    ),
    "dose": "(.* )?(doses?|conc(entration)?s?)",
    "unit": "(dose )?units?",
    "sd": "sd|std|stdev|standard deviation",
    "modality": "modality",
    "none": "n|count|n cells|well|id|index|row|col|column|file",
}


@dataclass(frozen=True)
class Roles:
    """The columns of a table by what they are.

    Attributes:
        given: columns that name what was given, such as Stimulus and Inhibitor.
        doses: columns of doses, each named after what was given, or called dose and of the column
            of what was given before it.
        readouts: columns of values, one for each readout; none of a long table.
        readout, value: of a long table, the columns of the readout's name and of its value.
        condition, line, time, replicate, batch, sd, modality, unit: further columns; empty where
            there is none.
        sd_of: columns of standard deviations, by those of their values.
        order: all columns of the table.
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
    unit: str = ""
    sd_of: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = field(default=(), repr=False)
    hours_per_unit: float = 1.0
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_long(self) -> bool:
        """Whether each row is one value."""
        return bool(self.readout)

    def place(self, column: str) -> int:
        """Where a column stands in the table."""
        return self.order.index(column) if column in self.order else len(self.order)

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
            elif f.name == "sd_of":
                found += stated.values()
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
    found = replace(stated, order=tuple(columns))
    free = [name for name in columns if name not in stated.columns]
    for role in ("condition", "line", "time", "replicate", "batch", "sd", "modality", "unit"):
        if not getattr(found, role):
            named = [name for name in free if is_called(name, role)]
            if named:
                found = replace(found, **{role: named[0]})  # type: ignore[arg-type]
                free.remove(named[0])
    free = [name for name in free if not is_called(name, "none")]
    if not found.given:
        found = replace(found, given=tuple(name for name in free if is_called(name, "given")))
        free = [name for name in free if name not in found.given]
    if not found.readout and not found.readouts:
        found = _long(columns, found, free)
        free = [name for name in free if name not in found.columns]
    if not found.doses:
        found = replace(found, doses=tuple(n for n in free if _is_dose(n, columns[n], found)))
        free = [name for name in free if name not in found.doses]
    if not found.is_long and not found.readouts:
        found = _wide(columns, found, free)
        free = [name for name in free if name not in found.columns]
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
    if found.is_long and not found.value:
        raise FormatError(
            "there is no column of values; expected one, as --value states", path=path
        )
    _refuse_times_as_given(found, path)
    unit = time_unit or _time_unit_of(found.time)
    hours = _hours_of(unit) if unit else 1.0
    return replace(found, hours_per_unit=hours, notes=_notes(found, free, unit))


def _check(columns: Mapping[str, Sequence[str]], stated: Roles, path: PathLike) -> None:
    for name in stated.columns:
        if name not in columns:
            hint = did_you_mean(name, columns)
            raise FormatError(
                f"there is no column {name!r}{hint}; it has {quoted(columns)}", path=path
            )


def is_called(name: str, role: str) -> bool:
    """Whether a column's name says what it is; units, underscores, brackets and case do not
    count."""
    plain = " ".join(re.sub(r"[^a-z0-9]+", " ", header_unit(name)[0].casefold()).split())
    whole = " ".join(re.sub(r"[^a-z0-9]+", " ", name.casefold()).split())
    if role == "time" and re.fullmatch(r"(time )?(in )?(h|hrs?|hours?|mins?|minutes?|sec)", whole):
        return True
    return any(re.fullmatch(_NAMES[role], text) is not None for text in (plain, whole))


def _long(columns: Mapping[str, Sequence[str]], found: Roles, free: Sequence[str]) -> Roles:
    """The roles of a long table, where it is one: a column of readouts and one of values."""
    readout = [n for n in free if is_called(n, "readout") and not _are_numbers(columns[n])]
    value = [found.value] if found.value else []
    value += [n for n in free if is_called(n, "value") and _are_numbers(columns[n])]
    if not readout or not value:
        return found
    return replace(found, readout=readout[0], value=value[0])


def _wide(columns: Mapping[str, Sequence[str]], found: Roles, free: Sequence[str]) -> Roles:
    """The roles of a wide table: a readout for every column of numbers, with the column of its
    standard deviation, where there is one such as `pERK_sd`."""
    numbers = [name for name in free if _are_numbers(columns[name])]
    sd_of = {}
    for name in numbers:
        base = re.sub(r"[ _.-]*(sd|std|stdev)$", "", name, flags=re.IGNORECASE)
        if base != name and base in numbers:
            sd_of[base] = name
    readouts = tuple(name for name in numbers if name not in sd_of.values())
    return replace(found, readouts=readouts, sd_of=sd_of)


def _is_dose(name: str, cells: Sequence[str], found: Roles) -> bool:
    """Whether a column holds doses."""
    if is_called(name, "dose"):
        return True
    if not _are_numbers(cells) or says_logarithm([name]):
        return False
    if is_of_treatment(name):
        return True
    return not found.is_long and not _is_phospho(name) and _repeats_levels(cells)


def _repeats_levels(cells: Sequence[str]) -> bool:
    """Whether numbers are mostly 0, and otherwise few levels, each there more than once."""
    values = [float(cell) for cell in cells if _is_number(cell)]
    zeros = len(cells) - sum(value != 0 for value in values)
    levels = Counter(value for value in values if value != 0)
    if not levels or min(levels) < 0 or len(levels) > MOST_LEVELS:
        return False
    if len(cells) < FEW_ROWS:
        are_levels = all(value.is_integer() for value in levels)
    else:
        are_levels = set(levels) == {1.0} or all(count > 1 for count in levels.values())
    return zeros >= LEAST_ZEROS * len(cells) and are_levels


def _are_numbers(cells: Sequence[str]) -> bool:
    found = [cell for cell in cells if cell.strip() and cell.casefold() not in EMPTY]
    return bool(found) and sum(map(_is_number, found)) >= max(MOSTLY * len(found), 1)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _refuse_times_as_given(found: Roles, path: PathLike) -> None:
    """
    Raises:
        FormatError: a column whose unit is one of time would be taken for doses or readouts.
    """
    for name in (*found.doses, *found.readouts):
        unit = header_unit(name)[1]
        if unit and _hours_of(unit):
            raise FormatError(
                f"column {name!r} is in a unit of time, and its name is none of a time; expected "
                "--time to state the column of times",
                path=path,
            )


_SPELLINGS = {
    "seconds": "s|sec|secs|second|seconds",
    "minutes": "min|mins|minute|minutes",
    "hours": "h|hr|hrs|hour|hours",
}


def _hours_of(unit: str) -> float:
    """Hours of a unit of time; 0 where it is none."""
    plain = unit.casefold().rstrip(".")
    for name, spellings in _SPELLINGS.items():
        if plain in spellings.split("|"):
            return HOURS_OF[name]
    return 0.0


def _time_unit_of(name: str) -> str:
    """The unit that the name of a column of times states, or nothing."""
    words = re.findall(r"[a-z]+", name.casefold())
    return next((word for word in reversed(words) if _hours_of(word)), "")


def _notes(found: Roles, free: Sequence[str], time_unit: str) -> tuple[str, ...]:
    said = []
    for what, names in (
        ("what was given", found.given),
        ("doses", found.doses),
        ("readouts", (found.readout,) if found.is_long else found.readouts),
    ):
        if names:
            said.append(f"{what}: {quoted(names)}")
    if free:
        said.append(f"no use was found for the columns {quoted(free)}")
    if found.time and not time_unit:
        said.append(f"times of {found.time!r} are taken for hours, since it states no unit")
    if not found.time:
        said.append("there is no column of times: values are taken for a steady state")
    return tuple(said)


def _is_phospho(name: str) -> bool:
    return re.search(r"(^p[-_]|^p[A-Z]|p[STY]\d|phos)", name) is not None


def likely_modality(readouts: Sequence[str]) -> str:
    """What readouts are by their names: phosphoproteins where any says so, else proteins."""
    return MODALITIES[1] if any(map(_is_phospho, readouts)) else MODALITIES[3]
