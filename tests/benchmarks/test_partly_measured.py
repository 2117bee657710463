"""Baselines and HMLM on measurements of which much is missing."""

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
from hmlm_fm.fitting.ensemble import FitSettings
from hmlm_fm.formats.json_format import write_json
from hmlm_fm.formats.measured.condition_tables import write_conditions, write_observations
from hmlm_fm.measurements.baseline import mean_squared_error
from hmlm_fm.measurements.reading import read_measurements
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


@pytest.mark.filterwarnings("ignore:.*nothing was measured at time 0")
def test_what_was_not_measured_reaches_no_entry(tables, model):
    whole = read_measurements(toy_network(), *tables()).in_model_hours(48.0)
    held_out = np.arange(len(whole.conditions)) % 5 == 0
    training, queries = (whole.subset(np.flatnonzero(m)) for m in (~held_out, held_out))
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
