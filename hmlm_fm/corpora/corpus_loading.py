"""Corpora by name, file or folder, and their sides."""

from __future__ import annotations

import os
from pathlib import Path

from ..common.errors import FormatError
from ..formats.identifiers import Identifiers
from ..formats.network_loading import load_core, load_network, load_networks, shipped_networks
from ..model.error_base import HMLMError
from ..model.network import SignalingNetwork
from .layout import is_corpus_folder
from .relatives import PROTECTED_FAMILIES, family_of, split_networks

EDGES_FILE = "edges.tsv"
HELD_OUT_SHARE = 0.2
SHARES = (0.05, 0.5)
"""The smallest and the largest that may be held out."""

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


def load_for_training(
    name_or_path: str | os.PathLike[str], seed: int, held_out_share: float = HELD_OUT_SHARE
) -> tuple[tuple[SignalingNetwork, ...], Sides]:
    """All networks of a corpus, and its sides without what models are benchmarked on.

    The sides are those that a corpus states, or drawn by the seed where it states none or where
    nothing is left of one of them. Training on a corpus and simulating it use the
    same ones, so that nothing is tested that was trained on.

    Args:
        name_or_path: as `load_corpus`.
        seed: of a split that is drawn.
        held_out_share: of the networks, for a split that is drawn: a quarter of it for validation,
            the rest for the test.

    Raises:
        FormatError: as `load_corpus`.
        HMLMError: a share that is too small or too large, or too few clusters of relatives for
            three sides.
    """
    if not SHARES[0] <= held_out_share <= SHARES[1]:
        raise HMLMError(
            f"{held_out_share} of the networks held out; expected a share from {SHARES[0]} to "
            f"{SHARES[1]}"
        )
    stated = load_sides(name_or_path)
    if stated is None:
        networks = load_corpus(name_or_path)
    else:
        networks = tuple(network for side in stated.values() for network in side)
        free = {
            side: tuple(n for n in found if family_of(n) not in PROTECTED_FAMILIES)
            for side, found in stated.items()
        }
        if free["train"] and free["test"]:
            return networks, free
    fractions = (1 - held_out_share, held_out_share / 4, 0.75 * held_out_share)
    return networks, split_networks(networks, seed, fractions, PROTECTED_FAMILIES)


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
