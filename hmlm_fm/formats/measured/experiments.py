"""Tables of published experiments: what was given, what was measured, and which way it went.

Separated by commas, semicolons or tabs, with a header: `input` and `output` name molecules,
`measurement` is Increase, Decrease or No Change. Other columns, such as a PMID, are not read.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...common.errors import FormatError
from ...model.network import SignalingNetwork
from ..tables import PathLike, rows_of, text_of, warn_of_unknown

DIRECTIONS = {"Increase": 1, "Decrease": -1, "No Change": 0}
COLUMNS = ("input", "output", "measurement")


@dataclass(frozen=True)
class Experiment:
    """One published outcome.

    Attributes:
        stimulus: the molecule that was given.
        molecule: the one that was measured.
        direction: +1 where it rose, -1 where it fell, 0 where it did not change.
    """

    stimulus: str
    molecule: str
    direction: int


def read_experiments(path: PathLike, network: SignalingNetwork) -> tuple[Experiment, ...]:
    """Those experiments of a table whose molecules a network has.

    Experiments with a molecule that the network has not are left out, and one `FormatWarning`
    names these molecules.

    Raises:
        FormatError: a missing file or column, a row of another length, an unknown measurement, or
            no experiment that is left. The message names file and row.
    """
    found: list[Experiment] = []
    unknown: dict[str, list[str]] = {}
    molecules: set[str] = set()
    for place, row in rows_of(path, COLUMNS):
        names = [text_of(row, column, path, place) for column in ("input", "output")]
        direction = DIRECTIONS.get(row["measurement"])
        if direction is None:
            raise FormatError(
                f"measurement is {row['measurement']!r}; expected one of {', '.join(DIRECTIONS)}",
                path=path,
                place=place,
            )
        molecules.update(names)
        missing = [name for name in names if name not in network.molecule_index]
        for name in missing:
            unknown.setdefault(name, []).append(place)
        if not missing:
            found.append(Experiment(names[0], names[1], direction))
    warn_of_unknown(unknown, molecules, network, path)
    if not found:
        raise FormatError(
            f"no experiment has both its molecules in network {network.name!r}", path=path
        )
    return tuple(found)
