"""What was done and what was measured, from two tables or from one in MIDAS, and back as two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...common.errors import FormatError
from ...model.conditions import Condition, Observation
from ...model.network import SignalingNetwork
from ..tables import PathLike
from .condition_tables import (
    read_conditions,
    read_observations,
    write_conditions,
    write_observations,
)
from .midas import INHIBITION, is_midas, read_midas

CONDITIONS_FILE, OBSERVATIONS_FILE = "conditions.csv", "observations.csv"


def read_condition_tables(
    network: SignalingNetwork,
    conditions_path: PathLike,
    observations_path: PathLike | None = None,
    *,
    time_unit: str = "minutes",
    modality: str = "activity",
    inhibition: float = INHIBITION,
    cell_line: str | None = None,
) -> tuple[dict[str, Condition], dict[str, tuple[Observation, ...]]]:
    """Read conditions and observations, of two tables or of one in MIDAS.

    Args:
        network: whose molecules they name; others are left out with a `FormatWarning`.
        conditions_path: a table of conditions; a MIDAS table, which holds both, where
            `observations_path` is None.
        observations_path: a table of observations of these conditions.
        time_unit, modality, inhibition, cell_line: of a MIDAS table, as in `read_midas`.

    Returns:
        Conditions by name, and observations by condition, times in hours.

    Raises:
        FormatError: one file that is not MIDAS, two of which the first is, or as `read_midas`,
            `read_conditions` and `read_observations`. The message names file and row.
        HMLMError: an option of MIDAS that is not known.
    """
    if observations_path is None:
        if not is_midas(conditions_path):
            raise FormatError(
                "it is not a MIDAS table (columns TR:, DA: and DV:), which alone holds conditions "
                "and observations; expected one, or a table of observations beside this one",
                path=conditions_path,
            )
        return read_midas(
            conditions_path,
            network,
            time_unit=time_unit,
            modality=modality,
            inhibition=inhibition,
            cell_line=cell_line,
        )
    if is_midas(conditions_path):
        raise FormatError(
            "it is a MIDAS table, which holds the observations too; expected no second table",
            path=conditions_path,
        )
    conditions = read_conditions(conditions_path, network)
    return conditions, read_observations(observations_path, network, conditions)


def write_condition_tables(
    conditions: Mapping[str, Condition],
    observations: Mapping[str, Sequence[Observation]],
    folder: PathLike,
) -> tuple[Path, Path]:
    """Write conditions and observations as two tables into a folder that exists.

    Returns:
        The two files, `conditions.csv` and `observations.csv`, as `read_condition_tables` reads
        them.

    Raises:
        FormatError: as `write_conditions` and `write_observations`.
        OSError: a file cannot be written.
    """
    files = Path(folder, CONDITIONS_FILE), Path(folder, OBSERVATIONS_FILE)
    write_conditions(conditions, files[0])
    write_observations(observations, files[1])
    return files
