"""Measurements that are simulated at a budget, and the unseen conditions that are predicted then.

Training conditions have one or two stimuli, half of them with a knock-out; queries are pairs of
stimuli, triples, and knock-outs that no training condition has. All of it follows from the network
and a seed.

Shapes: C conditions, T times, N molecules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch

from ..dynamics.simulator import baseline_state, simulate
from ..model.conditions import Condition, Perturbation
from ..model.errors import HMLMError
from ..model.network import SignalingNetwork
from .measured import Measurements

TRACKS = ("signs", "logic")
HORIZON_HOURS = 48


@dataclass(frozen=True)
class Budget:
    """How many conditions are measured at how many times."""

    conditions: int
    times: int

    @classmethod
    def parse(cls, text: str) -> Budget:
        """From "16x4".

        Raises:
            ValueError: the text is of another form.
        """
        parts = text.lower().replace("×", "x").split("x")
        if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
            raise HMLMError(f"budget {text!r}; expected conditions x times, such as 16x4")
        return cls(*map(int, parts))

    def __str__(self) -> str:
        return f"{self.conditions}x{self.times}"

    @property
    def times_hours(self) -> np.ndarray:
        """Evenly spaced within the horizon, with both ends."""
        return np.linspace(0, HORIZON_HOURS, self.times)


@dataclass(frozen=True)
class SimulatedTask:
    """One task with one seed.

    Attributes:
        training: all that a method may know.
        queries: by split, the conditions to predict, with their true states at the query times.
    """

    training: Measurements
    queries: Mapping[str, Measurements]


def visible_network(network: SignalingNetwork, track: str) -> SignalingNetwork:
    """What a row may see of a network: no kinetics, and in track `signs` no AND groups."""
    if track not in TRACKS:
        raise HMLMError(f"track {track!r}; expected one of {', '.join(TRACKS)}")
    shown = network.without_kinetics()
    return shown.without_logic() if track == "signs" else shown


SPLITS = ("pairs", "triples", "knockouts")
QUIET_INPUT = 0.1
STIMULUS_LEVELS = (0.4, 1.0)
UNSEEN_PAIRS, UNSEEN_KNOCKOUTS, ASKED_CONDITIONS = 15, 25, 64
TOLERANCE = 1e-4
"""Of one step of the simulator: states are then right to 5e-4, far below any error that counts."""


def with_baseline_inputs(network: SignalingNetwork) -> SignalingNetwork:
    """The network with every input at its level at rest."""
    return replace(
        network,
        interactions=tuple(
            replace(i, weight=QUIET_INPUT) if i.is_input else i for i in network.interactions
        ),
    )


def simulate_task(
    network: SignalingNetwork,
    budget: Budget,
    track: str = "signs",
    seed: int = 0,
    splits: Sequence[str] = SPLITS,
) -> SimulatedTask:
    """The task of a network with kinetics (Netflux's defaults where it states none).

    Args:
        splits: those to simulate.

    Raises:
        ValueError: fewer than three inputs or regulated molecules, an unknown track, or too small
            a budget.
        NetworkError: the network has no dynamics.
    """
    if len(network.inputs) < 3:
        raise HMLMError(
            f"network {network.name!r} has {len(network.inputs)} inputs; expected at least 3, "
            "so that there are triples of stimuli"
        )
    if budget.conditions < 4 or budget.times < 2:
        raise HMLMError(f"budget {budget}; expected at least 4 conditions at 2 times")
    truth = with_baseline_inputs(network)
    rng = np.random.default_rng([2025, 12, seed])
    pairs = list(combinations(truth.inputs, 2))
    # A third of the pairs at most: a small network must keep some to learn from.
    unseen_pairs = _choose(pairs, min(UNSEEN_PAIRS, len(pairs) // 3), rng)
    regulated = [name for name in truth.names if name not in set(truth.inputs)]
    unseen_knockouts = _choose(regulated, min(UNSEEN_KNOCKOUTS, len(regulated) // 3), rng)
    if not unseen_knockouts:
        raise HMLMError(
            f"network {network.name!r} has {len(regulated)} molecules that are no inputs; expected "
            "at least 3, so that knock-outs of some are never seen"
        )
    seen_pairs = [pair for pair in pairs if pair not in unseen_pairs]
    seen_knockouts = [name for name in regulated if name not in unseen_knockouts]
    triples = list(combinations(truth.inputs, 3))

    def condition(names: Sequence[str], knockouts: Sequence[str] = ()) -> Condition:
        levels = {name: float(rng.uniform(*STIMULUS_LEVELS)) for name in names}
        return Condition(levels, tuple(Perturbation(name, kind="knockout") for name in knockouts))

    def stimuli(count: int) -> Sequence[str]:
        if count == 1:
            return [str(rng.choice(truth.inputs))]
        return seen_pairs[rng.integers(len(seen_pairs))]

    training = [
        condition(
            stimuli(int(rng.integers(1, 3))),
            [str(rng.choice(seen_knockouts))] if rng.random() < 0.5 else [],
        )
        for _ in range(budget.conditions)
    ]
    asked = {
        "pairs": [condition(unseen_pairs[i % len(unseen_pairs)]) for i in range(ASKED_CONDITIONS)],
        "triples": [
            condition(triples[rng.integers(len(triples))]) for _ in range(ASKED_CONDITIONS)
        ],
        "knockouts": [
            condition(stimuli(1), [unseen_knockouts[i % len(unseen_knockouts)]])
            for i in range(ASKED_CONDITIONS)
        ],
    }
    baseline = baseline_state(truth).numpy()
    visible = visible_network(network, track)

    def measured(conditions: Sequence[Condition], times_hours: np.ndarray) -> Measurements:
        states = simulate(
            truth, conditions, times_hours.tolist(), torch.tensor(baseline), tolerance=TOLERANCE
        )
        return Measurements(visible, tuple(conditions), times_hours, states.numpy(), baseline, seed)

    hours = np.arange(HORIZON_HOURS + 1.0)
    return SimulatedTask(
        measured(training, budget.times_hours),
        {split: measured(asked[split], hours) for split in splits},
    )


def _choose(items: Sequence, count: int, rng: np.random.Generator) -> list:  # type: ignore[type-arg]
    chosen = np.sort(rng.choice(len(items), size=count, replace=False))
    return [items[i] for i in chosen]
