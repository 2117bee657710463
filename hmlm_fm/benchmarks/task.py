"""What a task is: what every row is given, what it is asked, and how answers are scored.

Shapes: Q conditions, U times, N molecules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..measurements.measured import Measurements
from ..measurements.metrics import score
from ..measurements.simulated import Budget, SimulatedTask
from ..model.network import SignalingNetwork


@dataclass(frozen=True)
class Task:
    """A task of `hmlm benchmark` in which every row is fitted once and asked on several splits.

    Attributes:
        draws: what is drawn and fitted to; tasks that share it share their cells.
        splits: those that are shown.
        draw: from a network with kinetics, a budget, a track and a seed.
        budgets: those that are measured where none are named.
        rows: the makers of its rows, as `all_rows`.
        measure: figures of states (Q, U, N) and their standard deviations on one split; among
            them mse, and squared_errors of what is exchangeable.
        own_network: of a task that brings its network along.
        published: mean squared errors that others state of the first split, by model and budget.
    """

    draws: str
    splits: tuple[str, ...]
    draw: Callable[[SignalingNetwork, Budget, str, int], SimulatedTask]
    budgets: Sequence[str]
    rows: Callable[..., list[Any]]
    measure: Callable[[np.ndarray, np.ndarray | None, Measurements], dict[str, Any]] = score
    own_network: Callable[[], SignalingNetwork] | None = None
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
