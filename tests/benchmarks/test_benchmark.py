"""`hmlm benchmark`: cells that are kept, rows, tables, JSON and the figure."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hmlm_fm import load_network
from hmlm_fm.benchmarks import measuring as runner
from hmlm_fm.benchmarks.baselines.hmlm import FineTuned, InContext
from hmlm_fm.benchmarks.command import BenchmarkOptions, run_benchmark
from hmlm_fm.benchmarks.entries import all_rows
from hmlm_fm.cli.main import app
from hmlm_fm.common.errors import FormatError
from hmlm_fm.fitting.ensemble import FitSettings
from hmlm_fm.formats import load_core
from hmlm_fm.formats.edge_table import write_edge_table
from hmlm_fm.formats.json_format import write_json
from hmlm_fm.inference.shipped import checkpoint_path
from hmlm_fm.measurements.baseline import mean_squared_error
from hmlm_fm.measurements.simulated import Budget, simulate_task
from hmlm_fm.measurements.trivial import Hold, TrainingMean
from hmlm_fm.model.modeling_hmlm import HMLMForSignaling
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork
from hmlm_fm.model.tokenization_hmlm import HMLMTokenizer

MUST_BE_THERE = {
    "HMLM pretrained, in context",
    "HMLM pretrained, fine-tuned",
    "HMLM pretrained, fine-tuned in full",
    "HMLM from scratch",
    "logic ODE, fitted",
    "logic ODE, default parameters",
    "logic ODE, fitted, with its discrepancy",
    "rolled-out gates, fitted",
    "rolled-out gates, fitted, with its discrepancy",
    "hold",
    "mean of the training conditions",
    "ridge on the condition",
    "Bayesian ridge",
    "linear dynamics (LDE)",
    "neural ODE",
    "LEMBAS-style recurrent network",
    "GPSConv",
    "control: graph shuffled",
    "control: signs removed",
}


@pytest.fixture(scope="module")
def pretrained():
    folder = checkpoint_path("hmlm-small")
    return HMLMForSignaling.from_pretrained(folder).eval(), HMLMTokenizer.from_pretrained(folder)


def never_seen() -> SignalingNetwork:
    inputs = [Interaction((), (), name, "input", 0.1) for name in "ABC"]
    rules = [
        Interaction((source,), (1,), target, "activation", 0.9, 1.5, 0.5)
        for source, target in ("AD", "BD", "CE", "DF", "EF")
    ]
    molecules = tuple(Molecule(name, members=(name,), tau_hours=2.0) for name in "ABCDEF")
    return SignalingNetwork("never seen", molecules, (*inputs, *rules), logic_known=True)


def test_every_row_of_the_card_is_there(pretrained):
    names = [row.name for row in all_rows(*pretrained, runner.QUICK, None)]
    assert set(names) == MUST_BE_THERE
    assert len(names) == len(set(names))
    for row in all_rows(*pretrained, runner.QUICK, 5):
        row.make(**row.grid[0])


def test_cells_are_kept_and_taken_up_again(tmp_path, monkeypatch):
    write_json(never_seen(), tmp_path / "network.json")
    options = BenchmarkOptions(
        "conditions", network=str(tmp_path / "network.json"), cells=tmp_path / "cells",
        quick=True, rows="hold", seeds=2, workers=1, json=tmp_path / "rows.json",
        figure=tmp_path / "rows.png",
    )  # fmt: skip
    said: list[str] = []
    table = run_benchmark(options, said.append)
    assert len(said) == len(list((tmp_path / "cells").glob("*.json"))) == 2
    assert "| hold |" in table
    found = json.loads((tmp_path / "rows.json").read_text())
    assert found["task"] == "conditions"
    assert found["track"] == "signs"
    assert {row["split"] for row in found["rows"]} == {"pairs", "triples"}
    for row in found["rows"]:
        assert row["model"] == "hold"
        assert row["budget"] == "16x4"
        assert row["mse_low"] <= row["mse"] <= row["mse_high"]
    assert found["environment"]["torch"]
    assert (tmp_path / "rows.png").stat().st_size > 1000

    def refuse(*_):
        raise AssertionError("the cell was measured already")

    monkeypatch.setattr(runner, "_measure", refuse)
    with pytest.raises(FormatError, match=r"rows\.json.*replace it with --force"):
        run_benchmark(options)
    options.force = True
    with pytest.raises(FormatError, match="this run reads it"):
        run_benchmark(replace(options, json=tmp_path / "network.json"))
    assert run_benchmark(options, said.append) == table
    knockouts = run_benchmark(replace(options, task="knockouts"), said.append)
    assert "knockouts" in knockouts


def test_cells_are_those_of_a_model_wherever_it_lies(tmp_path, monkeypatch):
    write_json(never_seen(), tmp_path / "network.json")
    options = BenchmarkOptions(
        "conditions", network=str(tmp_path / "network.json"), cells=tmp_path / "cells",
        quick=True, rows="in context", workers=1,
    )  # fmt: skip
    table = run_benchmark(options)
    monkeypatch.setattr(runner, "_measure", lambda *_: pytest.fail("it was measured already"))
    copy = shutil.copytree(checkpoint_path("hmlm-small"), tmp_path / "copy")
    assert run_benchmark(replace(options, model=str(copy))) == table


def test_cells_measured_side_by_side_are_the_same(tmp_path):
    write_json(never_seen(), tmp_path / "network.json")
    tables = []
    for workers in (1, 2):
        options = BenchmarkOptions(
            "conditions", network=str(tmp_path / "network.json"), quick=True, rows="ridge",
            cells=tmp_path / f"cells{workers}", seeds=2, workers=workers,
            json=tmp_path / f"{workers}.json",
        )  # fmt: skip
        said: list[str] = []
        run_benchmark(options, said.append)
        assert len(said) == 4
        found = json.loads((tmp_path / f"{workers}.json").read_text())["rows"]
        tables.append([{k: v for k, v in row.items() if k != "seconds"} for row in found])
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("task", "option"),
    [
        ("speed", {"model": "mine"}),
        ("speed", {"track": "logic"}),
        ("molecules", {"track": "logic"}),
        ("molecules", {"network": "mine.json"}),
        ("molecules", {"pathway": "mine"}),
        ("paper", {"track": "logic"}),
        ("paper", {"network": "mine.json"}),
        ("crosstalk", {"seeds": 2}),
        ("crosstalk", {"rows": "hold"}),
        ("crosstalk", {"workers": 2}),
        ("crosstalk", {"budget": ["16x4"]}),
        ("conditions", {"experiments": Path("mine.csv")}),
        ("conditions", {"corpus": "core"}),
    ],
)
def test_an_option_that_would_change_nothing_is_told(task, option):
    (name,) = option
    with pytest.raises(ValueError, match=f"--{name} is not for the task {task}, which takes --"):
        BenchmarkOptions(task, **option).check()


def test_cells_need_a_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="expected a folder"):
        BenchmarkOptions("conditions", cells=tmp_path / "file").check()


def test_one_network_of_several_is_named(tmp_path):
    table = tmp_path / "edges.tsv"
    write_edge_table(load_core()[:3], table)
    options = BenchmarkOptions("conditions", network=str(table), cells=tmp_path / "cells")
    with pytest.raises(FormatError, match="it holds 3 networks .* name of one of them as pathway"):
        run_benchmark(options)
    name = load_core()[1].name
    assert replace(options, pathway=name).load_network().name == name


def test_a_fine_tuned_model_is_no_row(pretrained, tmp_path):
    """It answers from what it was fitted to, whatever a budget shows."""
    task = simulate_task(never_seen(), Budget(6, 3))
    few = FitSettings(members=2, steps=1)
    tuned = FineTuned("tuned", *pretrained, few).fit(task.training).model
    tuned.save_pretrained(tmp_path)
    pretrained[1].save_pretrained(tmp_path)
    for name in ("conditions", "crosstalk", "molecules"):
        with pytest.raises(ValueError, match="fine-tuned, so that it infers no gates"):
            run_benchmark(BenchmarkOptions(name, model=str(tmp_path), quick=True))


def test_in_context_is_below_what_knows_no_wiring(pretrained):
    task = simulate_task(load_network("cardiac-fibroblast"), Budget(16, 4))
    rows = [row.fit(task.training) for row in (InContext(*pretrained), Hold(), TrainingMean())]
    for truth in task.queries.values():
        errors = [mean_squared_error(row, truth) for row in rows]
        assert errors[0] < 0.5 * min(errors[1:])


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["conditions", "--track", "x"], ["conditions", "--budget", "16"],
     ["conditions", "--seeds", "0"], ["conditions", "--workers", "0"],
     ["speed", "--workers", "2"], ["conditions", "--json", "/no/such/folder/rows.json"],
     ["conditions", "--figure", "rows.foo"], ["conditions", "--network", "no-such-network"]],
)  # fmt: skip
def test_wrong_options_end_in_one_line(arguments):
    done = CliRunner().invoke(app, ["benchmark", *arguments])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1
