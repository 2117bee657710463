"""The task `hmlm benchmark celllines`: one wiring, with hidden rates and strengths per line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...measurements.simulated import Budget, SimulatedTask, simulate_task
from ...model.network import SignalingNetwork

WEIGHTS, EXPONENTS, HALF_MAXIMA = (0.7, 1.0), (1.1, 2.2), (0.4, 0.65)
TAU_SIGMA = 0.5
"""Standard deviation of the logarithm of the factor on time constants."""


def draw_line(network: SignalingNetwork, seed: int) -> SignalingNetwork:
    """The network of one cell line: kinetics of its own, molecules and logic of all."""
    rng = np.random.default_rng([2026, 11, seed])

    def drawn(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    return replace(
        network,
        molecules=tuple(
            replace(
                m,
                tau_hours=(1.0 if m.tau_hours is None else m.tau_hours)
                * float(np.exp(rng.normal(0, TAU_SIGMA))),
            )
            for m in network.molecules
        ),
        interactions=tuple(
            i
            if i.is_input
            else replace(i, weight=drawn(*WEIGHTS), n=drawn(*EXPONENTS), ec50=drawn(*HALF_MAXIMA))
            for i in network.interactions
        ),
    )


def draw_line_task(
    network: SignalingNetwork, budget: Budget, track: str = "signs", seed: int = 0
) -> SimulatedTask:
    """As `simulate_task`, on the cell line of the seed.

    Raises:
        HMLMError: as `simulate_task`.
    """
    return simulate_task(draw_line(network, seed), budget, track, seed)
