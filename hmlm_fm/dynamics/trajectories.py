"""Simulated trajectories of drawn networks: what the next-state objective learns from.

Every drawn network is made from its own seed, so that any of them can be made again alone.

Shapes: C conditions, T times, N molecules.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..model.condition_tensors import ConditionTensors
from ..model.conditions import Condition
from ..model.error_base import HMLMError
from ..model.network import SignalingNetwork, merge_networks
from .draw import draw_condition, draw_dynamics
from .equations import drive_of
from .logic_ode import LogicODE
from .simulator import simulate_system, steady_state

TIMES_HOURS = (0, 0.25, 0.5, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 72)
"""When trajectories are kept: from minutes to days."""

FEWEST_MOLECULES, MOST_MOLECULES = 8, 110

FEWEST_CONDITIONS = 20
"""That training and evaluation need of a network: up to 16 are context and 4 are queries."""


@dataclass
class Trajectories:
    """One drawn network with its simulated conditions.

    Attributes:
        visible: what a model may see: no kinetics, and the logic only where it is revealed.
        drawn: the truth.
        conditions: C of them.
        states: (C, T, N) in [0, 1], at `TIMES_HOURS`, from the baseline.
        drives: (C, T, N), what the states move towards.
        baseline: (N) steady state without stimuli or perturbations.
        signs_drawn: unknown signs that were drawn; `logic_drawn`: whether the logic was.
    """

    visible: SignalingNetwork
    drawn: SignalingNetwork
    conditions: tuple[Condition, ...]
    states: np.ndarray
    drives: np.ndarray
    baseline: np.ndarray
    signs_drawn: int = 0
    logic_drawn: bool = False


def draw_topology(
    networks: Sequence[SignalingNetwork], rng: np.random.Generator
) -> SignalingNetwork:
    """One to four pathways of a corpus in one network of 8 to 110 molecules.

    Raises:
        HMLMError: no network of the corpus is of a fit size.
    """
    order = rng.permutation(len(networks)).tolist()
    wanted = int(rng.integers(1, 5))
    chosen: list[SignalingNetwork] = []
    for i in order:
        trial = [*chosen, networks[i]]
        names = {m.name for n in trial for m in n.molecules}
        if len(names) <= MOST_MOLECULES and any(not r.is_input for r in networks[i].interactions):
            chosen = trial
        if len(chosen) == wanted:
            break
    if not chosen:
        raise HMLMError(
            f"none of {len(networks)} networks has interactions and at most "
            f"{MOST_MOLECULES} molecules"
        )
    union = merge_networks(chosen, "+".join(n.name for n in chosen))
    if len(union.molecules) < FEWEST_MOLECULES and len(chosen) < len(networks):
        return draw_topology(networks, rng)
    return union


def make_trajectories(
    networks: Sequence[SignalingNetwork], seeds: Sequence[int], conditions: int = FEWEST_CONDITIONS
) -> list[Trajectories]:
    """Draw and simulate one network per seed, all of them side by side."""
    drawn = []
    for seed in seeds:
        rng = np.random.default_rng([20251200, seed])
        topology = draw_topology(networks, rng)
        truth = draw_dynamics(topology, rng)
        # The logic is visible in half of the networks, as the two tracks of the benchmark do.
        visible = (
            truth
            if rng.random() < 0.5
            else (topology.without_logic() if topology.logic_known else topology)
        )
        rows = tuple(draw_condition(truth, rng) for _ in range(conditions))
        unknown = sum(sign == 0 for i in topology.interactions for sign in i.signs)
        drawn.append((visible.without_kinetics(), truth, rows, unknown, not topology.logic_known))
    states, drives, baselines = simulate_many(
        [truth for _, truth, *_ in drawn], [rows for _, _, rows, *_ in drawn]
    )
    return [
        Trajectories(visible, truth, rows, s, d, b, signs, logic)
        for (visible, truth, rows, signs, logic), s, d, b in zip(
            drawn, states, drives, baselines, strict=True
        )
    ]


def make_many(
    networks: Sequence[SignalingNetwork],
    seeds: Sequence[int],
    conditions: int = FEWEST_CONDITIONS,
    processes: int = 1,
    together: int = 8,
    progress: Callable[[int], object] = lambda done: None,
) -> list[Trajectories]:
    """As `make_trajectories`, in portions and on several processes; order follows the seeds."""
    portions = [seeds[i : i + together] for i in range(0, len(seeds), together)]
    arguments = [(networks, portion, conditions) for portion in portions]
    made: list[Trajectories] = []
    if processes == 1:
        for argument in arguments:
            made += make_trajectories(*argument)
            progress(len(made))
        return made
    # Fork would copy the threads' locks of a parent that has already computed.
    with multiprocessing.get_context("spawn").Pool(processes, _start_worker) as pool:
        for part in pool.imap(_star, arguments):
            made += part
            progress(len(made))
    return made


def _start_worker() -> None:
    torch.set_num_threads(1)
    # Ctrl-C is the parent's to answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _star(arguments: tuple[Sequence[SignalingNetwork], Sequence[int], int]) -> list[Trajectories]:
    return make_trajectories(*arguments)


@torch.no_grad()
def simulate_states(
    networks: Sequence[SignalingNetwork],
    conditions: Sequence[Sequence[Condition]],
    at_rest: Sequence[Condition],
    hours: Sequence[float],
) -> list[np.ndarray]:
    """Simulate networks with full kinetics side by side, each under as many conditions.

    Args:
        networks: with full kinetics.
        conditions: of each network, as many of each.
        at_rest: of each network, the condition whose steady state is where all others start.
        hours: when states are kept.

    Returns:
        Of each network its states (C, T, N).
    """
    system = _Together(networks, conditions, at_rest)
    return system.parts(system.states(hours))


@torch.no_grad()
def simulate_many(
    networks: Sequence[SignalingNetwork], conditions: Sequence[Sequence[Condition]]
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """As `simulate_states` from the steady state of no condition, with drives.

    Returns:
        Of each network its states (C, T, N) and drives (C, T, N) at `TIMES_HOURS` from the
        baseline, and the baseline (N).
    """
    system = _Together(networks, conditions, [Condition()] * len(networks))
    states = system.states(TIMES_HOURS)
    joined, given = system.joined, system.given
    drives = torch.stack(
        [
            drive_of(
                joined,
                state,
                torch.where(
                    given.stimulated_RN.T, given.stimulus_RN.T, joined.input_weight[:, None]
                ),
                given.effects_at(torch.full((system.count,), float(hours))).transposed(),
            )
            for state, hours in zip(states, TIMES_HOURS, strict=True)
        ]
    )
    baselines = [b[:, 0].numpy() for b in system.baseline.split(system.sizes)]
    return system.parts(states), system.parts(drives), baselines


class _Together:
    """Networks as one system."""

    def __init__(
        self,
        networks: Sequence[SignalingNetwork],
        conditions: Sequence[Sequence[Condition]],
        at_rest: Sequence[Condition],
    ) -> None:
        self.joined = LogicODE.joined([LogicODE.from_network(n, torch.float32) for n in networks])
        self.given = _joined_conditions(networks, conditions)
        self.sizes = [len(n.molecules) for n in networks]
        self.count = len(conditions[0])
        resting = _joined_conditions(networks, [[rest] for rest in at_rest])
        self.baseline = steady_state(self.joined, resting, tolerance=2e-3, longest_hours=300.0)

    def states(self, hours: Sequence[float]) -> torch.Tensor:
        """(T, N, C) from the baseline."""
        start = self.baseline.expand(-1, self.count)
        found = simulate_system(self.joined, self.given, hours, start, tolerance=1e-3)
        return found.clamp(min=0)

    def parts(self, values_TNC: torch.Tensor) -> list[np.ndarray]:
        """Of each network its part (C, T, N)."""
        parts = values_TNC.split(self.sizes, 1)
        return [p.permute(2, 0, 1).numpy().astype(np.float16) for p in parts]


def _joined_conditions(
    networks: Sequence[SignalingNetwork], conditions: Sequence[Sequence[Condition]]
) -> ConditionTensors:
    return ConditionTensors.join(
        [
            ConditionTensors.from_conditions(rows, n)
            for rows, n in zip(conditions, networks, strict=True)
        ]
    )
