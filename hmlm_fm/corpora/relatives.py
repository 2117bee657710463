"""Which networks are relatives, and splits that keep relatives on one side.

Two networks are relatives when they are of one family (revisions of one model), or when they
share more than half of their members, or more than half of their edges, both relative to the mean
of the two: 2 · |A ∩ B| / (|A| + |B|) > 0.5. Members alone would miss one pathway that two sources
draw with other bystanders. Relatives of relatives stay together too, so that no pair above the
threshold is ever split.

Why the mean size: relative to the smaller of the two, small pathways that lie within large ones
chain 461 of the 960 WikiPathways into one cluster, and little is left to hold out freely;
relative to the union (Jaccard), two pathways of one size may share two thirds of their members
and still be parted. With the mean size 102 pairs are kept together, where Jaccard keeps 29, and
the largest cluster has 6 pathways.
"""

from __future__ import annotations

import csv
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

from ..formats.network_loading import load_network
from ..model.error_base import HMLMError
from ..model.network import SignalingNetwork

SIDES = ("train", "validation", "test")
OVERLAP_THRESHOLD = 0.5
FEWEST_EDGES = 5
"""Below this two networks may well share most of their few edges by chance."""
MOST_MEMBERS = 12
"""A family above this takes part in edges as a whole: its pairs of members are weak evidence."""

PROTECTED_FAMILIES = ("cardiac-fibroblast", "hypertrophy")
"""What models are benchmarked on: never pretrained on, on the test side of every corpus."""

_PROTECTED_FILE = Path(__file__).parent.parent / "networks" / "protected_families.tsv"

Identity = frozenset[Hashable]
Item = TypeVar("Item")


def split_networks(
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
        exclude_families: names of families that are to be on no side. Of the families in
            `PROTECTED_FAMILIES` revisions under other names are left out as well.

    Returns:
        The networks of each side, sorted by name, by `SIDES`.

    Raises:
        HMLMError: repeated names, fractions that are no fractions, or too few clusters for
            three sides.
    """
    networks = sorted(networks, key=lambda network: network.name)
    twice = [name for name, count in Counter(n.name for n in networks).items() if count > 1]
    if twice:
        raise HMLMError(f"networks must have distinct names to be split, found twice: {twice[0]}")
    if len(fractions) != len(SIDES) or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise HMLMError(
            f"fractions are {tuple(fractions)}; expected {len(SIDES)} positive numbers of sum 1"
        )
    excluded = frozenset(exclude_families)
    clusters = cluster_networks(n for n in networks if family_of(n) not in excluded)
    if len(clusters) < len(SIDES):
        raise HMLMError(
            f"{len(networks)} networks make {len(clusters)} clusters of relatives; a split into "
            f"{', '.join(SIDES)} needs at least {len(SIDES)}"
        )
    return _sides_of(_deal_out(clusters, seed, fractions))


def split_protected(
    networks: Iterable[SignalingNetwork],
    seed: int,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
) -> dict[str, tuple[SignalingNetwork, ...]]:
    """As `split_networks`, with what models are benchmarked on and its relatives in the test side.

    Where what is left makes fewer clusters than sides, all of it is for training.
    """
    networks = sorted(networks, key=lambda network: network.name)
    free: list[list[SignalingNetwork]] = []
    protected: list[list[SignalingNetwork]] = []
    for cluster in cluster_networks(networks):
        is_protected = any(family_of(network) in PROTECTED_FAMILIES for network in cluster)
        (protected if is_protected else free).append(cluster)
    return _sides_of(deal_protected(free, protected, seed, fractions))


def deal_protected(
    free: Sequence[list[Item]],
    protected: Sequence[list[Item]],
    seed: int,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
) -> list[list[list[Item]]]:
    """Clusters for each side of `SIDES`, the protected ones in the test side.

    Where the others are fewer than sides, all of them are for training.
    """
    if len(free) < len(SIDES):
        dealt: list[list[list[Item]]] = [list(free), [], []]
    else:
        dealt = _deal_out(free, seed, fractions)
    dealt[SIDES.index("test")] += protected
    return dealt


def cluster_networks(networks: Iterable[SignalingNetwork]) -> list[list[SignalingNetwork]]:
    """Groups of relatives, by family and by overlap of members and of edges."""
    networks = list(networks)
    cluster_of = list(range(len(networks)))

    def root(position: int) -> int:
        while cluster_of[position] != position:
            cluster_of[position] = cluster_of[cluster_of[position]]
            position = cluster_of[position]
        return position

    first_of_family: dict[str, int] = {}
    for position, network in enumerate(networks):
        first = first_of_family.setdefault(family_of(network), position)
        cluster_of[root(position)] = root(first)
    for a, b in relatives_by_overlap(networks):
        cluster_of[root(b)] = root(a)
    clusters = defaultdict(list)
    for position, network in enumerate(networks):
        clusters[root(position)].append(network)
    return list(clusters.values())


def relatives_by_overlap(networks: Sequence[SignalingNetwork]) -> list[tuple[int, int]]:
    """Positions of the pairs that share more than half of their members or of their edges."""
    members = _overlapping_pairs([_members(network) for network in networks], fewest=1)
    edges = _overlapping_pairs([_edges(network) for network in networks], FEWEST_EDGES)
    return sorted({*members, *edges})


def family_of(network: SignalingNetwork) -> str:
    """The family a network states, or the protected one that its molecules give away."""
    for family, signatures in _protected_signatures().items():
        if network.family_name == family:
            return family
        for signature in signatures:
            if _overlap(_names(network.names), signature) > OVERLAP_THRESHOLD:
                return family
            if _overlap(_members(network), signature) > OVERLAP_THRESHOLD:
                return family
    return network.family_name


def member_overlap(a: SignalingNetwork, b: SignalingNetwork) -> float:
    """Shared members over the mean number of members of the two networks, in [0, 1]."""
    return _overlap(_members(a), _members(b))


def edge_overlap(a: SignalingNetwork, b: SignalingNetwork) -> float:
    """Shared edges between members over the mean number of edges of the two, in [0, 1]."""
    return _overlap(_edges(a), _edges(b))


@cache
def _protected_signatures() -> Mapping[str, tuple[Identity, ...]]:
    """Molecules of the protected models, as names and as members, by family."""
    fibroblast = load_network("cardiac-fibroblast")
    signatures = {fibroblast.family_name: (_members(fibroblast), _names(fibroblast.names))}
    with open(_PROTECTED_FILE, encoding="utf-8") as file:
        lines = (line for line in file if not line.startswith("#"))
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            names = _names(row["molecules"].split(" | "))
            signatures[row["family"]] = (*signatures.get(row["family"], ()), names)
    return signatures


def _names(names: Iterable[str]) -> Identity:
    return frozenset(name.lower() for name in names)


def _members(network: SignalingNetwork) -> Identity:
    """Members of all molecules; a molecule without known members stands for itself."""
    return frozenset(
        identity
        for molecule in network.molecules
        for identity in molecule.members or (molecule.name,)
    )


def _edges(network: SignalingNetwork) -> Identity:
    """Pairs of members of sources and targets; signs, which sources differ on, are left out."""
    parts = {
        molecule.name: molecule.members
        if 0 < len(molecule.members) <= MOST_MEMBERS
        else (" | ".join(sorted(molecule.members)) or molecule.name,)
        for molecule in network.molecules
    }
    return frozenset(
        pair
        for interaction in network.interactions
        for source in interaction.sources
        for pair in itertools.product(parts[source], parts[interaction.target])
    )


def _overlap(a: Identity, b: Identity) -> float:
    return 2 * len(a & b) / (len(a) + len(b)) if a or b else 0.0


def _overlapping_pairs(identities: Sequence[Identity], fewest: int) -> Iterator[tuple[int, int]]:
    """Positions of the pairs above the threshold, found through what they share.

    Of two sets above it each has more than a third of the other's size, so that pairs which
    differ more need not be counted.
    """
    sizes = [len(parts) for parts in identities]
    holders = defaultdict(list)
    for position in sorted(range(len(sizes)), key=lambda i: sizes[i]):
        if sizes[position] >= fewest:
            for part in identities[position]:
                holders[part].append(position)
    shared: Counter[tuple[int, int]] = Counter()
    for positions in holders.values():
        first = 0
        for i, b in enumerate(positions):
            while 3 * sizes[positions[first]] <= sizes[b]:
                first += 1
            shared.update((a, b) if a < b else (b, a) for a in positions[first:i])
    for (a, b), count in shared.items():
        if 2 * count > OVERLAP_THRESHOLD * (sizes[a] + sizes[b]):
            yield a, b


def _deal_out(
    clusters: Sequence[list[Item]], seed: int, fractions: Sequence[float]
) -> list[list[list[Item]]]:
    """Clusters for each side: one of the smallest each, then each where most is missing."""
    clusters = list(clusters)
    random.Random(seed).shuffle(clusters)
    clusters.sort(key=len, reverse=True)  # large ones first, while every side has room
    total = sum(map(len, clusters))
    n_sides = len(fractions)
    sides: list[list[list[Item]]] = [[c] for c in clusters[-n_sides:]]
    for cluster in clusters[:-n_sides]:
        missing = [
            fraction * total - sum(map(len, side))
            for fraction, side in zip(fractions, sides, strict=True)
        ]
        sides[missing.index(max(missing))].append(cluster)
    return sides


def _sides_of(
    dealt: Sequence[Sequence[Sequence[SignalingNetwork]]],
) -> dict[str, tuple[SignalingNetwork, ...]]:
    return {
        side: tuple(sorted((n for c in clusters for n in c), key=lambda network: network.name))
        for side, clusters in zip(SIDES, dealt, strict=True)
    }
