"""`hmlm benchmark measured`: held-out conditions of tables, of which much was not measured."""

from dataclasses import replace

import numpy as np
import pytest
from toys import toy_network

from hmlm_fm.benchmarks.baselines.fitted_logic_ode import FittedLogicODE
from hmlm_fm.benchmarks.baselines.gate_model import GateModel
from hmlm_fm.benchmarks.baselines.hmlm import FineTuned, InContext
from hmlm_fm.benchmarks.baselines.linear_dynamics import LinearDynamics
from hmlm_fm.benchmarks.baselines.neural import NeuralODE, RecurrentOnGraph
from hmlm_fm.benchmarks.baselines.regression import BayesianRidge, RidgeOnCondition
from hmlm_fm.benchmarks.benchmark_options import BenchmarkOptions
from hmlm_fm.benchmarks.command import run_benchmark
from hmlm_fm.benchmarks.tasks.held_out_conditions import SPLIT, measured_task, score_measured
from hmlm_fm.common.errors import FormatError
from hmlm_fm.fitting.ensemble import FitSettings
from hmlm_fm.formats.json_format import write_json
from hmlm_fm.formats.measured.condition_tables import write_conditions, write_observations
from hmlm_fm.measurements.baseline import mean_squared_error
from hmlm_fm.measurements.measured import Measurements
from hmlm_fm.measurements.trivial import TrainingMean
from hmlm_fm.model.conditions import Condition, Observation, Perturbation

FEW = FitSettings(members=2, steps=4)
HOURS = (0.0, 0.25, 0.5)
LEVELS = (0.2, 0.4, 0.6, 0.8, 1.0)


def conditions_of(count=11):
    cut = (Perturbation("RAS", "inhibition", 0.9),)
    made = {f"EGF {level}": Condition({"EGF": level}) for level in LEVELS}
    made |= {f"EGF {level}, cut": Condition({"EGF": level}, cut) for level in LEVELS}
    made["again"] = Condition({"EGF": 1.0}, cut)
    return dict(list(made.items())[:count])


def observations_of(conditions, modality="activity"):
    """ERK rises with EGF, less where RAS is cut; DUSP1 was forgotten where that was done."""
    seen = {}
    for name, condition in conditions.items():
        level = condition.stimuli["EGF"] * (0.3 if condition.perturbations else 1.0)
        seen[name] = [Observation("ERK", t, 0.9 * level * t / 0.5, modality) for t in HOURS]
        if not condition.perturbations:
            seen[name] += [Observation("DUSP1", t, 0.5 * level * t / 0.5, modality) for t in HOURS]
    return seen


@pytest.fixture
def tables(tmp_path):
    def written(count=11, modality="activity"):
        conditions = conditions_of(count)
        write_conditions(conditions, tmp_path / "conditions.csv")
        write_observations(observations_of(conditions, modality), tmp_path / "observations.csv")
        write_json(toy_network(), tmp_path / "network.json")
        return str(tmp_path / "conditions.csv"), str(tmp_path / "observations.csv")

    return written


def draw(task, seed):
    return task.draw(toy_network(), None, "signs", seed)


@pytest.mark.filterwarnings("ignore:.*nothing was measured at time 0")
def test_five_seeds_hold_every_condition_out_once_and_replicates_together(tables):
    task = measured_task(toy_network(), *tables())
    drawn = [draw(task, seed) for seed in range(5)]
    queries = [condition for one in drawn for condition in one.queries[SPLIT].conditions]
    assert len(queries) == 11
    assert set(queries) == set(conditions_of().values())
    for one in drawn:
        assert not set(one.training.conditions) & set(one.queries[SPLIT].conditions)
        # Half an hour is given as a day.
        assert one.training.times_hours.tolist() == [0, 12, 24]
        erk, ras = (one.training.network.molecule_index[name] for name in ("ERK", "RAS"))
        assert one.training.measured[:, :, erk].all()
        assert not one.training.measured[:, :, ras].any()
        assert np.isnan(one.training.baseline[ras])
        assert one.training.baseline[erk] == 0
        assert all(i.weight is None for i in one.training.network.interactions)
    assert draw(task, 5).training.conditions == drawn[0].training.conditions


@pytest.mark.filterwarnings("ignore:.*nothing was measured at time 0")
def test_tables_that_cannot_be_held_out_of(tables):
    with pytest.raises(FormatError, match=r"observations\.csv: 9 different conditions"):
        measured_task(toy_network(), *tables(9))
    with pytest.raises(FormatError, match="it holds protein; expected activities alone"):
        measured_task(toy_network(), *tables(11, "protein"))
    with pytest.raises(ValueError, match="expected --network FILE, --conditions FILE and"):
        run_benchmark(BenchmarkOptions("measured"))


@pytest.mark.filterwarnings("ignore:.*nothing was measured at time 0")
def test_what_was_not_measured_reaches_no_entry(tables, model):
    drawn = draw(measured_task(toy_network(), *tables()), 0)
    training, queries = drawn.training, drawn.queries[SPLIT]
    nonsense = replace(training, states=np.where(training.measured, training.states, 0.9))
    methods = [
        lambda: TrainingMean(),
        lambda: RidgeOnCondition(),
        lambda: BayesianRidge(),
        lambda: LinearDynamics(steps=5, members=1),
        lambda: NeuralODE(steps=5, members=1),
        lambda: RecurrentOnGraph(steps=5, members=1),
        lambda: FittedLogicODE(FEW),
        lambda: GateModel(FEW),
        lambda: InContext(*model),
        lambda: FineTuned(*model, settings=FEW),
    ]
    measured = queries.measured.any((0, 1))
    for make in methods:
        fitted = [make().fit(given) for given in (training, nonsense)]
        states, other = (
            of.predict(queries.conditions, queries.times_hours)[..., measured] for of in fitted
        )
        assert np.isfinite(states).all()
        assert np.allclose(states, other, atol=1e-6), make()
        assert mean_squared_error(fitted[0], queries) < 1


def test_errors_are_of_what_was_measured_after_the_start():
    network = toy_network()
    size = len(network.molecules)
    states = np.zeros((2, 2, size))
    there = np.zeros(states.shape, dtype=bool)
    there[0, :, :2], there[1, 1, 0] = True, True
    states[0, 1, :2], states[1, 1, 0] = (0.5, 0.1), 0.4
    truth = Measurements(
        network, (Condition(), Condition({"EGF": 1.0})), np.array([0.0, 24.0]), states,
        np.where(np.arange(size) == 0, 0.0, np.nan), measured=there,
    )  # fmt: skip
    predicted = np.full(states.shape, 0.2)
    found = score_measured(predicted, np.full(states.shape, 0.1), truth)
    errors = [0.3**2, 0.1**2, 0.2**2]
    assert found["mse"] == pytest.approx(np.mean(errors))
    assert found["rmse"] == pytest.approx(np.mean(errors) ** 0.5)
    assert np.mean(found["squared_errors"]) == pytest.approx(found["mse"])
    # Within 0.164 of the truth are the second, whose rest is not known, and not the others.
    assert found["coverage"] == pytest.approx(1 / 3)
    assert found["width"] == pytest.approx(2 * 1.6448536 * 0.1)


@pytest.mark.filterwarnings("ignore:.*nothing was measured at time 0")
def test_the_command_prints_a_table(tables, tmp_path):
    conditions, observations = tables()
    options = BenchmarkOptions(
        "measured", network=str(tmp_path / "network.json"), conditions=conditions,
        observations=observations, entries="ridge", seeds=2, quick=True, workers=1,
        cache=tmp_path / "cache", json=tmp_path / "results.json",
    )  # fmt: skip
    table = run_benchmark(options)
    assert "Budget 8x3" in table
    assert "| entry | held-out conditions |" in table
    assert "ridge on the condition" in table
    assert (tmp_path / "results.json").exists()
