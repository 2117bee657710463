"""How far what happens to one molecule of a network can reach another, by the wiring alone.

Travels with checkpoints. Shapes: N molecules.
"""

from __future__ import annotations

import numpy as np

from .network import SignalingNetwork

STEPS, DECAY = 8, 0.8
"""How far influence is followed, and what a step leaves of it."""
UNKNOWN_SIGN = 0.6
"""What an interaction without a known sign counts for: most of those activate."""


def influence_of(network: SignalingNetwork) -> tuple[np.ndarray, np.ndarray]:
    """Influence of every molecule (rows) on every other (columns), each (N, N).

    Returns:
        The signed influence in (−1, 1), in which paths of both signs cancel; and the reach in
        [0, 1), in which they add.
    """
    count, index = len(network.molecules), network.molecule_index
    signed, there = np.zeros((2, count, count))
    for interaction in network.interactions:
        for source, sign in zip(interaction.sources, interaction.signs, strict=True):
            at = index[source], index[interaction.target]
            signed[at] += sign if sign else UNKNOWN_SIGN
            there[at] = 1.0
    return _spread(np.clip(signed, -1, 1)), _spread(there)


def _spread(step: np.ndarray) -> np.ndarray:
    walk, total = np.eye(len(step)), np.zeros_like(step)
    for _ in range(STEPS):
        walk = DECAY * np.clip(walk @ step, -1, 1)
        total += walk
    reached: np.ndarray = np.tanh(total)
    return reached
