"""Loading networks: from files, recognised by content, and those that ship with the package."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

from ..common.errors import MissingFileError
from ..model.error_base import did_you_mean
from ..model.network import Pathway, SignalingNetwork
from .identifiers import Identifiers
from .json_format import read_json
from .network_choice import one_network
from .recognise import read_networks

_NETWORKS = Path(__file__).parent.parent / "networks"
_FIBROBLAST = "cardiac-fibroblast"


def load_network(
    name_or_path: str | os.PathLike[str], pathway: str | None = None
) -> SignalingNetwork:
    """A shipped network by its name, or the network of a file, whose format is recognised.

    Args:
        name_or_path: a name of `shipped_networks()`, or a file in any of the formats of
            `recognise.FORMATS`.
        pathway: the one to read of a file that holds several.

    Raises:
        FormatError: there is no such network, file or pathway, or it cannot be read.
    """
    if isinstance(name_or_path, str) and name_or_path in _shipped_files():
        return _load_shipped(name_or_path)
    return one_network(load_networks(name_or_path), pathway, name_or_path)


def load_networks(
    path: str | os.PathLike[str], identifiers: Identifiers | None = None
) -> tuple[SignalingNetwork, ...]:
    """The networks of one file: one, or as many as a table has pathways.

    Args:
        path: the file.
        identifiers: what the identifiers of other databases mean; the package's own by default.

    Raises:
        FormatError: there is no such file, or it cannot be read.
    """
    if not Path(path).exists():
        known = shipped_networks()
        hint = did_you_mean(str(path), known) or "; `hmlm info core` lists them"
        raise MissingFileError(
            f"there is no such file, and no shipped network of that name{hint}", path=path
        )
    return read_networks(path, identifiers)


def shipped_networks() -> tuple[str, ...]:
    """Names of the networks that come with the package, sorted."""
    return tuple(sorted(_shipped_files()))


@cache
def load_core() -> tuple[SignalingNetwork, ...]:
    """The core pathways, sorted by name; all of a network belongs to the one pathway it is."""
    return tuple(_load_shipped(name) for name in shipped_networks() if name != _FIBROBLAST)


def _shipped_files() -> dict[str, Path]:
    files = {path.stem: path for path in (_NETWORKS / "core").glob("*.json")}
    return {_FIBROBLAST: _NETWORKS / "cardiac_fibroblast.json", **files}


@cache
def _load_shipped(name: str) -> SignalingNetwork:
    network = read_json(_shipped_files()[name])
    return network if network.pathways else _as_one_pathway(network)


def _as_one_pathway(network: SignalingNetwork) -> SignalingNetwork:
    return replace(
        network,
        molecules=tuple(replace(m, pathways=(network.name,)) for m in network.molecules),
        pathways=(Pathway(network.name, network.title, network.source),),
    )
