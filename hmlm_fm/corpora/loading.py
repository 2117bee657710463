"""Corpora by name, file or folder, and their sides."""

from __future__ import annotations

import os
from pathlib import Path

from ..formats import (
    FormatError,
    Identifiers,
    load_core,
    load_network,
    load_networks,
    shipped_networks,
)
from ..network import SignalingNetwork
from .layout import is_corpus_folder

EDGES_FILE = "edges.tsv"

Sides = dict[str, tuple[SignalingNetwork, ...]]


def read_corpus(folder: Path) -> Sides:
    """The networks of each side of a corpus in Parquet."""
    # Machines that only train may lack pyarrow, and do without it on other corpora.
    from .parquet import read_corpus as read

    return read(folder)


def load_corpus(
    name_or_path: str | os.PathLike[str], identifiers: Identifiers | None = None
) -> tuple[SignalingNetwork, ...]:
    """The networks of a corpus.

    Args:
        name_or_path: `core`, the name of another shipped network, a file of one or many networks,
            a folder that `corpora/build.py` made, a folder with an edge table `edges.tsv` (and
            `pathways.tsv` with titles), or a folder of network files.
        identifiers: what the identifiers of other databases mean in files of networks; the
            package's own by default.

    Raises:
        FormatError: there is no such corpus, a file of it is no network, or two networks have one
            name; the message names the file.
    """
    if name_or_path == "core":
        return load_core()
    if isinstance(name_or_path, str) and name_or_path in shipped_networks():
        return (load_network(name_or_path),)
    path = Path(name_or_path)
    if not path.is_dir():
        return load_networks(path, identifiers)
    if is_corpus_folder(path):
        return tuple(network for side in read_corpus(path).values() for network in side)
    if (path / EDGES_FILE).exists():
        return load_networks(path / EDGES_FILE, identifiers)
    return _networks_of_files(path, identifiers)


def load_sides(name_or_path: str | os.PathLike[str]) -> Sides | None:
    """The networks of each side of a corpus that states its split, or None.

    Raises:
        FormatError: as `load_corpus`.
    """
    path = Path(name_or_path)
    return read_corpus(path) if path.is_dir() and is_corpus_folder(path) else None


def _networks_of_files(path: Path, identifiers: Identifiers | None) -> tuple[SignalingNetwork, ...]:
    files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
    if not files:
        raise FormatError(
            f"the folder holds no files; expected {EDGES_FILE} or networks", path=path
        )
    networks: dict[str, SignalingNetwork] = {}
    file_of: dict[str, Path] = {}
    for file in files:
        for network in load_networks(file, identifiers):
            if network.name in networks:
                raise FormatError(
                    f"the network {network.name!r} was already in {file_of[network.name].name}",
                    path=file,
                )
            networks[network.name] = network
            file_of[network.name] = file
    return tuple(networks.values())
