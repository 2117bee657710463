"""The paper's own protocol, and curves through observations."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from hmlm_fm import load_network
from hmlm_fm.benchmarks.baselines.curves import LastObservation, LinearInterpolation
from hmlm_fm.benchmarks.entries import CURVES, Resources, selected
from hmlm_fm.benchmarks.tasks.cell_lines import HALF_MAXIMA, draw_line
from hmlm_fm.benchmarks.tasks.forecast import draw_forecast
from hmlm_fm.benchmarks.tasks.paper import (
    MARKERS,
    PAPER_ENTRIES,
    PublishedODE,
    draw_paper,
    paper_network,
    score_markers,
)
from hmlm_fm.cli.main import app
from hmlm_fm.fitting.ensemble import FitSettings
from hmlm_fm.inference.shipped import checkpoint_path
from hmlm_fm.measurements.measured import Measurements
from hmlm_fm.measurements.simulated import Budget
from hmlm_fm.model.conditions import Condition, Perturbation
from hmlm_fm.model.modeling_hmlm import HMLMForSignaling
from hmlm_fm.model.tokenization_hmlm import HMLMTokenizer


def pretrained():
    folder = checkpoint_path("hmlm-small")
    return HMLMForSignaling.from_pretrained(folder).eval(), HMLMTokenizer.from_pretrained(folder)


def error(method, task, split):
    truth = task.queries[split]
    states = method.fit(task.training).predict(truth.conditions, truth.times_hours)
    return score_markers(states, None, truth)["mse"]


@pytest.mark.parametrize(("times", "ode", "line", "last"), [
    (4, 0.1207, 0.0054, 0.0093), (8, 0.1203, 0.0008, 0.0022), (16, 0.1212, 0.0001, 0.0004),
])  # fmt: skip
def test_the_rebuild_gives_the_known_errors(times, ode, line, last):
    task = draw_paper(paper_network(), Budget(1, times))
    assert error(PublishedODE(), task, "all times") == pytest.approx(ode, abs=5e-5)
    assert error(LinearInterpolation(), task, "all times") == pytest.approx(line, abs=5e-5)
    assert error(LastObservation(), task, "all times") == pytest.approx(last, abs=5e-5)


def test_the_network_is_the_one_of_the_notebook():
    network = paper_network()
    assert len(network.molecules) == 102
    assert len(network.interactions) == 126
    assert network.family == "cardiac-fibroblast"
    assert set(MARKERS) <= set(network.names)


def test_splits_of_the_paper_keep_observed_times_apart():
    task = draw_paper(paper_network(), Budget(1, 8), seed=1)
    hours = {split: set(queries.times_hours) for split, queries in task.queries.items()}
    observed = set(task.training.times_hours)
    assert len(hours["all times"]) == 50
    assert hours["held-out times"] == hours["all times"] - observed
    assert hours["tail"] == {h for h in hours["all times"] if h > max(observed)}
    with pytest.raises(ValueError, match="expected one of 1x4, 1x8 and 1x16"):
        draw_paper(paper_network(), Budget(1, 5))


def results_of(tmp_path, *ids):
    path = tmp_path / "paper.json"
    arguments = ["benchmark", "paper", "--workers", "1", "--entries", ",".join(ids)]
    arguments += ["--cache", str(tmp_path)]
    done = CliRunner().invoke(app, [*arguments, "--json", str(path), "--force"])
    assert done.exit_code == 0, done.stderr
    return done.stdout, json.loads(path.read_text())["results"]


def test_hmlm_is_below_straight_lines_at_held_out_times(tmp_path):
    ids = ("hmlm-in-context", "linear-interpolation")
    _, results = results_of(tmp_path, *ids)
    own, line = (
        {
            of["budget"]: of["mse"]
            for of in results
            if of["split"] == "held-out times" and of["entry"] == id
        }
        for id in ids
    )
    assert list(own) == ["1x4", "1x8", "1x16"]
    assert all(own[budget] < line[budget] for budget in own)


def test_what_was_published_stands_in_the_table(tmp_path):
    table, results = results_of(tmp_path, "published-hmlm")
    assert "0.041 (as published)" in table
    assert [of["mse"] for of in results] == [0.041, 0.050, 0.058]
    assert {of["split"] for of in results} == {"all times"}
    assert {of["seed"] for of in results} == {None}


def test_fine_tuned_on_one_time_course_it_is_eight_times_below_the_published_model():
    task = draw_paper(paper_network(), Budget(1, 4))
    settings = FitSettings(members=3, steps=150)
    (entry,) = selected(PAPER_ENTRIES, ["hmlm-fine-tuned"])
    fitted = entry.make(Resources(*pretrained(), settings)).fit(task.training)
    found = {}
    for split, truth in task.queries.items():
        states = fitted.predict(truth.conditions, truth.times_hours)
        found[split] = score_markers(states, None, truth)["mse"]
    assert found["all times"] < 0.041 / 8
    assert found["held-out times"] < error(LinearInterpolation(), task, "held-out times")


def test_the_paper_brings_its_own_network(tmp_path):
    done = CliRunner().invoke(
        app, ["benchmark", "paper", "--network", "egf", "--cache", str(tmp_path)]
    )
    assert done.exit_code == 2
    assert "--network is not for the task paper" in done.stderr


@pytest.mark.parametrize("entry", CURVES, ids=lambda entry: entry.id)
def test_curves_go_through_observations_and_no_further(entry):
    network = load_network("egf")
    hours = np.array([0.0, 2, 4, 8, 12])
    conditions = (
        Condition({network.names[0]: 0.5}),
        Condition({}, (Perturbation(network.names[1]),)),
    )
    states = 0.5 + 0.3 * np.sin(hours / 4)[None, :, None] * np.ones((2, 1, len(network.names)))
    states[1, :, 1] = 0
    fitted = entry.make(None).fit(Measurements(network, conditions, hours, states, states[0, 0]))
    assert np.allclose(fitted.predict(conditions, hours), states, atol=5e-3)
    middle = fitted.predict(conditions[:1], np.array([6.0]))[0, 0, 2]
    assert middle == pytest.approx(0.5 + 0.3 * np.sin(1.5), abs=0.15)
    assert (fitted.predict(conditions[1:], np.array([3.0, 20.0]))[0, :, 1] == 0).all()
    with pytest.raises(ValueError, match="predicts only conditions that it was fitted to"):
        fitted.predict((Condition(),), hours)


def test_a_forecast_is_of_later_hours_alone():
    task = draw_forecast(load_network("egf"), Budget(5, 7))
    assert task.training.times_hours.tolist() == list(range(7))
    queries = task.queries["later hours"]
    assert queries.times_hours.tolist() == list(range(7, 49))
    assert queries.conditions == task.training.conditions
    assert queries.measured.shape == queries.states.shape
    with pytest.raises(ValueError, match="expected 2 to 48"):
        draw_forecast(load_network("egf"), Budget(5, 49))


def test_cell_lines_differ_in_kinetics_alone():
    network = load_network("cardiac-fibroblast")
    one, other, again = (draw_line(network, seed) for seed in (0, 1, 0))
    assert one == again != other
    assert one.without_kinetics() == network.without_kinetics() == other.without_kinetics()
    ec50 = [i.ec50 for i in one.interactions if not i.is_input]
    assert HALF_MAXIMA[0] <= min(ec50) < max(ec50) <= HALF_MAXIMA[1]
    factors = np.log(
        [a.tau_hours / b.tau_hours for a, b in zip(one.molecules, network.molecules, strict=True)]
    )
    assert 0.35 < factors.std() < 0.65
