"""Published experiments: their table, the protocol, and the simplest predictions."""

import json
import warnings

import numpy as np
import pytest
from typer.testing import CliRunner

from hmlm_fm import load_network
from hmlm_fm.benchmarks.tasks.literature import (
    EXPERIMENTS,
    SPLIT,
    AlwaysIncrease,
    ShortestPath,
    literature_task,
    score_directions,
)
from hmlm_fm.cli.main import app
from hmlm_fm.common.errors import FormatError, FormatWarning
from hmlm_fm.formats.measured.experiments import Experiment, read_experiments
from hmlm_fm.measurements.simulated import Budget
from hmlm_fm.model.conditions import Condition


@pytest.fixture(scope="module")
def network():
    return load_network("cardiac-fibroblast")


@pytest.fixture(scope="module")
def drawn(network):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task = literature_task(network)
    return task, task.draw(network, Budget(4, 2), "signs", 0)


def test_shipped_experiments_that_the_network_can_be_asked_about(network):
    with pytest.warns(FormatWarning, match="'Forskolin'"):
        found = read_experiments(EXPERIMENTS, network)
    assert len(found) == 59
    assert Experiment("TGFB", "aSMA", 1) in found
    assert Experiment("IL6", "proCIII", -1) in found
    assert {e.direction for e in found} == {-1, 0, 1}


@pytest.mark.parametrize(("text", "message"), [
    ("input,output\nTGFB,aSMA\n", "no column 'measurement'"),
    ("input,output,measurement\nTGFB,aSMA,Up\n", "row 2: measurement is 'Up'; expected one of"),
    ("input,output,measurement\nTGFB,,Increase\n", "row 2: output is empty"),
    ("input,output,measurement\nX,Y,Increase\n", "none of its 2 molecules"),
    ("input,output,measurement\n", "no experiment has both"),
])  # fmt: skip
def test_damaged_tables_are_refused(network, tmp_path, text, message):
    path = tmp_path / "experiments.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=message) as error:
        read_experiments(path, network)
    assert str(path) in str(error.value)


def test_the_networks_own_equations_score_as_published_elsewhere(drawn):
    task, questions = drawn
    truth = questions.queries[SPLIT]
    found = task.measure(truth.states, None, truth)
    assert found["accuracy"] == pytest.approx(49 / 59)
    assert found["accuracy_low"] < found["accuracy"] < found["accuracy_high"]
    assert found["mse"] == 0


def test_always_increase_is_right_where_things_rise(drawn):
    task, questions = drawn
    truth = questions.queries[SPLIT]
    fitted = AlwaysIncrease().fit(questions.training)
    found = task.measure(fitted.predict(truth.conditions, truth.times_hours), None, truth)
    assert found["accuracy"] == pytest.approx(44 / 59)
    assert found["balanced_accuracy"] == pytest.approx(1 / 3, abs=0.01)


def test_the_shortest_path_carries_its_signs(network, drawn):
    fitted = ShortestPath().fit(drawn[1].training)
    truth = drawn[1].queries[SPLIT]
    change = (
        fitted.predict(truth.conditions, truth.times_hours)[1:, 0]
        - fitted.predict(truth.conditions[:1], truth.times_hours)[:, 0]
    )
    # Tension is already there at rest, and rises like the others.
    assert (np.abs(change).max(1) > 0.05).all()
    signs = fitted.signs_from(network.molecule_index["TGFB"])
    assert signs[network.molecule_index["TGFB1R"]] == 1
    assert signs[network.molecule_index["smad3"]] == 1
    hours = np.array([1.0, 2.0])
    change = fitted.predict((Condition({"TGFB": 0.8}), Condition()), hours)
    moved = change[0, 1] - change[1, 1]
    assert np.array_equal(np.sign(np.round(moved, 9)), signs)


def test_balanced_accuracy_is_the_mean_over_directions():
    experiments = [Experiment("a", "b", d) for d in (1, 1, 1, -1)]
    found = score_directions(np.array([1, 1, -1, -1]), experiments)
    assert found["accuracy"] == 0.75
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["n"] == 4


def test_the_command_shows_the_equations_beside_the_entries(tmp_path):
    path = tmp_path / "results.json"
    done = CliRunner().invoke(
        app,
        ["benchmark", "literature", "--budget", "4x2", "--quick", "--entries",
         "own-equations,always-increase", "--cache", str(tmp_path), "--json", str(path),
         "--figure", str(tmp_path / "figure.png")],
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "59 published experiments" in done.stdout
    results = json.loads(path.read_text())["results"]
    assert [of["entry"] for of in results] == ["own-equations", "always-increase"]
    assert [of["seed"] for of in results] == [None, 0]
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_experiments_of_another_network_must_be_named(tmp_path):
    done = CliRunner().invoke(app, ["benchmark", "literature", "--network", "egf"])
    assert done.exit_code == 2
    assert "--experiments FILE" in done.stderr
