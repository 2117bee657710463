"""The command that fine-tunes: configurations, tables in, a folder that predicts."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hmlm_fm import load_network
from hmlm_fm.checkpoints import checkpoint_path
from hmlm_fm.conditions import Condition, Observation, Perturbation
from hmlm_fm.dynamics import simulate
from hmlm_fm.finetuning_run import FinetuningOptions, read_tissue, run_finetuning
from hmlm_fm.formats.json_format import write_json
from hmlm_fm.formats.measurements import write_conditions, write_observations
from hmlm_fm.network import Interaction, Molecule, SignalingNetwork
from hmlm_fm.options import OptionsError, parse_options
from hmlm_fm.pipeline import SignalingPipeline

ROOT = Path(__file__).parents[1]


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
    seen = {
        name: [
            Observation(molecule, hour, float(states[row, t, i]))
            for t, hour in enumerate(hours)
            for i, molecule in enumerate(network.names)
        ]
        for row, name in enumerate(conditions)
    }
    write_conditions(conditions, folder / "conditions.csv")
    write_observations(seen, folder / "observations.csv")
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
    assert not list(tmp_path.glob("*.unfinished"))
    pipeline = SignalingPipeline.from_pretrained(tmp_path / "out")
    table = pipeline({"both": conditions["both"], "other": Condition({"C": 0.9})}, [0, 8, 24])
    assert set(table.columns) == {"condition", "molecule", "time_hours", "state", "sd"}
    assert table["state"].between(0, 1).all()
    assert (table["sd"] > 0).all()
    own = table[(table["condition"] == "both") & (table["molecule"] == "E")]
    found = own.sort_values("time_hours")["state"].to_numpy()
    truth = states[2, :, network.molecule_index["E"]]
    assert np.abs(found - truth).max() < 0.5 * np.abs(truth - truth[0]).max()
    assert found[0] == pytest.approx(truth[0], abs=1e-3)


def test_tables_keep_names_apart(tables):
    folder, network, _, states = tables
    data = read_tissue(network, options(folder, "unused"))
    assert data.times_hours.tolist() == [0, 8, 24]
    assert np.allclose(data.states, states, atol=1e-5)
    assert data.measured.all()
    assert np.allclose(data.baseline, states[:, 0].mean(0), atol=1e-5)
    assert not data.network.logic_known
    assert read_tissue(network, options(folder, "unused", track="logic")).network.logic_known


def test_refusals(tables, tmp_path):
    folder = tables[0]
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    for wrong in (
        options(folder, tmp_path / "full"),
        options(folder, tmp_path / "out", track="secret"),
        replace(options(folder, tmp_path / "out"), conditions=""),
        options(folder, tmp_path / "out", checkpoint=str(tmp_path / "nowhere")),
        replace(options(folder, tmp_path / "out"), observations="", conditions="", budget="few"),
    ):
        with pytest.raises(OptionsError):
            run_finetuning(wrong)
    assert (tmp_path / "full/mine.txt").read_text() == "mine"
    assert not (tmp_path / "out").exists()


def test_shipped_configs_are_valid():
    paths = sorted((ROOT / "finetune/configs").glob("*.yaml"))
    assert len(paths) >= 3
    for path in paths:
        found = parse_options(FinetuningOptions, ["--config", str(path), "--seed", "7"], None)
        assert found.seed == 7
        assert load_network(found.network).name


def test_the_command_says_what_is_wrong(tmp_path):
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
    told = json.loads((folder / "training_info.json").read_text())
    assert told["options"]["steps"] > 0
    assert "hold" in (folder / "README.md").read_text()
