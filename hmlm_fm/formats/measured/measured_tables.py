"""What was done to a network and what was measured of it, from a measured set, two tables or MIDAS,
and back as two tables."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...common.errors import FormatError, FormatWarning
from ...model.conditions import Condition, Observation
from ...model.error_base import listed
from ...model.network import SignalingNetwork
from ..tables import PathLike
from .batches import on_one_scale
from .binding import Molecules, bind_conditions, bind_values
from .condition_tables import measured_conditions, write_conditions, write_observations
from .drug_targets import DrugTable
from .measured_set import MeasuredSet
from .midas import INHIBITION, is_midas, one_line, read_midas_sets
from .readout_tables import Readout
from .set_folder import (
    CONDITIONS_FILE,
    OBSERVATIONS_FILE,
    read_measured_set,
    read_set_tables,
)

ADVICE = (
    "; what they measure is stated in a table --readouts, which `hmlm readouts` drafts for you to "
    "check"
)


def read_condition_tables(
    network: SignalingNetwork,
    conditions_path: PathLike,
    observations_path: PathLike | None = None,
    *,
    time_unit: str = "minutes",
    modality: str = "",
    inhibition: float = INHIBITION,
    cell_line: str | None = None,
    readouts: Mapping[str, Readout] | None = None,
    targets: DrugTable | None = None,
) -> tuple[dict[str, Condition], dict[str, tuple[Observation, ...]]]:
    """Read conditions and observations, of a measured set, two tables or one in MIDAS.

    Args:
        network: whose molecules they name; others are left out with a `FormatWarning`.
        conditions_path: the folder of a measured set; a table of conditions; or a MIDAS table,
            which holds both, where `observations_path` is None.
        observations_path: a table of observations of these conditions.
        time_unit, modality, inhibition, cell_line: of a MIDAS table, as in `read_midas_sets`;
            the cell line whose rows to read is needed where there are several.
        readouts: what readouts measure, where they do not bear a molecule's name.
        targets: of drugs, where the shipped table has not the right ones.

    Returns:
        Conditions by name, and observations by condition, times in hours.

    Raises:
        FormatError: one file that is not MIDAS, two of which the first is, or as `read_midas_sets`,
            `read_measured_set`, `bind_conditions` and `bind_values`. The message names file and
            row.
        HMLMError: an option of MIDAS that is not known.
    """
    if Path(conditions_path).is_dir() and observations_path is None:
        measured = read_measured_set(conditions_path)
    elif observations_path is None:
        if not is_midas(conditions_path):
            raise FormatError(
                "it is not a MIDAS table (columns TR:, DA: and DV:), which alone holds conditions "
                "and observations; expected one, or a table of observations beside this one",
                path=conditions_path,
            )
        sets = read_midas_sets(
            conditions_path, network, time_unit=time_unit, modality=modality, inhibition=inhibition
        )
        measured = one_line(sets, cell_line, conditions_path)
    elif is_midas(conditions_path):
        raise FormatError(
            "it is a MIDAS table, which holds the observations too; expected no second table",
            path=conditions_path,
        )
    else:
        measured = read_set_tables(conditions_path, observations_path)
    path = observations_path or conditions_path
    return bind_set(measured, network, path, readouts=readouts, targets=targets)


def bind_set(
    measured: MeasuredSet,
    network: SignalingNetwork,
    path: PathLike,
    *,
    readouts: Mapping[str, Readout] | None = None,
    targets: DrugTable | None = None,
) -> tuple[dict[str, Condition], dict[str, tuple[Observation, ...]]]:
    """Conditions and observations of a network, of those conditions that it can express and of
    which something was measured.

    Args:
        measured: the set.
        network: whose molecules treatments and readouts are of. A name also stands for the only
            molecule that differs in case alone, or is made of the genes that the name means, of
            which a `FormatWarning` tells.
        path: the file, for messages.
        readouts, targets: beside, and before, those of the set.

    Raises:
        FormatError: as `bind_conditions` and `bind_values`, or nothing is left.
    """
    if not measured.measurements:
        raise FormatError(f"it holds no value of a molecule of network {network.name!r}", path=path)
    molecules = Molecules(network, exactly=False)
    stated = {**measured.readouts, **(readouts or {})}
    values = on_one_scale(measured.measurements)
    observations = bind_values(values, molecules, path, stated, ADVICE)
    table = measured.targets
    if targets is not None:
        table = targets if table is None else table.overlaid(targets)
    conditions = bind_conditions(measured.conditions, molecules, path, targets=table)
    if molecules.by_their_genes:
        pairs = (f"{name} for {found}" for name, found in molecules.by_their_genes.items())
        warnings.warn(
            f"{path}: taken by their genes: {listed(pairs)}; where that is wrong, state them in a "
            "table --readouts or rename them",
            FormatWarning,
            stacklevel=3,
        )
    found = measured_conditions(conditions, observations, path)
    if not found[0]:
        raise FormatError(
            f"there is no condition of network {network.name!r} of which something was measured",
            path=path,
        )
    return found


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
