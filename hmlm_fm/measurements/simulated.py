"""Measurements that are simulated at a budget, and the held-out conditions to predict.

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
from ..model.error_base import HMLMError
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
            HMLMError: the text is of another form.
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
        training: the measurements that a method may use.
        queries: by split, the conditions to predict, with their true states at the query times.
    """

    training: Measurements
    queries: Mapping[str, Measurements]


def visible_network(network: SignalingNetwork, track: str) -> SignalingNetwork:
    """The network that a model is given: no kinetics, and in track `signs` no AND groups.

    Raises:
        HMLMError: there is no such track.
    """
    if track not in TRACKS:
        raise HMLMError(f"track {track!r}; expected one of {', '.join(TRACKS)}")
    visible = network.without_kinetics()
    return visible.without_logic() if track == "signs" else visible


SPLITS = ("pairs", "triples", "knockouts")
QUIET_INPUT = 0.1
STIMULUS_LEVELS = (0.4, 1.0)
HELD_OUT_PAIRS, HELD_OUT_KNOCKOUTS, QUERIES = 15, 25, 64
TOLERANCE = 1e-4
"""Of one step of the simulator: errors of states are then below 5e-4, far below those of models."""


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
        HMLMError: fewer than three inputs or regulated molecules, an unknown track, or too small
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
    design = _Design(truth, np.random.default_rng([2025, 12, seed]))
    training = design.training(budget.conditions)
    queries = design.queries()
    baseline, visible = baseline_state(truth).numpy(), visible_network(network, track)

    def measured(conditions: Sequence[Condition], times_hours: np.ndarray) -> Measurements:
        states = simulate(
            truth, conditions, times_hours.tolist(), torch.tensor(baseline), tolerance=TOLERANCE
        )
        return Measurements(visible, tuple(conditions), times_hours, states.numpy(), baseline, seed)

    hours = np.arange(HORIZON_HOURS + 1.0)
    return SimulatedTask(
        measured(training, budget.times_hours),
        {split: measured(queries[split], hours) for split in splits},
    )


class _Design:
    """Which conditions are trained on, and which are held out, all drawn from one generator."""

    def __init__(self, network: SignalingNetwork, rng: np.random.Generator) -> None:
        """
        Raises:
            HMLMError: too few molecules that are no inputs.
        """
        self.rng, self.inputs = rng, network.inputs
        pairs = list(combinations(network.inputs, 2))
        # A third of the pairs at most: a small network must keep some to train on.
        self.held_out_pairs = _choose(pairs, min(HELD_OUT_PAIRS, len(pairs) // 3), rng)
        regulated = [name for name in network.names if name not in set(network.inputs)]
        self.held_out_knockouts = _choose(
            regulated, min(HELD_OUT_KNOCKOUTS, len(regulated) // 3), rng
        )
        if not self.held_out_knockouts:
            raise HMLMError(
                f"network {network.name!r} has {len(regulated)} molecules that are no inputs; "
                "expected at least 3, so that knock-outs of some are held out"
            )
        self.pairs = [pair for pair in pairs if pair not in self.held_out_pairs]
        self.knockouts = [name for name in regulated if name not in self.held_out_knockouts]
        self.triples = list(combinations(network.inputs, 3))

    def training(self, count: int) -> list[Condition]:
        """Conditions of one or two stimuli, half of them with a knock-out."""
        return [
            self._condition(
                self._stimuli(int(self.rng.integers(1, 3))),
                [str(self.rng.choice(self.knockouts))] if self.rng.random() < 0.5 else [],
            )
            for _ in range(count)
        ]

    def queries(self) -> dict[str, list[Condition]]:
        """Held-out pairs, any triples, and held-out knock-outs."""
        pairs, knockouts, each = self.held_out_pairs, self.held_out_knockouts, range(QUERIES)
        return {
            "pairs": [self._condition(pairs[i % len(pairs)]) for i in each],
            "triples": [
                self._condition(self.triples[self.rng.integers(len(self.triples))]) for _ in each
            ],
            "knockouts": [
                self._condition(self._stimuli(1), [knockouts[i % len(knockouts)]]) for i in each
            ],
        }

    def _condition(self, names: Sequence[str], knockouts: Sequence[str] = ()) -> Condition:
        levels = {name: float(self.rng.uniform(*STIMULUS_LEVELS)) for name in names}
        return Condition(levels, tuple(Perturbation(name, kind="knockout") for name in knockouts))

    def _stimuli(self, count: int) -> Sequence[str]:
        if count == 1:
            return [str(self.rng.choice(self.inputs))]
        return self.pairs[self.rng.integers(len(self.pairs))]


def _choose(items: Sequence, count: int, rng: np.random.Generator) -> list:  # type: ignore[type-arg]
    chosen = np.sort(rng.choice(len(items), size=count, replace=False))
    return [items[i] for i in chosen]
