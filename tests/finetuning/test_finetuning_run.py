"""The command that fine-tunes: configurations, tables in, a folder that predicts."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hmlm_fm import load_network
from hmlm_fm.common.errors import FormatError, FormatWarning, OptionsError
from hmlm_fm.common.option_parsing import parse_options
from hmlm_fm.dynamics.simulator import simulate
from hmlm_fm.finetuning.finetuning_options import FinetuningOptions
from hmlm_fm.finetuning.finetuning_run import run_finetuning
from hmlm_fm.formats.json_format import write_json
from hmlm_fm.formats.measured.condition_tables import write_conditions, write_observations
from hmlm_fm.inference.gate_tables import against_truth
from hmlm_fm.inference.pipeline import SignalingPipeline
from hmlm_fm.inference.shipped import checkpoint_path
from hmlm_fm.measurements.reading import read_measurements
from hmlm_fm.model.conditions import Condition, Observation, Perturbation
from hmlm_fm.model.error_base import HMLMError
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A small network with six measured conditions, as files."""
    folder = tmp_path_factory.mktemp("tables")
    inputs = tuple(Interaction((), (), name, "input", 0.1) for name in "ABC")
    rules = (
        Interaction(("A",), (1,), "D", "activation", 1.0, 1.5, 0.5),
        Interaction(("B", "C"), (1, -1), "D", "activation", 1.0, 1.5, 0.5),
        Interaction(("D",), (1,), "E", "activation", 1.0, 1.5, 0.5),
    )
    molecules = tuple(Molecule(name, members=(name,), tau_hours=3.0) for name in "ABCDE")
    network = SignalingNetwork("small", molecules, (*inputs, *rules), logic_known=True)
    write_json(network, folder / "network.json")
    conditions = {
        "a": Condition({"A": 0.9}),
        "b": Condition({"B": 0.8}),
        "both": Condition({"A": 0.6, "B": 0.7}),
        "held": Condition({"B": 0.8, "C": 0.9}),
        "knocked out": Condition({"A": 0.9}, (Perturbation("D", "knockout"),)),
        "weak": Condition({"A": 0.5}),
    }
    hours = [0.0, 8.0, 24.0]
    states = simulate(network, list(conditions.values()), hours).clamp(min=0).numpy()
    observations = {
        name: [
            Observation(molecule, hour, float(states[row, t, i]))
            for t, hour in enumerate(hours)
            for i, molecule in enumerate(network.names)
        ]
        for row, name in enumerate(conditions)
    }
    write_conditions(conditions, folder / "conditions.csv")
    write_observations(observations, folder / "observations.csv")
    return folder, network, conditions, states


def options(folder, out, **more):
    return FinetuningOptions(
        network=str(folder / "network.json"),
        observations=str(folder / "observations.csv"),
        conditions=str(folder / "conditions.csv"),
        output_dir=str(out),
        members=2,
        steps=30,
        **more,
    )


def test_from_tables_to_predictions(tables, tmp_path, capsys):
    folder, network, conditions, states = tables
    metrics = run_finetuning(options(folder, tmp_path / "out"))
    assert "world size: 1" in capsys.readouterr().out
    assert metrics["held_out_mse"] <= metrics["held_out_mse_at_start"]
    assert json.loads((tmp_path / "out/metrics.json").read_text())["steps"] == metrics["steps"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out/trajectories.png").stat().st_size > 1000
    pipeline = SignalingPipeline.from_pretrained(tmp_path / "out")
    table = pipeline.predict(
        {"both": conditions["both"], "other": Condition({"C": 0.9})}, [0, 8, 24]
    )
    assert set(table.columns) == {"condition", "molecule", "time_hours", "state", "sd"}
    assert table["state"].between(0, 1).all()
    assert (table["sd"] > 0).all()
    own = table[(table["condition"] == "both") & (table["molecule"] == "E")]
    found = own.sort_values("time_hours")["state"].to_numpy()
    truth = states[2, :, network.molecule_index["E"]]
    assert np.abs(found - truth).max() < 0.5 * np.abs(truth - truth[0]).max()
    assert found[0] == pytest.approx(truth[0], abs=1e-3)


def tissue_of(network, given):
    return read_measurements(network, given.conditions, given.observations, track=given.track)


def test_tables_keep_names_apart(tables):
    folder, network, _, states = tables
    data = tissue_of(network, options(folder, "unused"))
    assert data.times_hours.tolist() == [0, 8, 24]
    assert np.allclose(data.states, states, atol=1e-5)
    # A state that a knock-out holds carries no information on gates.
    left_out = np.argwhere(~data.measured)
    assert set(map(tuple, left_out.tolist())) == {(4, t, 3) for t in range(3)}
    assert data.names == tuple(tables[2])
    assert np.allclose(data.baseline, states[0, 0], atol=1e-5)
    assert not data.network.logic_known
    assert tissue_of(network, options(folder, "unused", track="logic")).network.logic_known


def observed(folder, tmp_path, observations, **more):
    """Options with other observations than the folder's."""
    write_observations(observations, tmp_path / "observations.csv")
    return replace(
        options(folder, tmp_path / "out", **more), observations=str(tmp_path / "observations.csv")
    )


def at_rest_and_later(names, knocked_out=""):
    """Of each condition two molecules at 0.6, at rest and later, but for one that is held at 0."""
    return {
        name: [
            Observation(molecule, hour, 0.0 if name == knocked_out and molecule == "D" else 0.6)
            for molecule in "DE"
            for hour in (0.0, 8.0)
        ]
        for name in names
    }


def test_what_a_perturbation_holds_is_not_the_state_at_rest(tables, tmp_path):
    folder, network, conditions, _ = tables
    observations = at_rest_and_later(conditions, "knocked out")
    baseline = tissue_of(network, observed(folder, tmp_path, observations)).baseline
    assert baseline[3:] == pytest.approx([0.6, 0.6])
    assert np.isnan(baseline[:3]).all()


def test_tables_without_what_gates_are_fitted_to(tables, tmp_path):
    folder, network, conditions, _ = tables
    at_rest = {name: [Observation("D", 0.0, 0.3)] for name in conditions}
    with pytest.raises(FormatError, match=r"observations\.csv.*holds nothing after time 0"):
        tissue_of(network, observed(folder, tmp_path, at_rest))


def test_tables_with_nothing_but_what_is_held(tables, tmp_path):
    folder, network, conditions, _ = tables
    observations = {
        name: [Observation("D", 8.0 if name == "knocked out" else 0.0, 0.0)] for name in conditions
    }
    with pytest.raises(FormatError, match="nothing after time 0 but what perturbations hold"):
        tissue_of(network, observed(folder, tmp_path, observations))
    observations["a"].append(Observation("E", 8.0, 0.4))
    data = tissue_of(network, observed(folder, tmp_path, observations))
    # The others are in the state at rest, and there is nothing left to fit to.
    assert data.names == ("a",)
    assert data.baseline[network.molecule_index["D"]] == 0


def test_all_modalities_and_their_standard_deviations_are_read(tables, tmp_path):
    folder, network, conditions, _ = tables
    observations = {
        name: [
            Observation("D", 8.0, 0.3, sd_value=0.1),
            Observation("E", 8.0, 0.4),
            Observation("E", 12.0, 3.0, modality="mRNA", sd_value=0.5),
        ]
        for name in conditions
    }
    with pytest.warns(FormatWarning, match=r"left out what was measured of 'D in knocked out'"):
        data = tissue_of(network, observed(folder, tmp_path, observations))
    d, e = (network.molecule_index[name] for name in "DE")
    assert data.times_hours.tolist() == [0.0, 8.0, 12.0]
    knocked_out = list(conditions).index("knocked out")
    assert (data.sd[:, 1, d] == 0.1).all()
    assert np.isnan(data.sd[:, 1, e]).all()
    assert not data.measured[knocked_out, 1, d]
    assert data.measured.sum() == 2 * len(conditions) - 1
    assert [of_condition[0].sd_value for of_condition in data.others] == [0.5] * len(conditions)


def test_a_run_without_activities(tables, tmp_path):
    folder, _, conditions, _ = tables
    observations = {
        name: [Observation("D", hour, 1.4, modality="phosphoprotein") for hour in (4.0, 8.0)]
        for name in conditions
    }
    with pytest.warns(FormatWarning, match=r"observations\.csv.*follow from errors on other"):
        run_finetuning(observed(folder, tmp_path, observations))
    pipeline = SignalingPipeline.from_pretrained(tmp_path / "out")
    assert pipeline.predict(conditions, hours=[0.0, 8.0])["state"].between(0, 1).all()
    values = pipeline.predict(conditions, [8.0], modality="phosphoprotein").groupby("molecule")[
        "value"
    ]
    assert values.mean()["D"] == pytest.approx(1.4, abs=0.2)
    # No interval of a state need be wider than its range.
    assert pipeline.predict(conditions, hours=[8.0])["sd"].max() < 0.61
    with pytest.raises(ValueError, match=r"modality 'smell'; expected one of activity, "):
        pipeline.predict(conditions, [8.0], modality="smell")


def test_a_condition_measured_at_rest_alone_stops_no_run(tables, tmp_path):
    folder, _, conditions, _ = tables
    observations = at_rest_and_later(conditions, "knocked out")
    observations["weak"] = [Observation("D", 0.0, 0.6)]
    run_finetuning(observed(folder, tmp_path, observations))
    with pytest.raises(HMLMError, match=r"out: it is fine-tuned, and predicts with the gates"):
        run_finetuning(
            replace(options(folder, tmp_path / "next"), checkpoint=str(tmp_path / "out"))
        )


def test_fitted_gates_are_ranked_against_the_true_ones():
    times = {"A": 1.0, "B": 1.0, "C": 2.0, "D": 8.0}
    rules = [("A", "C", 0.9, 1.2), ("B", "C", 0.5, 1.2), ("C", "D", 0.7, 1.2)]
    network = SignalingNetwork(
        "ranked",
        tuple(Molecule(name, members=(name,), tau_hours=t) for name, t in times.items()),
        tuple(Interaction((s,), (1,), t, "activation", w, n, 0.5) for s, t, w, n in rules),
    )
    molecules = pd.DataFrame({"molecule": list("ABCD"), "tau_hours": [9.0, 8.0, 1.0, 3.0]})
    gates = pd.DataFrame([{"target": t, "source": s, "weight": w, "n": n} for s, t, w, n in rules])
    gates = gates.assign(ec50=0.4, weight=1 - gates["weight"])
    # n and EC50 are the same everywhere, and A and B have no source: they are left out.
    assert against_truth(network, molecules, gates) == pytest.approx(
        {"tau_hours": 1.0, "weight": -1.0}
    )


def test_refusals(tables, tmp_path):
    folder = tables[0]
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    out = options(folder, tmp_path / "out")
    for wrong, message in (
        (options(folder, tmp_path / "full"), "full"),
        (replace(out, track="secret"), "secret"),
        (
            replace(out, tunable="tau,weight"),
            "tunable 'tau,weight'; expected gates, all, or by comma",
        ),
        (replace(out, tunable=","), "tunable ','"),
        (replace(out, tunable="instruments"), "there is nothing to tune in instruments"),
        (replace(out, conditions=""), "observations without conditions"),
        (replace(out, checkpoint=str(tmp_path / "nowhere")), "nowhere"),
        (replace(out, observations="", conditions="", budget="few"), "few"),
    ):
        with pytest.raises(HMLMError, match=message):
            run_finetuning(wrong)
    assert (tmp_path / "full/mine.txt").read_text() == "mine"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["afile/out", "link", "here", "circle", "long" * 70])
def test_folders_for_the_result(place, tables, tmp_path, monkeypatch):
    """A folder that cannot be written into is refused before anything is fitted; an empty one is
    used, also where a link leads to it."""
    (tmp_path / "afile").write_text("mine")
    for name in ("empty", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "empty").chmod(0o770)
    (tmp_path / "link").symlink_to("empty")
    (tmp_path / "circle").symlink_to("circle")
    monkeypatch.chdir(tmp_path / "here")
    wanted = replace(options(tables[0], tmp_path / place), steps=1)
    if place == "link":
        run_finetuning(wanted)
        assert (tmp_path / "empty/config.json").is_file()
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "empty").stat().st_mode & 0o777 == 0o770
        return
    with pytest.raises(OptionsError, match="it cannot be made|it is the current folder"):
        wanted.check()
    assert not list((tmp_path / "here").iterdir())
    assert (tmp_path / "afile").read_text() == "mine"


def test_the_card_of_a_single_time_course_states_times(tables, tmp_path):
    folder, network, _, _ = tables
    write_conditions({"lone": Condition({"A": 0.9})}, tmp_path / "conditions.csv")
    lone = {"lone": [Observation("D", hour, 0.1 * hour) for hour in (0.0, 2.0, 4.0, 6.0)]}
    wanted = observed(folder, tmp_path, lone)
    run_finetuning(replace(wanted, conditions=str(tmp_path / "conditions.csv")))
    card = (tmp_path / "out/README.md").read_text()
    assert "fitted to 1 condition at 3 times" in card
    assert "on held-out training times" in card


def test_the_parts_that_a_configuration_names_are_tuned(tables, tmp_path):
    config = tmp_path / "tau.yaml"
    config.write_text("tunable: tau, ec50\n")
    wanted = parse_options(FinetuningOptions, ["--config", str(config)], None)
    out = options(tables[0], tmp_path / "out")
    run_finetuning(replace(out, tunable=wanted.tunable, steps=5, members=2))
    card = (tmp_path / "out/README.md").read_text()
    assert "Fitted is tau, ec50; the rest is as inferred." in card


def test_shipped_configs_are_valid():
    paths = sorted((ROOT / "finetune/configs").glob("*.yaml"))
    assert len(paths) >= 3
    for path in paths:
        found = parse_options(FinetuningOptions, ["--config", str(path), "--seed", "7"], None)
        assert found.seed == 7
        assert load_network(found.network).name


def test_the_command_states_what_is_wrong(tmp_path):
    done = subprocess.run(
        [sys.executable, "finetune/run.py", "--budget", "16"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == (
        "error: budget '16'; expected conditions x times, such as 16x4"
    )


def test_the_shipped_checkpoint_is_small():
    folder = Path(checkpoint_path("hmlm-small"))
    assert sum(path.stat().st_size for path in folder.iterdir()) < 20e6
    assert checkpoint_path("somebody/model") == "somebody/model"
    for nowhere in ("hmlm-smal", "outputs/no/such/folder", "/nowhere/at-all"):
        with pytest.raises(FileNotFoundError, match="no such folder; expected one, hmlm-small"):
            checkpoint_path(nowhere)
    info = json.loads((folder / "training_info.json").read_text())
    assert info["options"]["steps"] > 0
    assert "hold" in (folder / "README.md").read_text()
