"""What a task is: what every entry is given, what it predicts, and how predictions are scored.

Shapes: Q query conditions, U query times, N molecules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..measurements.measured import Measurements
from ..measurements.metrics import score
from ..measurements.simulated import Budget, SimulatedTask
from ..model.network import SignalingNetwork
from .entries import Entry


@dataclass(frozen=True)
class Task:
    """A task of `hmlm benchmark` in which every entry is fitted once and predicts several splits.

    Attributes:
        draws: names what is drawn and fitted to; tasks that share it share their kept runs.
        splits: those that are reported.
        draw: from a network with kinetics, a budget, a track and a seed.
        budgets: those that are measured by default.
        entries: of `hmlm_fm.benchmarks.entries`, or others with factories that take `Resources`.
        measure: figures of states (Q, U, N) and their standard deviations on one split; among
            them mse, and squared_errors of what is exchangeable.
        own_network: of a task that brings its network along.
    """

    draws: str
    splits: tuple[str, ...]
    draw: Callable[[SignalingNetwork, Budget, str, int], SimulatedTask]
    budgets: Sequence[str]
    entries: tuple[Entry, ...]
    measure: Callable[[np.ndarray, np.ndarray | None, Measurements], dict[str, Any]] = score
    own_network: Callable[[], SignalingNetwork] | None = None
