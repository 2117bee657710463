"""What `hmlm convert` does: networks to another format, and MIDAS to tables of measurements."""

from __future__ import annotations

import warnings
from pathlib import Path

from ..common.errors import FormatError, OptionsError
from ..common.files import check_output_files, refuse_to_overwrite, whole_folder
from ..common.words import counted
from ..formats.measured.measured_tables import (
    CONDITIONS_FILE,
    OBSERVATIONS_FILE,
    write_condition_tables,
)
from ..formats.measured.midas import INHIBITION, is_midas, read_midas
from ..formats.network_choice import one_network
from ..formats.output_formats import files_to_write, writable_format, write_networks
from .command_options import ConvertOptions
from .condition_arguments import load_networks, load_one_network, own_files


def run_conversion(options: ConvertOptions) -> None:
    """Convert, and print what was written and what was lost.

    Raises:
        FormatError: a file cannot be read or must not be written.
        OptionsError: options that do not belong to this input.
        OSError: a file cannot be written.
    """
    if Path(options.source).is_file() and is_midas(options.source):
        convert_midas(options)
    else:
        convert_networks(options)


def convert_networks(options: ConvertOptions) -> None:
    """Write networks in another format, and report what that format does not hold."""
    if options.network:
        raise OptionsError(
            "--network is of a MIDAS table, with columns TR:, DA: and DV:; found none",
            path=options.source,
        )
    form = writable_format(options.target, options.to)
    networks = load_networks(options.source, options.mapping)
    if options.pathway is not None:
        networks = (one_network(networks, options.pathway, options.source),)
    for file in files_to_write(networks, options.target, options.to):
        refuse_to_overwrite(file, own_files(options.source), options.force)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are the losses, which are printed
        lost = write_networks(networks, options.target, options.to)
    what = networks[0].name if len(networks) == 1 else f"{len(networks)} networks"
    print(f"{options.target}: {what} as {form.name}")
    for words in lost:
        print(f"lost: {words}")


def convert_midas(options: ConvertOptions) -> None:
    """Write a MIDAS table as conditions.csv and observations.csv in a folder."""
    if not options.network:
        raise OptionsError(
            "it is a MIDAS table; expected --network, whose molecules it measures",
            path=options.source,
        )
    folder = Path(options.target)
    if folder.exists() and not folder.is_dir():
        raise FormatError("it is a file; expected a folder for two tables", path=folder)
    network = load_one_network(options.network, options.pathway)
    conditions, observations = read_midas(
        options.source,
        network,
        time_unit=options.time_unit,
        modality=options.modality,
        inhibition=INHIBITION if options.inhibition is None else options.inhibition,
        cell_line=options.cell_line,
    )
    if folder.is_dir():
        for name in (CONDITIONS_FILE, OBSERVATIONS_FILE):
            check_output_files(folder / name, None, (Path(options.source),), options.force)
    with whole_folder(folder) as target:
        write_condition_tables(conditions, observations, target)
    values = sum(map(len, observations.values()))
    print(f"{folder / CONDITIONS_FILE}: {counted(len(conditions), 'condition')}")
    print(f"{folder / OBSERVATIONS_FILE}: {counted(values, 'value')}")
