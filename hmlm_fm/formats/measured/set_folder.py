"""The folder of a measured set.

    conditions.csv     what was done in each condition
    observations.csv   what was measured
    set.json           name, study, source, licence, organism, cell line, and what it shares
    network.*          prior knowledge, in any format of networks
    readouts.csv       what readouts measure
    targets.csv        what drugs act on

The first two are needed.
"""

from __future__ import annotations

import json
from pathlib import Path

from ...common.errors import FormatError
from ...common.files import write_text
from ..network_loading import load_network
from ..output_formats import write_networks
from ..tables import PathLike
from .drug_targets import read_targets, write_targets
from .intensities import on_log2
from .measured_set import MeasuredSet
from .readout_tables import read_readouts, write_readouts
from .set_facts import SET_FILE, read_facts
from .set_tables import read_treatments, read_values, write_treatments, write_values

CONDITIONS_FILE, OBSERVATIONS_FILE = "conditions.csv", "observations.csv"
NETWORK_FILE = "network.json"
READOUTS_FILE, TARGETS_FILE = "readouts.csv", "targets.csv"


def is_set_folder(path: PathLike) -> bool:
    """Whether a folder holds the two tables of a measured set."""
    return all(Path(path, name).is_file() for name in (CONDITIONS_FILE, OBSERVATIONS_FILE))


def read_measured_set(folder: PathLike) -> MeasuredSet:
    """Read the folder of a measured set. Raw intensities are put on log2, see `on_log2`.

    Raises:
        FormatError: a file is missing or cannot be read. The message names file and row.
    """
    folder = Path(folder)
    if not is_set_folder(folder):
        raise FormatError(
            f"it is no measured set; expected a folder with {CONDITIONS_FILE} and "
            f"{OBSERVATIONS_FILE}",
            path=folder,
        )
    facts = read_facts(folder)
    networks = sorted(folder.glob("network.*"))
    if len(networks) > 1:
        names = ", ".join(path.name for path in networks)
        raise FormatError(f"it has several networks, {names}; expected one", path=folder)
    readouts, targets = folder / READOUTS_FILE, folder / TARGETS_FILE
    facts.setdefault("name", folder.resolve().name)
    return read_set_tables(
        folder / CONDITIONS_FILE,
        folder / OBSERVATIONS_FILE,
        network=load_network(networks[0]) if networks else None,
        readouts=read_readouts(readouts) if readouts.is_file() else {},
        targets=read_targets(targets) if targets.is_file() else None,
        **facts,
    )


def read_set_tables(
    conditions_path: PathLike, observations_path: PathLike, **facts: object
) -> MeasuredSet:
    """The measured set of two tables.

    Args:
        conditions_path, observations_path: the tables.
        facts: further attributes of `MeasuredSet`.

    Raises:
        FormatError: a table cannot be read. The message names file and row.
    """
    conditions = read_treatments(conditions_path)
    measurements = read_values(observations_path, conditions)
    name = str(facts.pop("name", "") or Path(observations_path).resolve().parent.name)
    found = MeasuredSet(name, conditions, measurements, **facts)  # type: ignore[arg-type]
    try:
        _ = found.treatments
    except ValueError as error:
        raise FormatError(str(error), path=conditions_path) from None
    return on_log2(found)


def write_measured_set(measured: MeasuredSet, folder: PathLike) -> None:
    """Write a measured set into a folder that exists, as `read_measured_set` reads it.

    Raises:
        FormatError: it holds nothing, or a name that a table cannot hold.
        OSError: a file cannot be written.
    """
    folder = Path(folder)
    write_treatments(measured.conditions, folder / CONDITIONS_FILE)
    write_values(measured.measurements, folder / OBSERVATIONS_FILE)
    facts = json.dumps(measured.facts(), indent=1, ensure_ascii=False)
    write_text(folder / SET_FILE, facts + "\n")
    if measured.network is not None:
        write_networks((measured.network,), str(folder / NETWORK_FILE), None)
    if measured.readouts:
        write_readouts(measured.readouts.values(), folder / READOUTS_FILE)
    if measured.targets is not None:
        write_targets(measured.targets, folder / TARGETS_FILE)
