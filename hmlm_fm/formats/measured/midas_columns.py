"""The columns of a MIDAS table: treatments, times and values, and the molecules they are of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...common.errors import FormatError
from ...model.network import SignalingNetwork
from ..tables import PathLike

KINDS_OF_COLUMNS = {"TR": "treatments", "DA": "times", "DV": "values"}
"""What columns hold, by the start of their names."""

_NOTHING_DONE = ("nocyto", "noinhib", "nolig")
_STIMULI = ("stimuli", "stimulus", "ligands", "ligand", "cytokines", "cytokine")
_INHIBITORS, CELLS = ("inhibitors", "inhibitor"), ("cellline", "celltype")


@dataclass(frozen=True)
class Treatment:
    """A column `TR:` and what it does to a molecule of the network."""

    column: str
    molecule: str
    inhibits: bool


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes:
        read: all that are read.
        time_of: the column of the time of every column of values.
        treatments: what is done to molecules of the network.
        unknown: columns of what is done to others.
        molecule_of: the molecule of every column of values, None of one that the network has not.
    """

    read: tuple[str, ...]
    time_of: dict[str, str]
    treatments: tuple[Treatment, ...]
    unknown: tuple[str, ...]
    molecule_of: dict[str, str | None]

    @classmethod
    def from_header(
        cls, header: Sequence[str], network: SignalingNetwork, path: PathLike
    ) -> Columns:
        """
        Raises:
            FormatError: a kind of columns is missing, a time is, a type of treatment is not known,
                or two columns are of one molecule.
        """
        read = tuple(column for column in header if kind_of_column(column) in KINDS_OF_COLUMNS)
        time_of = _times(read, path)
        treatments, unknown = _treatments(read, network, path)
        molecule_of = _molecules(time_of, network, path)
        return cls(read, time_of, tuple(treatments), tuple(unknown), molecule_of)

    def molecules(self) -> set[str]:
        """All that the columns name."""
        treated = (treatment.column for treatment in self.treatments)
        return {name_of_column(column) for column in (*self.time_of, *self.unknown, *treated)}


def kind_of_column(column: str) -> str:
    """TR, DA or DV, of columns that are read."""
    return column.partition(":")[0].strip().upper()


def name_of_column(column: str) -> str:
    """What a column is of; of a treatment, without its type."""
    name = column.partition(":")[2]
    return (name.partition(":")[0] if kind_of_column(column) == "TR" else name).strip()


def type_of_treatment(column: str) -> str:
    """What kind of treatment a column states, or nothing."""
    return "".join(column.split(":")[2:]).strip().casefold()


def _known(name: str, network: SignalingNetwork) -> str | None:
    """The molecule of this name, or the only one that differs in case alone."""
    if name in network.molecule_index:
        return name
    alike = [known for known in network.names if known.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None


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
    found = {}
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


def _molecules(
    columns: Iterable[str], network: SignalingNetwork, path: PathLike
) -> dict[str, str | None]:
    """The molecule of every column of values, None of one that the network has not.

    Raises:
        FormatError: two columns are of one molecule.
    """
    columns_of: dict[str, str] = {}
    found = {}
    for column in columns:
        name = name_of_column(column)
        molecule = _known(name, network) or _known(name.removeprefix("p-"), network)
        if molecule is not None:
            _refuse_second(columns_of, molecule, column, path)
        found[column] = molecule
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


def _treatments(
    columns: Sequence[str], network: SignalingNetwork, path: PathLike
) -> tuple[list[Treatment], list[str]]:
    """What is done to molecules of a network, and the columns of what is done to others.

    Raises:
        FormatError: a type of treatment that is not known.
    """
    known, unknown = [], []
    for column in columns:
        name, kind = name_of_column(column), type_of_treatment(column)
        if kind_of_column(column) != "TR" or kind in CELLS:
            continue
        if kind not in ("", *_STIMULI, *_INHIBITORS):
            raise FormatError(
                f"{column} is of a type that is not known; expected TR:{name}:Stimuli, "
                f"TR:{name}:Inhibitors, TR:{name}:CellLine, or no type",
                path=path,
                place="row 1",
            )
        if name.casefold().replace("-", "").replace("_", "") in _NOTHING_DONE:
            continue
        molecule = _known(name, network)
        inhibits = kind in _INHIBITORS or (not kind and molecule is None)
        if inhibits and molecule is None and name[-1:] in ("i", "I"):
            molecule = _known(name[:-1], network)
        if molecule is None:
            unknown.append(column)
        else:
            known.append(Treatment(column, molecule, inhibits))
    return known, unknown
