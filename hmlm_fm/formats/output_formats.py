"""Which writer a file gets: by its ending, or by the name of a format."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..common.errors import FormatError
from ..common.files import whole_folder
from ..model.error_base import did_you_mean
from ..model.network import SignalingNetwork
from .drawings import free_name
from .edge_table import write_edge_table
from .json_format import write_json
from .logic.bnet import write_bnet
from .lost_content import summed, warn_of
from .netflux import write_netflux
from .network_choice import counted_by_name
from .sbml.qual_writer import write_sbml_qual
from .sif import write_sif

Networks = Sequence[SignalingNetwork]


@dataclass(frozen=True)
class WritableFormat:
    """A format that can be written.

    Attributes:
        name: by which it is chosen.
        endings: of its files; the first is the one that new files get.
        write: writes networks to a file, and returns in words what was lost.
        holds_several: whether one file can hold more than one network.
    """

    name: str
    endings: tuple[str, ...]
    write: Callable[[Networks, Path], tuple[str, ...]]
    holds_several: bool = False


def _write_json(networks: Networks, path: Path) -> tuple[str, ...]:
    write_json(networks[0], path)
    return ()


WRITABLE = (
    WritableFormat("json", (".json",), _write_json),
    WritableFormat("netflux", (".xlsx",), lambda n, path: write_netflux(n[0], path)),
    WritableFormat("sif", (".sif",), lambda n, path: write_sif(n[0], path)),
    WritableFormat("edge-table", (".tsv",), write_edge_table, holds_several=True),
    WritableFormat("bnet", (".bnet",), lambda n, path: write_bnet(n[0], path)),
    WritableFormat("sbml-qual", (".sbml", ".xml"), lambda n, path: write_sbml_qual(n[0], path)),
)


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a path means a folder: it is one, or it ends with a slash."""
    return os.fspath(path).endswith(("/", os.sep)) or Path(path).is_dir()


def writable_format(path: str | os.PathLike[str], format_name: str | None = None) -> WritableFormat:
    """The format in which a file is to be written.

    Args:
        path: the file, whose ending counts where no format is named.
        format_name: the name of a format of `WRITABLE`.

    Raises:
        FormatError: no format has that name or ending, or a folder is given without a name.
    """
    by_name = {known.name: known for known in WRITABLE}
    if format_name is not None:
        if format_name.lower() in by_name:
            return by_name[format_name.lower()]
        raise FormatError(
            f"there is no format {format_name!r} to write; expected one of {', '.join(by_name)}"
            + did_you_mean(format_name, by_name)
        )
    if is_folder(path):
        raise FormatError(
            f"it is a folder; expected the name of a format: {', '.join(by_name)}", path=path
        )
    by_ending = {ending: known for known in WRITABLE for ending in known.endings}
    ending = Path(path).suffix.lower()
    if ending not in by_ending:
        found = (
            f"the ending {ending!r} is of no format" if ending else "it has no ending of a format"
        )
        raise FormatError(f"{found}; expected one of {', '.join(by_ending)}", path=path)
    return by_ending[ending]


def files_to_write(
    networks: Networks, path: str | os.PathLike[str], format_name: str | None = None
) -> dict[Path, tuple[SignalingNetwork, ...]]:
    """The files that `write_networks` would write, each with the networks in it.

    Raises:
        FormatError: there are no networks, no such format, or no folder to write into; or the
            format holds one network and there are several.
    """
    form = writable_format(path, format_name)
    if not networks:
        raise FormatError("there are no networks to write", path=path)
    if not Path(path).parent.is_dir():
        raise FormatError("the folder that is to hold it does not exist", path=path)
    if not is_folder(path):
        if len(networks) > 1 and not form.holds_several:
            raise FormatError(
                f"there are {counted_by_name(networks)}, and {form.name} holds one; expected the "
                "name of one of them as pathway, or a folder, which ends with '/'",
                path=path,
            )
        return {Path(path): tuple(networks)}
    names: dict[str, SignalingNetwork] = {}
    for network in networks:
        plain = re.sub(r"[^\w.+() -]", "_", network.name).strip(" .") or "network"
        names[free_name(plain, names)] = network
    return {Path(path, name + form.endings[0]): (network,) for name, network in names.items()}


def write_networks(
    networks: Networks, path: str | os.PathLike[str], format_name: str | None = None
) -> tuple[str, ...]:
    """Write networks to a file, or to a folder of one file for each.

    Files appear whole, and in a folder only when all of them could be written. What was there
    before under the same names is replaced.

    Args:
        networks: one, or several where the format holds them or `path` is a folder.
        path: a file, whose ending names the format; or a folder that is there, or ends with `/`.
        format_name: the name of a format of `WRITABLE`; a folder needs it.

    Returns:
        What was lost, in words; a warning names the same.

    Raises:
        FormatError: as `files_to_write`, or the format cannot hold a network at all.
        OSError: the place cannot be written to.
    """
    form = writable_format(path, format_name)
    files = files_to_write(networks, path, format_name)
    if not is_folder(path):
        return form.write(networks, Path(path))
    folder = Path(path)
    for file in files:
        if file.is_dir():
            raise FormatError("it is a folder; expected a file", path=file)
    with whole_folder(folder) as waiting, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # each would name a file that is about to move
        lost = summed(form.write(files[file], waiting / file.name) for file in files)
    warn_of(lost, folder, form.name)
    return lost
