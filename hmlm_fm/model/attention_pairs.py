"""Pairs of molecules that attend to each other, and literals that may share an AND group.

Every attention backend computes over this one list of pairs, so that all agree and none needs an
N × N tensor. Plain numpy; travels with every checkpoint.

Shapes: N molecules, J literals (one source of one interaction), L pairs, X partners.
"""

from __future__ import annotations

import numpy as np


def attention_pairs(
    source_J: np.ndarray,
    target_J: np.ndarray,
    interaction_J: np.ndarray,
    molecules: int,
    max_hops: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ordered pairs (query, key) that attend: self, within `max_hops`, sources of one AND group.

    Args:
        source_J, target_J: molecules at the ends of each literal.
        interaction_J: the interaction that each literal belongs to.
        molecules: how many there are.
        max_hops: how many interactions apart two molecules may be, in either direction.

    Returns:
        pair_L2: query and key, sorted.
        hops_L2: distance from key to query along the edges, and from query to key, both
            `max_hops + 1` where there is no such short path.
        siblings_L: whether both are sources of one AND group.
    """
    forward = _distances(source_J, target_J, molecules, max_hops)
    siblings = _sibling_codes(source_J, interaction_J, molecules)
    reverse = {code % molecules * molecules + code // molecules: d for code, d in forward.items()}
    codes = np.array(sorted({*forward, *reverse, *siblings.tolist()}), dtype=np.int64)
    far = max_hops + 1
    # A code is key · N + query, so a forward distance is that from key to query.
    from_key = np.array([forward.get(c, far) for c in codes.tolist()], dtype=np.int64)
    to_key = np.array([reverse.get(c, far) for c in codes.tolist()], dtype=np.int64)
    pair = np.stack([codes % molecules, codes // molecules], axis=1)
    order = np.lexsort((pair[:, 1], pair[:, 0]))
    hops = np.stack([from_key, to_key], axis=1)
    return pair[order], hops[order], np.isin(codes, siblings)[order]


def pair_positions(
    pair_L2: np.ndarray, query: np.ndarray, key: np.ndarray, molecules: int
) -> np.ndarray:
    """Where the pairs (query, key) stand in the sorted list; each must be in it."""
    return np.searchsorted(pair_L2[:, 0] * molecules + pair_L2[:, 1], query * molecules + key)


def possible_partners(target_J: np.ndarray, interaction_J: np.ndarray) -> np.ndarray:
    """Pairs (literal, other literal on the same target in another interaction): (X, 2).

    Where the logic is unknown, these are the pairs that might be joined by AND.
    """
    order = np.argsort(target_J, kind="stable")
    _, starts, counts = np.unique(target_J[order], return_index=True, return_counts=True)
    repeated = np.repeat(counts, counts)
    left = np.repeat(order, repeated)
    offsets = np.arange(len(left)) - np.repeat(np.cumsum(repeated) - repeated, repeated)
    right = order[np.repeat(np.repeat(starts, counts), repeated) + offsets]
    other = interaction_J[left] != interaction_J[right]
    return np.stack([left[other], right[other]], axis=1)


def _distances(
    source_J: np.ndarray, target_J: np.ndarray, molecules: int, max_hops: int
) -> dict[int, int]:
    """Shortest directed distance of at most `max_hops` by code source · N + target."""
    edges = np.unique(source_J * molecules + target_J)
    source, target = edges // molecules, edges % molecules
    starts = np.searchsorted(source, np.arange(molecules + 1))
    degree = np.diff(starts)
    own = np.arange(molecules)
    found = dict.fromkeys((own * molecules + own).tolist(), 0)
    frontier = own * molecules + own
    for hop in range(1, max_hops + 1):
        first, middle = frontier // molecules, frontier % molecules
        count = degree[middle]
        offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        reached = target[np.repeat(starts[middle], count) + offset]
        codes = np.unique(np.repeat(first, count) * molecules + reached)
        frontier = np.array([c for c in codes.tolist() if c not in found], dtype=np.int64)
        found.update(dict.fromkeys(frontier.tolist(), hop))
    return found


def _sibling_codes(source_J: np.ndarray, interaction_J: np.ndarray, molecules: int) -> np.ndarray:
    order = np.argsort(interaction_J, kind="stable")
    interaction, source = interaction_J[order], source_J[order]
    codes: list[np.ndarray] = []
    size = int(np.bincount(interaction).max()) if len(interaction) else 0
    for shift in range(1, size):
        same = interaction[shift:] == interaction[:-shift]
        a, b = source[shift:][same], source[:-shift][same]
        codes += [a * molecules + b, b * molecules + a]
    return np.unique(np.concatenate(codes)) if codes else np.empty(0, dtype=np.int64)
