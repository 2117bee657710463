"""Corpora of networks, and splits of them that keep relatives on one side.

Two networks are relatives when they are of one family (revisions of one model), or when they
share more than half of their members: 2 · |A ∩ B| / (|A| + |B|) > 0.5, the shared part of their
mean size. Relatives of relatives stay together too, so that no pair above the threshold is ever
split.

Why the mean size: relative to the smaller of the two, small pathways that lie within large ones
chain 461 of the 960 WikiPathways into one cluster, and little is left to hold out freely;
relative to the union (Jaccard), two pathways of one size may share two thirds of their members
and still be parted. With the mean size 102 pairs are kept together, where Jaccard keeps 29, and
the largest cluster has 6 pathways.
"""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .formats import FormatError, load_core, load_network, load_networks, shipped_networks
from .network import SignalingNetwork

SIDES = ("train", "validation", "test")
OVERLAP_THRESHOLD = 0.5
EDGES_FILE = "edges.tsv"


def load_corpus(name_or_path: str | os.PathLike[str]) -> tuple[SignalingNetwork, ...]:
    """The networks of a corpus.

    Args:
        name_or_path: `core`, the name of another shipped network, a file of one or many networks,
            a folder with an edge table `edges.tsv` (and `pathways.tsv` with titles), or a folder
            of network files.

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
        return load_networks(path)
    if (path / EDGES_FILE).exists():
        return load_networks(path / EDGES_FILE)
    files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
    if not files:
        raise FormatError(
            f"the folder holds no files; expected {EDGES_FILE} or networks", path=path
        )
    networks: dict[str, SignalingNetwork] = {}
    file_of: dict[str, Path] = {}
    for file in files:
        for network in load_networks(file):
            if network.name in networks:
                raise FormatError(
                    f"the network {network.name!r} was already in {file_of[network.name].name}",
                    path=file,
                )
            networks[network.name] = network
            file_of[network.name] = file
    return tuple(networks.values())


def split_corpus(
    networks: Iterable[SignalingNetwork],
    seed: int,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    exclude_families: Iterable[str] = (),
) -> dict[str, tuple[SignalingNetwork, ...]]:
    """Train, validation and test networks, relatives always on one side.

    The split depends on the networks and the seed, not on the order in which they come. Whole
    clusters of relatives are dealt out, so the fractions are met as nearly as they allow.

    Args:
        networks: with distinct names.
        seed: of the shuffle.
        fractions: of the networks on the three sides.
        exclude_families: names of families that are to be on no side. Where a shipped network is
            of such a family, its relatives by overlap are left out as well, so that a revision
            under another name does not slip in.

    Returns:
        The networks of each side, sorted by name, by `SIDES`.

    Raises:
        ValueError: repeated names, fractions that are no fractions, or too few clusters for
            three sides.
    """
    networks = sorted(networks, key=lambda network: network.name)
    twice = [name for name, count in Counter(n.name for n in networks).items() if count > 1]
    if twice:
        raise ValueError(f"networks must have distinct names to be split, found twice: {twice[0]}")
    if len(fractions) != len(SIDES) or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(
            f"fractions are {tuple(fractions)}; expected {len(SIDES)} positive numbers of sum 1"
        )
    clusters = cluster_networks(_without_families(networks, frozenset(exclude_families)))
    if len(clusters) < len(SIDES):
        raise ValueError(
            f"{len(networks)} networks make {len(clusters)} clusters of relatives; a split into "
            f"{', '.join(SIDES)} needs at least {len(SIDES)}"
        )
    random.Random(seed).shuffle(clusters)
    clusters.sort(key=len, reverse=True)  # large ones first, while every side has room
    sides = _deal_out(clusters, fractions)
    return {
        side: tuple(sorted((n for c in dealt for n in c), key=lambda network: network.name))
        for side, dealt in zip(SIDES, sides, strict=True)
    }


def cluster_networks(networks: Iterable[SignalingNetwork]) -> list[list[SignalingNetwork]]:
    """Groups of relatives, by family and by overlap of members."""
    networks = list(networks)
    cluster_of = list(range(len(networks)))

    def root(position: int) -> int:
        while cluster_of[position] != position:
            position = cluster_of[position]
        return position

    first_of_family: dict[str, int] = {}
    for position, network in enumerate(networks):
        first = first_of_family.setdefault(network.family_name, position)
        cluster_of[root(position)] = root(first)
    for a, b in _overlapping_pairs([_identities(network) for network in networks]):
        cluster_of[root(b)] = root(a)
    clusters = defaultdict(list)
    for position, network in enumerate(networks):
        clusters[root(position)].append(network)
    return list(clusters.values())


def member_overlap(a: SignalingNetwork, b: SignalingNetwork) -> float:
    """Shared members over the mean number of members of the two networks, in [0, 1]."""
    return _overlap(_identities(a), _identities(b))


def _identities(network: SignalingNetwork) -> frozenset[str]:
    """Members of all molecules; a molecule without known members stands for itself."""
    return frozenset(
        identity
        for molecule in network.molecules
        for identity in molecule.members or (molecule.name,)
    )


def _overlap(a: frozenset[str], b: frozenset[str]) -> float:
    return 2 * len(a & b) / (len(a) + len(b))


def _overlapping_pairs(identities: Sequence[frozenset[str]]) -> Iterator[tuple[int, int]]:
    """Positions of the pairs above the threshold, found through the members they share."""
    holders = defaultdict(list)
    for position, members in enumerate(identities):
        for member in members:
            holders[member].append(position)
    shared: Counter[tuple[int, int]] = Counter()
    for positions in holders.values():
        shared.update((a, b) for i, b in enumerate(positions) for a in positions[:i])
    for (a, b), count in sorted(shared.items()):
        if 2 * count > OVERLAP_THRESHOLD * (len(identities[a]) + len(identities[b])):
            yield a, b


def _without_families(
    networks: Iterable[SignalingNetwork], families: frozenset[str]
) -> list[SignalingNetwork]:
    shipped = [load_network(name) for name in shipped_networks()] if families else []
    excluded = [_identities(network) for network in shipped if network.family_name in families]
    return [
        network
        for network in networks
        if network.family_name not in families
        and all(_overlap(_identities(network), e) <= OVERLAP_THRESHOLD for e in excluded)
    ]


def _deal_out(
    clusters: Sequence[list[SignalingNetwork]], fractions: Sequence[float]
) -> list[list[list[SignalingNetwork]]]:
    """Clusters for each side: one of the smallest each, then each where most is missing."""
    total = sum(map(len, clusters))
    n_sides = len(fractions)
    sides: list[list[list[SignalingNetwork]]] = [[c] for c in clusters[-n_sides:]]
    for cluster in clusters[:-n_sides]:
        missing = [
            fraction * total - sum(map(len, side))
            for fraction, side in zip(fractions, sides, strict=True)
        ]
        sides[missing.index(max(missing))].append(cluster)
    return sides
