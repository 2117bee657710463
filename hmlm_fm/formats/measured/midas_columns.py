"""The columns of a MIDAS table: treatments, times and values."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ...common.errors import FormatError
from ...model.network import SignalingNetwork
from ..names import meaning_of
from ..tables import PathLike
from .binding import Molecules
from .drug_targets import shipped_targets
from .measured_set import DRUG, STIMULUS, is_vehicle

KINDS_OF_COLUMNS = {"TR": "treatments", "DA": "times", "DV": "values"}
"""What columns hold, by the start of their names."""

_STIMULI = ("stimuli", "stimulus", "ligands", "ligand", "cytokines", "cytokine")
_INHIBITORS, _CELLS = ("inhibitors", "inhibitor"), ("cellline", "celltype")
_LEVELS = {"lo": 0.5, "hi": 1.0}
"""Levels of a stimulus whose columns begin so; MIDAS does not state what they are."""


@dataclass(frozen=True)
class Given:
    """What one column gives, at level 1.

    Attributes:
        kind: of `measured_set.KINDS`.
        name: the molecule or the drug.
        level: what level 1 of the column is of the treatment's own.
    """

    kind: str
    name: str
    level: float = 1.0


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes:
        read: all that are read.
        cells: those that state the cell line.
        given: what every other column of treatments gives; nothing of a vehicle's.
        time_of: the column of the time of every column of values.
    """

    read: tuple[str, ...]
    cells: tuple[str, ...]
    given: dict[str, tuple[Given, ...]]
    time_of: dict[str, str]

    @classmethod
    def from_header(
        cls, header: Sequence[str], path: PathLike, network: SignalingNetwork | None = None
    ) -> Columns:
        """
        Args:
            header: the names of all columns.
            path: the file, for messages.
            network: tells inhibitors from stimuli, where a column does not state its type.

        Raises:
            FormatError: a kind of columns is missing, a time is, a type of treatment is not known,
                or two columns of values, or of times, bear one name.
        """
        read = tuple(column for column in header if kind_of_column(column) in KINDS_OF_COLUMNS)
        time_of = _times(read, path)
        treated = [column for column in read if kind_of_column(column) == "TR"]
        cells = tuple(column for column in treated if _is_of_cells(column))
        others = [column for column in treated if column not in cells]
        molecules = None if network is None else Molecules(network, exactly=False)
        names = {name_of_column(column) for column in others}
        given = {column: _given(column, names, molecules, path) for column in others}
        return cls(read, cells, given, time_of)


def kind_of_column(column: str) -> str:
    """TR, DA or DV, of columns that are read."""
    return column.partition(":")[0].strip().upper()


def name_of_column(column: str) -> str:
    """What a column is of; of a treatment, without its type."""
    name = column.partition(":")[2]
    return (name.partition(":")[0] if kind_of_column(column) == "TR" else name).strip()


def _type_of_treatment(column: str) -> str:
    """What kind of treatment a column states, or nothing."""
    return "".join(c for c in "".join(column.split(":")[2:]).casefold() if c.isalpha())


def _is_of_cells(column: str) -> bool:
    name = "".join(c for c in name_of_column(column).casefold() if c.isalpha())
    return _type_of_treatment(column) in _CELLS or name in _CELLS


def _times(columns: Sequence[str], path: PathLike) -> dict[str, str]:
    """The column of the time of every column of values.

    Raises:
        FormatError: a kind of columns is missing, or the time of a value, or there are two.
    """
    for kind, what in KINDS_OF_COLUMNS.items():
        if not any(kind_of_column(column) == kind for column in columns):
            raise FormatError(
                f"there is no column {kind}:NAME; expected some of {what}, as MIDAS has",
                path=path,
                place="row 1",
            )
    times: dict[str, str] = {}
    for column in columns:
        if kind_of_column(column) == "DA":
            _refuse_second(times, name_of_column(column).casefold(), column, path)
    found: dict[str, str] = {}
    for column in columns:
        if kind_of_column(column) == "DV":
            time = times.get(name_of_column(column).casefold(), times.get("all"))
            if time is None:
                raise FormatError(
                    f"there is no column of the times of {column}; expected "
                    f"DA:{name_of_column(column)} or DA:ALL",
                    path=path,
                    place="row 1",
                )
            found[column] = time
    return found


def _refuse_second(columns: dict[str, str], name: str, column: str, path: PathLike) -> None:
    """
    Raises:
        FormatError: there is a column of this name already.
    """
    before = columns.setdefault(name, column)
    if before != column:
        raise FormatError(
            f"the columns {before} and {column} are of one molecule; expected one column",
            path=path,
            place="row 1",
        )


def _given(
    column: str, names: Collection[str], molecules: Molecules | None, path: PathLike
) -> tuple[Given, ...]:
    """What a column gives: a stimulus, a drug, several of them, or nothing.

    Raises:
        FormatError: a type of treatment that is not known.
    """
    name, kind = name_of_column(column), _type_of_treatment(column)
    if kind not in ("", *_STIMULI, *_INHIBITORS):
        raise FormatError(
            f"{column} is of a type that is not known; expected TR:{name}:Stimuli, "
            f"TR:{name}:Inhibitors, TR:{name}:CellLine, or no type",
            path=path,
            place="row 1",
        )
    if is_vehicle(name):
        return ()
    for start, level in _LEVELS.items():
        rest = name.removeprefix(start)
        if rest != name and {f"{other}{rest}" for other in _LEVELS} <= set(names):
            return (Given(STIMULUS, rest, level),)
    found = []
    for part in _parts(name, names, molecules):
        kind_of_part, own = (
            _inhibited(part, molecules)
            if kind in _INHIBITORS
            else (STIMULUS, part)
            if kind
            else _untyped(part, molecules)
        )
        found.append(Given(kind_of_part, own))
    return tuple(found)


def _parts(name: str, names: Collection[str], molecules: Molecules | None) -> list[str]:
    """What is given together, of a name such as `EGF/NRG1a`: each a column of its own, a drug or a
    molecule of the network."""
    drugs = shipped_targets()

    def is_known(part: str) -> bool:
        known = molecules is not None and molecules.by_name(part) is not None
        return known or part in names or drugs.find(part) is not None

    if is_known(name) and len(re.findall(r"[/+_]", name)) == 0:
        return [name]
    for separators in (r"[/+]", r"[/+_]"):
        parts = [part.strip() for part in re.split(separators, name)]
        if len(parts) > 1 and all(parts) and all(map(is_known, parts)):
            return parts
    return [name]


def _inhibited(name: str, molecules: Molecules | None) -> tuple[str, str]:
    """Kind and name of what a column of inhibitors gives."""
    stem = name[:-1] if name[-1:] in ("i", "I") else ""
    for molecule in (name, stem):
        if molecule and molecules is not None and molecules.by_name(molecule) is not None:
            return "inhibition", molecule
    if shipped_targets().find(name) is not None:
        return DRUG, name
    if name.endswith("i") and len(name) > 2:
        return "inhibition", stem
    return ("inhibition" if meaning_of(name).members else DRUG), name


def _untyped(name: str, molecules: Molecules | None) -> tuple[str, str]:
    """Kind and name of what a column gives that does not state its type."""
    if molecules is not None:
        if molecules.by_name(name) is not None:
            return STIMULUS, name
        if name[-1:] in ("i", "I") and molecules.by_name(name[:-1]) is not None:
            return "inhibition", name[:-1]
    if shipped_targets().find(name) is not None:
        return DRUG, name
    if name.endswith("i") and len(name) > 2:
        return "inhibition", name[:-1]
    return STIMULUS, name
