"""What `hmlm convert` does: networks to another format, and measurements to measured sets."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path

from ..common.errors import FormatError, OptionsError
from ..common.files import check_output_files, refuse_to_overwrite, whole_folder
from ..common.words import by_comma, counted
from ..formats.measured.anndata_sets import is_anndata, write_anndata
from ..formats.measured.measured_set import MeasuredSet
from ..formats.measured.midas import INHIBITION, one_line
from ..formats.measured.set_folder import (
    CONDITIONS_FILE,
    OBSERVATIONS_FILE,
    is_set_folder,
    write_measured_set,
)
from ..formats.measured.set_formats import SetOptions, read_sets, set_format
from ..formats.measured.table_roles import Roles
from ..formats.network_choice import one_network
from ..formats.network_loading import shipped_networks
from ..formats.output_formats import files_to_write, writable_format, write_networks
from ..model.network import SignalingNetwork
from .command_options import ConvertOptions
from .condition_arguments import load_networks, load_one_network, own_files


def run_conversion(options: ConvertOptions) -> None:
    """Convert, and print what was written and what was lost.

    Raises:
        FormatError: a file cannot be read or must not be written.
        OptionsError: options that do not belong to this input.
        OSError: a file cannot be written.
    """
    source = Path(options.source)
    names_columns = any((options.given, options.doses, options.readout, options.value))
    # A folder is what measurements are written into.
    is_folder = not options.to and not Path(options.target).suffix
    is_shipped = options.source in ("core", *shipped_networks())
    if source.exists() and (set_format(source) is not None or names_columns or is_folder):
        convert_measurements(options)
    elif is_folder and not is_shipped:
        raise FormatError("there is no such file or folder", path=source)
    else:
        convert_networks(options)


def convert_networks(options: ConvertOptions) -> None:
    """Write networks in another format, and report what that format does not hold."""
    if options.network:
        raise OptionsError(
            "--network is of measurements, such as a MIDAS table; found none",
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


def convert_measurements(options: ConvertOptions) -> None:
    """Write published measurements as measured sets: one into the folder, or several into folders
    of it, each named after its cell line; or one as AnnData."""
    folder = Path(options.target)
    is_file = is_anndata(folder)
    if folder.exists() and not folder.is_dir() and not is_file:
        raise FormatError("it is a file; expected a folder for a measured set", path=folder)
    network = load_one_network(options.network, options.pathway) if options.network else None
    with warnings.catch_warnings(record=True) as odd:
        warnings.simplefilter("always")
        sets = read_sets(options.source, set_options(options, network), insists=True)
    if options.cell_line is not None:
        sets = (one_line(sets, options.cell_line, options.source),)
    if is_file:
        sets, targets = (renamed(one_line(sets, None, options.source), folder.stem),), [folder]
        check_output_files(folder, None, (Path(options.source),), options.force)
    elif len(sets) == 1:
        sets, targets = (renamed(sets[0], folder.resolve().name),), [folder]
    else:
        names = [folder_name(one.cell_line or one.name) for one in sets]
        sets = tuple(
            renamed(one, f"{folder.resolve().name}-{name}")
            for one, name in zip(sets, names, strict=True)
        )
        targets = [folder / name for name in names]
    if len(targets) > 1 and is_set_folder(folder) and not options.force:
        raise FormatError(
            "it holds a measured set, and several are to be written into it; expected another "
            "folder, or --force",
            path=folder,
        )
    for target in targets:
        for name in (CONDITIONS_FILE, OBSERVATIONS_FILE) if target.is_dir() else ():
            check_output_files(target / name, None, (Path(options.source),), options.force)
    for one, target in zip(sets, targets, strict=True):
        if is_file:
            write_anndata(one, target)
        else:
            with whole_folder(target) as whole:
                write_measured_set(one, whole)
        print(f"{target}: {set_line(one)}")
    for words in dict.fromkeys(note for one in sets for note in one.notes):
        print(f"note: {words}")
    for warning in odd:
        print(f"note: {warning.message}")


def renamed(measured: MeasuredSet, name: str) -> MeasuredSet:
    """A set under another name, of which the study is the first part unless it is published."""
    is_stated = measured.source and measured.study
    return replace(measured, name=name, study=measured.study if is_stated else "")


def set_options(options: ConvertOptions, network: SignalingNetwork | None) -> SetOptions:
    """How measurements are to be read."""
    roles = Roles(
        given=tuple(by_comma(options.given)),
        doses=tuple(by_comma(options.doses)),
        readout=options.readout,
        value=options.value,
        line=options.line,
        time=options.time,
        replicate=options.replicate,
        batch=options.batch,
    )
    return SetOptions(
        options.time_unit,
        options.modality,
        options.scale,
        INHIBITION if options.inhibition is None else options.inhibition,
        roles,
        network,
        options.layer,
    )


def set_line(measured: MeasuredSet) -> str:
    """A measured set in one line."""
    counts = (
        counted(len(measured.conditions), "condition"),
        counted(len(measured.treatments), "treatment"),
        counted(len(measured.readout_names), "readout"),
        counted(len(measured.times_hours), "time"),
        counted(len(measured.measurements), "value"),
    )
    scales = sorted({str(m.scale) for m in measured.measurements})
    line = f", of {measured.cell_line}" if measured.cell_line else ""
    return f"{', '.join(counts)} ({', '.join(scales)}){line}"


def folder_name(name: str) -> str:
    """A name without what a folder's cannot have."""
    return re.sub(r"[^\w.+ -]+", "-", name).strip(" .") or "set"
