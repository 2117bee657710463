"""Baselines of the masked-molecule objective: frequency, and neighbour look-up.

Both score tokens from the training networks; the caller restricts the candidates.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..model.network import SignalingNetwork

MembersOf = Callable[[SignalingNetwork], Sequence[Sequence[int]]]


class Frequency:
    """How many training networks hold a token."""

    def __init__(
        self, networks: Iterable[SignalingNetwork], members_of: MembersOf, size: int
    ) -> None:
        self.counts = np.zeros(size)
        for network in networks:
            present = {token for members in members_of(network) for token in members}
            self.counts[list(present)] += 1

    def scores(self, network: SignalingNetwork, molecule: int) -> np.ndarray:
        """Scores over the vocabulary (V)."""
        return self.counts


class NeighbourLookUp:
    """How often a token interacts with the visible neighbours in training networks.

    Direction counts: a neighbour upstream votes for its targets in training networks, a neighbour
    downstream for its sources. Ties are broken by frequency.
    """

    def __init__(
        self, networks: Sequence[SignalingNetwork], members_of: MembersOf, size: int
    ) -> None:
        self.members_of = members_of
        self.frequency = Frequency(networks, members_of, size)
        self.targets_of: dict[int, Counter[int]] = defaultdict(Counter)
        self.sources_of: dict[int, Counter[int]] = defaultdict(Counter)
        for network in networks:
            members = members_of(network)
            for source, target in edges_of(network):
                for s in members[source]:
                    for t in members[target]:
                        self.targets_of[s][t] += 1
                        self.sources_of[t][s] += 1

    def scores(self, network: SignalingNetwork, molecule: int) -> np.ndarray:
        """Scores over the vocabulary (V) for one masked molecule, from its neighbours."""
        members = self.members_of(network)
        own = set(members[molecule])
        scores = self.frequency.counts / (1 + self.frequency.counts.max())
        scores = scores.copy()
        for source, target in edges_of(network):
            if (source == molecule) == (target == molecule):
                continue
            neighbour, table = (
                (target, self.sources_of) if source == molecule else (source, self.targets_of)
            )
            if own.isdisjoint(members[neighbour]):
                for token in members[neighbour]:
                    for candidate, count in table[token].items():
                        scores[candidate] += count
        return scores


def edges_of(network: SignalingNetwork) -> list[tuple[int, int]]:
    """Source and target of every source of every interaction, in file order."""
    index = network.molecule_index
    return [(index[s], index[i.target]) for i in network.interactions for s in i.sources]
