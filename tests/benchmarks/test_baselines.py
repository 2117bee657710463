"""Baselines of the benchmarks: each solves a small problem that it should solve."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hmlm_fm.benchmarks.baselines.corrected import CorrectedByResiduals
from hmlm_fm.benchmarks.baselines.graph_network import GraphNetwork
from hmlm_fm.benchmarks.baselines.linear_dynamics import LinearDynamics
from hmlm_fm.benchmarks.baselines.neural import NeuralODE, RecurrentOnGraph
from hmlm_fm.benchmarks.baselines.regression import BayesianRidge, RidgeOnCondition
from hmlm_fm.benchmarks.baselines.roll_out import time_grid
from hmlm_fm.dynamics.simulator import simulate
from hmlm_fm.measurements.baseline import Baseline, condition_features, mean_squared_error
from hmlm_fm.measurements.measured import Measurements
from hmlm_fm.measurements.trivial import Hold, TrainingMean, hold_perturbed
from hmlm_fm.model.conditions import Condition, Perturbation
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork

HOURS = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 16.0])

CHAIN = SignalingNetwork(
    name="chain",
    molecules=(
        Molecule("A", tau_hours=1),
        Molecule("B", tau_hours=1),
        Molecule("C", tau_hours=1),
        Molecule("D", tau_hours=2),
        Molecule("E", tau_hours=1),
    ),
    interactions=(
        Interaction((), (), "A", "input", weight=0.1),
        Interaction((), (), "B", "input", weight=0.1),
        Interaction(("A",), (1,), "C"),
        Interaction(("B",), (1,), "D"),
        Interaction(("C", "D"), (1, -1), "E"),
    ),
)


def draw(count: int, rng: np.random.Generator, knockouts: bool = True) -> list[Condition]:
    conditions = []
    for i in range(count):
        names = ["A", "B"] if i % 2 else [str(rng.choice(["A", "B"]))]
        stimuli = {name: float(rng.uniform(0.3, 1.0)) for name in names}
        gone = (Perturbation(str(rng.choice(["C", "D"]))),) if knockouts and i % 4 == 3 else ()
        conditions.append(Condition(stimuli, gone))
    return conditions


@pytest.fixture(scope="module")
def simulated() -> tuple[Measurements, Measurements]:
    """Measured conditions of the five molecules, and others at other times."""
    rng = np.random.default_rng(0)
    rest = simulate(CHAIN, [Condition()], [200.0])[0, 0]

    def measured(conditions: list[Condition], hours: np.ndarray) -> Measurements:
        states = simulate(CHAIN, conditions, hours.tolist(), rest).numpy()
        visible = CHAIN.without_kinetics().without_logic()
        return Measurements(visible, tuple(conditions), hours, states, rest.numpy(), seed=1)

    return measured(draw(24, rng), HOURS), measured(draw(24, rng), np.arange(17.0))


def name_of(method: Baseline) -> str:
    return type(method).__name__


def gradient_baselines() -> list[Baseline]:
    return [
        NeuralODE(steps=250, members=1),
        RecurrentOnGraph(steps=250, members=1),
        GraphNetwork(layers=2, steps=150, rate=0.01, members=1),
        LinearDynamics(steps=250, members=1),
    ]


def small_baselines() -> list[Baseline]:
    """All baselines, hardly trained: for what holds whatever they learn."""
    return [
        Hold(),
        TrainingMean(),
        RidgeOnCondition(),
        BayesianRidge(),
        LinearDynamics(steps=10, members=2),
        LinearDynamics(on_graph=False, steps=10, members=1),
        NeuralODE(steps=10, members=2),
        RecurrentOnGraph(steps=10, members=1),
        GraphNetwork(layers=1, steps=10, members=2),
    ]


@pytest.mark.parametrize("method", gradient_baselines(), ids=name_of)
def test_dynamics_beat_holding_and_the_mean_on_held_out_conditions(
    method: Baseline, simulated: tuple[Measurements, Measurements]
) -> None:
    training, queries = simulated
    simple = [mean_squared_error(r.fit(training), queries) for r in (Hold(), TrainingMean())]
    assert mean_squared_error(method.fit(training), queries) < 0.5 * min(simple)


@pytest.mark.parametrize("method", [RidgeOnCondition(), BayesianRidge()], ids=name_of)
def test_ridge_recovers_a_linear_response(method: Baseline) -> None:
    rng = np.random.default_rng(1)
    baseline = np.full(5, 0.3)
    response = rng.uniform(-0.25, 0.25, size=(2, 5))

    def measured(conditions: list[Condition]) -> Measurements:
        features = condition_features(conditions, CHAIN)[:, :2]
        grown = (HOURS / HOURS[-1])[:, None]
        states = baseline + (features @ response)[:, None] * grown
        return Measurements(CHAIN, tuple(conditions), HOURS, states, baseline)

    method.fit(measured(draw(16, rng, knockouts=False)))
    queries = measured(draw(8, rng, knockouts=False))
    assert mean_squared_error(method, queries) < 1e-5


def test_products_of_stimuli_are_used_where_the_data_ask_for_them() -> None:
    rng = np.random.default_rng(2)
    conditions = draw(32, rng, knockouts=False)
    features = condition_features(conditions, CHAIN)
    product = features[:, 0] * features[:, 1]
    states = np.zeros((32, 2, 5))
    states[:, 1] = 0.8 * product[:, None]
    training = Measurements(CHAIN, tuple(conditions), np.array([0.0, 4.0]), states, np.zeros(5))
    for method in (RidgeOnCondition().fit(training), BayesianRidge().fit(training)):
        assert method.with_pairs
        assert mean_squared_error(method, training) < 1e-4


def test_linear_dynamics_recover_a_linear_system() -> None:
    rng = np.random.default_rng(3)
    baseline = np.full(5, 0.2)
    # A and B feed C and D; E hears of both, with opposite signs; each has its own time constant.
    coupling = np.zeros((5, 5))
    coupling[2, 0], coupling[3, 1], coupling[4, 2], coupling[4, 3] = 0.8, 0.6, 0.5, -0.4
    matrix = (coupling - np.eye(5)) / np.array([1.0, 2.0, 1.0, 3.0, 1.5])[:, None]

    def measured(conditions: list[Condition], hours: np.ndarray) -> Measurements:
        push = condition_features(conditions, CHAIN)[:, :5] * 0.4 / np.array([1, 2, 1, 3, 1.5])
        at_end = -np.linalg.solve(matrix, push.T).T
        decays = torch.linalg.matrix_exp(torch.tensor(matrix) * torch.tensor(hours)[:, None, None])
        states = baseline + at_end[:, None] - np.einsum("tij,cj->cti", decays.numpy(), at_end)
        return Measurements(CHAIN, tuple(conditions), hours, states, baseline)

    method = LinearDynamics(steps=600, rate=0.03, members=1)
    method.fit(measured(draw(20, rng, knockouts=False), HOURS))
    queries = measured(draw(12, rng, knockouts=False), np.arange(0, 17, 0.5))
    unlearned = mean_squared_error(Hold().fit(queries), queries)
    assert mean_squared_error(method, queries) < 0.01 * unlearned
    # And it stays where it arrives, long after the last measured time.
    late = method.predict(queries.conditions, np.array([100.0, 1000.0]))
    assert np.abs(late[:, 1] - late[:, 0]).max() < 1e-3


@pytest.mark.parametrize("method", small_baselines(), ids=name_of)
def test_every_baseline_holds_perturbed_states_and_repeats_itself(
    method: Baseline, simulated: tuple[Measurements, Measurements]
) -> None:
    training, _ = simulated
    conditions = [
        Condition({"A": 0.8}, (Perturbation("E"), Perturbation("C"))),
        Condition({"B": 0.8}, (Perturbation("D", "clamp", 0.7, 2.0, 4.0),)),
        Condition(),
    ]
    hours = np.array([0.0, 0.3, 3.0, 16.0])
    first = method.fit(training).predict(conditions, hours)
    assert first.shape == (3, 4, 5)
    assert np.all((first >= 0) & (first <= 1))
    assert np.all(first[0][:, [2, 4]] == 0)
    assert first[1, 2, 3] == pytest.approx(0.7)
    assert first[1, 0, 3] == pytest.approx(training.baseline_or_zero[3], abs=0.05)
    torch.manual_seed(99)
    np.testing.assert_array_equal(method.fit(training).predict(conditions, hours), first)


def test_training_leaves_the_random_numbers_of_others_alone(
    simulated: tuple[Measurements, Measurements],
) -> None:
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    NeuralODE(steps=10, members=1).fit(simulated[0])
    assert torch.equal(torch.rand(3), expected)


def test_the_mean_leaves_out_what_is_held() -> None:
    conditions = (Condition(), Condition({}, (Perturbation("C"),)))
    states = np.full((2, 2, 5), 0.6)
    states[1, :, 2] = 0.0
    training = Measurements(CHAIN, conditions, np.array([0.0, 2.0]), states, np.full(5, 0.6))
    predicted = TrainingMean().fit(training).predict([Condition()], np.array([1.0]))
    np.testing.assert_allclose(predicted, 0.6)


def test_what_is_held_is_held_within_its_window_only() -> None:
    condition = Condition({}, (Perturbation("A", "clamp", 0.5, 1.0, 2.0),))
    held = hold_perturbed(np.full((1, 3, 5), 2.0), [condition], np.array([0.0, 1.0, 2.0]), CHAIN)
    np.testing.assert_allclose(held[0, :, 0], [1.0, 0.5, 1.0])
    np.testing.assert_allclose(held[0, :, 1], 1.0)


@pytest.mark.parametrize("hours", [0.7, 4.0, 9.5, 48.0, 100.0])
def test_the_grid_increases_and_reaches_its_end(hours: float) -> None:
    grid = time_grid(hours)
    assert grid[0] == 0
    assert grid[-1] >= hours
    assert np.all(np.diff(grid) > 0)


class Biased(Baseline):
    """Right but for an error that grows in the first hours, and wrong about what is held too."""

    def fit(self, training: Measurements) -> Biased:
        self.baseline = torch.tensor(training.baseline_or_zero)
        return self

    def predict(self, conditions, hours: np.ndarray) -> np.ndarray:
        states = simulate(CHAIN, conditions, hours.tolist(), self.baseline).numpy()
        return np.clip(states + 0.1 * -np.expm1(-hours / 2)[:, None], 0, 1)


def test_residuals_correct_predictions_of_observed_conditions_and_no_others(simulated):
    training, truth = simulated
    plain, corrected = (
        method.fit(training) for method in (Biased(), CorrectedByResiduals(Biased()))
    )
    hours = np.array([0.0, 0.5, 3.0, 12.0, 20.0])
    right = simulate(
        CHAIN, training.conditions, hours.tolist(), torch.tensor(training.baseline_or_zero)
    ).numpy()
    held = np.array(
        [
            [n in {p.target for p in c.perturbations} for n in CHAIN.names]
            for c in training.conditions
        ]
    )
    missed = {
        method: np.abs(method.predict(training.conditions, hours) - right).transpose(0, 2, 1)[~held]
        for method in (plain, corrected)
    }
    assert (missed[corrected].mean(0)[1:] < 0.4 * missed[plain].mean(0)[1:]).all()
    assert missed[corrected][:, 0].max() < 1e-6
    for conditions in (truth.conditions, training.conditions):
        predicted = [method.predict(conditions, hours) for method in (plain, corrected)]
        same = np.ones_like(held) if conditions is truth.conditions else held
        assert np.allclose(*(states.transpose(0, 2, 1)[same] for states in predicted))
