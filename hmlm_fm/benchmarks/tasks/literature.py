"""The task `hmlm benchmark literature`: the direction of change in published experiments.

After Zeigler et al. (J Mol Cell Cardiol 2016;93:72-81) and Rogers et al. (eLife 2022;11:e62856):
from the network at rest with tension at 0.4 and every other input at 0.1, one input rises to 0.8;
what changes by more than 0.05 until the states stand still has a direction. Entries are fitted to
simulated conditions as in `hmlm benchmark conditions`; the experiments are scored, never tuned on.

Shapes: Q query conditions, U query times, N molecules, X experiments.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from ...dynamics.simulator import simulate
from ...formats.measured.experiments import Experiment, read_experiments
from ...measurements.baseline import Baseline
from ...measurements.measured import Measurements
from ...measurements.simulated import (
    QUIET_INPUT,
    Budget,
    SimulatedTask,
    simulate_task,
    with_baseline_inputs,
)
from ...model.conditions import Condition
from ...model.network import SignalingNetwork
from ...pretraining.masked_evaluation import wilson_interval
from ..baselines.roll_out import signed_edges
from ..entries import ENTRIES, Entry, Resources, Result
from ..report import interval_table, summarise
from ..task import Task

EXPERIMENTS = Path(__file__).parents[2] / "networks" / "cardiac_fibroblast_experiments.tsv"
BASE_STIMULI, GIVEN = {"tension": 0.4}, 0.8
TO_REST_HOURS, GIVEN_HOURS = 80.0, 240.0
LEAST_DIRECTION = 0.05
SMALLEST = Budget(4, 2)
"""Of measurements that are not used."""
SPLIT = "experiments"
OWN_EQUATIONS = Entry("own-equations", "logic ODE, the network's own equations")
"""The truth itself, the same at every budget: no entry that is fitted may know it."""


def literature_task(network: SignalingNetwork, path: Path | None = None) -> Task:
    """The task of one network and one table of experiments.

    Args:
        network: with kinetics.
        path: the table; the shipped one without, which is of the cardiac fibroblast.

    Raises:
        FormatError: as `read_experiments`.
    """
    experiments = read_experiments(path or EXPERIMENTS, network)
    stimuli = list(dict.fromkeys(experiment.stimulus for experiment in experiments))
    base = {name: level for name, level in BASE_STIMULI.items() if name in network.molecule_index}
    conditions = (Condition(base), *(Condition(base | {name: GIVEN}) for name in stimuli))

    digest = hashlib.sha256(repr(experiments).encode()).hexdigest()[:12]
    return Task(
        f"literature {digest}",
        (SPLIT,),
        partial(_draw, conditions),
        ["64x8"],
        LITERATURE_ENTRIES,
        partial(_measure, experiments, stimuli),
    )


def _draw(
    conditions: tuple[Condition, ...],
    network: SignalingNetwork,
    budget: Budget,
    track: str,
    seed: int,
) -> SimulatedTask:
    training = simulate_task(network, budget, track, seed, splits=()).training
    truth = with_baseline_inputs(network)
    start = torch.zeros(len(network.molecules), dtype=torch.float64)
    rested = simulate(truth, conditions[:1], [TO_REST_HOURS], start)[0, 0]
    given = simulate(truth, conditions[1:], [GIVEN_HOURS], rested)
    states = torch.cat([rested[None, None], given]).numpy()
    queries = Measurements(
        training.network, conditions, np.array([GIVEN_HOURS]), states, training.baseline, seed
    )
    return SimulatedTask(training, {SPLIT: queries})


def _measure(
    experiments: Sequence[Experiment],
    stimuli: Sequence[str],
    states: np.ndarray,
    scale: np.ndarray | None,
    truth: Measurements,
) -> dict[str, Any]:
    change = states[1:, 0] - states[0, 0]
    predicted = np.array(
        [
            change[stimuli.index(e.stimulus), truth.network.molecule_index[e.molecule]]
            for e in experiments
        ]
    )
    directions = np.where(np.abs(predicted) > LEAST_DIRECTION, np.sign(predicted), 0)
    squared = (states - truth.states) ** 2
    errors = {"mse": float(squared.mean()), "squared_errors": squared.mean((1, 2)).tolist()}
    return errors | score_directions(directions, experiments)


def results_of_truth(
    task: Task, network: SignalingNetwork, budgets: Sequence[Budget]
) -> list[Result]:
    """The figures of the network's own equations at every budget."""
    truth = task.draw(network, SMALLEST, "signs", 0).queries[SPLIT]
    figures = task.measure(truth.states, None, truth)
    del figures["squared_errors"]
    return [OWN_EQUATIONS.result(budget, SPLIT, None, **figures) for budget in budgets]


def literature_table(results: Sequence[Result]) -> str:
    """One table per budget: accuracy and balanced accuracy of every entry."""
    columns = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}
    rows, parts = summarise(results), []
    for budget in dict.fromkeys(row["budget"] for row in rows):
        own = [row for row in rows if row["budget"] == budget]
        caption = (
            f"Budget {budget}, direction of change in {own[0]['n']:.0f} published experiments "
            "(95 % interval over experiments):"
        )
        parts.append(interval_table(caption, own, columns))
    return "\n\n".join(parts)


def score_directions(predicted_X: np.ndarray, experiments: Sequence[Experiment]) -> dict[str, Any]:
    """Accuracy with Wilson's interval; balanced accuracy, the mean over the directions that
    occur, with a bootstrap interval over experiments; and n."""
    known = np.array([experiment.direction for experiment in experiments])
    hits = predicted_X == known
    low, high = wilson_interval(int(hits.sum()), len(hits))

    def balanced(chosen: np.ndarray) -> float:
        return float(np.mean([hits[chosen][known[chosen] == d].mean() for d in set(known[chosen])]))

    rng = np.random.default_rng(0)
    drawn = [balanced(rng.integers(len(hits), size=len(hits))) for _ in range(1000)]
    balanced_low, balanced_high = np.quantile(drawn, [0.025, 0.975])
    return {
        "accuracy": float(hits.mean()),
        "accuracy_low": float(low),
        "accuracy_high": float(high),
        "balanced_accuracy": balanced(np.arange(len(hits))),
        "balanced_accuracy_low": float(balanced_low),
        "balanced_accuracy_high": float(balanced_high),
        "n": float(len(hits)),
    }


def _risen(condition: Condition) -> dict[str, float]:
    """How far each stimulus lies above rest, so that twice `LEAST_DIRECTION` is never missed."""
    gain = 2 * LEAST_DIRECTION / (GIVEN - max(BASE_STIMULI.values()))
    return {name: gain * (level - QUIET_INPUT) for name, level in condition.stimuli.items()}


class AlwaysIncrease(Baseline):
    """Everything rises with every stimulus."""

    def fit(self, training: Measurements) -> Self:
        self.training = training
        return self

    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        rises = np.array([sum(_risen(condition).values()) for condition in conditions])
        shape = (len(conditions), len(hours), len(self.training.baseline_or_zero))
        return np.broadcast_to(self.training.baseline_or_zero + rises[:, None, None], shape)


class ShortestPath(Baseline):
    """Every stimulus moves a molecule by the product of signs along the shortest path to it.

    Where shortest paths disagree, or there is none, it moves nothing.
    """

    def fit(self, training: Measurements) -> Self:
        self.training = training
        edges, signs = signed_edges(training.network)
        self.targets: list[list[tuple[int, int]]] = [[] for _ in training.network.molecules]
        for (source, target), sign in zip(edges.T.tolist(), signs.tolist(), strict=True):
            self.targets[source].append((target, sign))
        return self

    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        moved = np.zeros((len(conditions), len(self.training.baseline_or_zero)))
        for q, condition in enumerate(conditions):
            for name, risen in _risen(condition).items():
                moved[q] += risen * self.signs_from(self.training.network.molecule_index[name])
        states = self.training.baseline_or_zero + moved
        return np.repeat(states[:, None], len(hours), axis=1)

    def signs_from(self, stimulus: int) -> np.ndarray:
        """Sign of the sum over shortest paths from one molecule to each (N)."""
        distance = {stimulus: 0}
        total = np.zeros(len(self.targets))
        total[stimulus] = 1
        waiting = deque([stimulus])
        while waiting:
            source = waiting.popleft()
            for target, sign in self.targets[source]:
                if target not in distance:
                    distance[target] = distance[source] + 1
                    waiting.append(target)
                if distance[target] == distance[source] + 1:
                    total[target] += sign * total[source]
        return np.sign(total)


def _simple(kind: type[Baseline], _: Resources) -> Baseline:
    return kind()


LITERATURE_ENTRIES: tuple[Entry, ...] = (
    Entry("always-increase", "always Increase", partial(_simple, AlwaysIncrease)),
    Entry("shortest-path", "sign of the shortest path", partial(_simple, ShortestPath)),
    *ENTRIES,
)
"""All entries of held-out conditions, with the two simplest predictions of a direction."""
