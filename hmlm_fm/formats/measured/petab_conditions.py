"""What conditions of PEtab do: which columns of their table are treatments, and of what dose.

A column overrides a parameter or a species of the model. Those that differ between the conditions
in which something was measured are treatments; the others are the background. `X_dose` or
`X_level` beside `X_time` (or `X_incubation_time`, `X_start`, `X_end`) is a dose that acts from, or
until, that time, in the unit of the problem's times.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...common.errors import FormatError
from ..tables import PathLike
from .drug_targets import shipped_targets
from .line_sets import DOSE_UNIT
from .measured_set import DRUG, STIMULUS, Treatment

PREEQUILIBRATION_HOURS = 24.0
"""How long before time 0 treatments of a pre-equilibration begin. PEtab means a steady state, which
is reached after any time that is long; a day is what laboratories call overnight, and more."""

_LEVEL = re.compile(r"(?P<stem>.+?)_(?:dose|level|conc|concentration|0)(?P<step>_\d+)?")
_START = re.compile(r"(?P<stem>.+?)_(?:incubation_)?(?:time|start)(?P<step>_\d+)?")
_END = re.compile(r"(?P<stem>.+?)_(?:end|stop)(?P<step>_\d+)?")
_PLAIN = re.compile(
    r"(?:init(?:ial)?_)?(?P<stem>.+?)(?:_(?:dose|level|conc|concentration|0|init|initial))?"
)


@dataclass(frozen=True)
class Dose:
    """A treatment by the columns of a table of conditions.

    Attributes:
        name: of the treatment.
        level: the column of its dose.
        start, end: the columns of when it acts; empty where there is none.
    """

    name: str
    level: str
    start: str = ""
    end: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.level, self.start, self.end)))


@dataclass
class ConditionReader:
    """Treatments of the conditions of a table.

    Attributes:
        path: the table, for messages.
        rows: numbers of each condition, by column.
        places: where each condition is.
        hours: of one unit of time.
        last_hours: the last time at which something was measured; what ends later has no end.
        doses: treatments by columns.
        background: columns that are the same in all conditions, with their value.
    """

    path: PathLike
    rows: Mapping[str, Mapping[str, float]]
    places: Mapping[str, str]
    hours: float
    last_hours: float
    doses: tuple[Dose, ...] = ()
    background: Mapping[str, float] = field(default_factory=dict)

    def find(self, names: Iterable[str]) -> None:
        """Find treatments and background.

        Args:
            names: molecules of the model; a column that overrides one is called after it.
        """
        columns = next(iter(self.rows.values()), {}).keys()
        fixed = {
            column: next(iter(self.rows.values()))[column]
            for column in columns
            if len({row[column] for row in self.rows.values()}) == 1
        }
        self.doses = tuple(
            dose
            for dose in doses_of(tuple(columns), frozenset(names))
            if any(column not in fixed for column in dose.columns)
        )
        used = {column for dose in self.doses for column in dose.columns}
        self.background = {name: value for name, value in fixed.items() if name not in used}

    def done(self, condition: str, before: str = "") -> tuple[Treatment, ...]:
        """What is done in a condition, after a pre-equilibration in another.

        What is done in both goes on; what is done in the pre-equilibration alone ends at time 0.

        Raises:
            FormatError: a dose below 0, or a window that is none.
        """
        now = self._treatments(condition)
        earlier = self._treatments(before) if before else {}
        found: list[Treatment] = []
        for key, treatment in earlier.items():
            goes_on = now.get(key) == treatment and treatment.start_hours == 0
            found.append(
                replace(
                    treatment,
                    start_hours=-PREEQUILIBRATION_HOURS,
                    end_hours=treatment.end_hours if goes_on else 0.0,
                )
            )
            if goes_on:
                del now[key]
        return (*found, *now.values())

    def _treatments(self, condition: str) -> dict[tuple[object, ...], Treatment]:
        """What is done from time 0; doses of one thing at one time add up."""
        row, place = self.rows[condition], self.places[condition]
        found: dict[tuple[object, ...], Treatment] = {}
        for dose in self.doses:
            level = row[dose.level]
            if level == 0:
                continue
            start = row[dose.start] * self.hours if dose.start else 0.0
            end = row[dose.end] * self.hours if dose.end else math.inf
            end = math.inf if end >= self.last_hours else end
            if level < 0 or start < 0 or end <= start:
                raise FormatError(
                    f"{dose.level} is {level:g}, from {start:g} to {end:g} hours; expected a dose "
                    "of at least 0, and a start before its end",
                    path=self.path,
                    place=place,
                )
            kind = STIMULUS if shipped_targets().find(dose.name) is None else DRUG
            treatment = Treatment(kind, dose.name, level, start, end, self._unit(dose), place)
            before = found.get(treatment.key)
            if before is not None:
                treatment = replace(treatment, value=before.value + level)
            found[treatment.key] = treatment
        return found

    def _unit(self, dose: Dose) -> str:
        """None of a switch that is 0 or 1 in every condition; doses have their table's."""
        columns = [other.level for other in self.doses if other.name == dose.name]
        levels = {row[column] for row in self.rows.values() for column in columns}
        return "" if levels <= {0.0, 1.0} else DOSE_UNIT


def doses_of(columns: Sequence[str], molecules: frozenset[str] = frozenset()) -> tuple[Dose, ...]:
    """Treatments by columns, each with those of its times.

    A treatment is called after its column, without what says that it is a dose (`EGF_0`,
    `init_Ins`), unless another is called so.
    """
    taken: set[str] = set()
    found: list[Dose] = []
    for column in columns:
        level = _LEVEL.fullmatch(column)
        if level is None:
            continue
        times = {"start": "", "end": ""}
        for role, pattern in (("start", _START), ("end", _END)):
            for other in columns:
                match = pattern.fullmatch(other)
                is_own = match is not None and match.groups() == level.groups()
                if is_own and other not in taken | {column}:
                    times[role] = other
        if any(times.values()):
            found.append(Dose(level["stem"], column, times["start"], times["end"]))
            taken |= {column, *times.values()}
    plain = [Dose(_plain(c, molecules), c) for c in columns if c not in taken]
    paired = {dose.name for dose in found}
    names = [dose.name for dose in plain]
    unique = [
        dose if names.count(dose.name) == 1 and dose.name not in paired else replace(
            dose, name=dose.level
        )
        for dose in plain
    ]  # fmt: skip
    order = {column: i for i, column in enumerate(columns)}
    return tuple(sorted((*found, *unique), key=lambda dose: order[dose.level]))


def _plain(column: str, molecules: frozenset[str]) -> str:
    match = None if column in molecules else _PLAIN.fullmatch(column)
    return match["stem"] if match else column
