"""`hmlm benchmark`: entries, runs that are kept, tables, JSON and the figure."""

import json
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hmlm_fm import load_network
from hmlm_fm.benchmarks.baselines.hmlm import FineTuned, FineTunedInFull, InContext
from hmlm_fm.benchmarks.benchmark_options import TASK_NAMES, BenchmarkOptions
from hmlm_fm.benchmarks.command import run_benchmark
from hmlm_fm.benchmarks.entries import ENTRIES, Resources, selected
from hmlm_fm.benchmarks.measuring import QUICK
from hmlm_fm.benchmarks.report import summarise
from hmlm_fm.benchmarks.runners import RUNNERS, network_of
from hmlm_fm.benchmarks.tasks.registry import TASKS
from hmlm_fm.cli.main import app
from hmlm_fm.common.errors import FormatError
from hmlm_fm.fitting.ensemble import FitSettings
from hmlm_fm.formats.edge_table import write_edge_table
from hmlm_fm.formats.json_format import write_json
from hmlm_fm.formats.network_loading import load_core
from hmlm_fm.inference.shipped import checkpoint_path
from hmlm_fm.measurements.baseline import mean_squared_error
from hmlm_fm.measurements.simulated import Budget, simulate_task
from hmlm_fm.measurements.trivial import Hold, TrainingMean
from hmlm_fm.model.error_base import HMLMError
from hmlm_fm.model.modeling_hmlm import HMLMForSignaling
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork
from hmlm_fm.model.tokenization_hmlm import HMLMTokenizer

EXPECTED = {
    "hold", "training-mean", "ridge", "bayesian-ridge", "linear-dynamics", "neural-ode", "lembas",
    "gpsconv", "logic-ode-default", "logic-ode", "logic-ode-discrepancy", "rolled-out-gates",
    "rolled-out-gates-discrepancy", "hmlm-scratch", "hmlm-untrained-in-full", "hmlm-in-context",
    "hmlm-fine-tuned", "hmlm-in-full", "hmlm-shuffled", "hmlm-no-signs",
}  # fmt: skip


@pytest.fixture(scope="module")
def pretrained():
    folder = checkpoint_path("hmlm-small")
    return HMLMForSignaling.from_pretrained(folder).eval(), HMLMTokenizer.from_pretrained(folder)


def small_network() -> SignalingNetwork:
    inputs = [Interaction((), (), name, "input", 0.1) for name in "ABC"]
    rules = [
        Interaction((source,), (1,), target, "activation", 0.9, 1.5, 0.5)
        for source, target in ("AD", "BD", "CE", "DF", "EF")
    ]
    molecules = tuple(Molecule(name, members=(name,), tau_hours=2.0) for name in "ABCDEF")
    return SignalingNetwork("small", molecules, (*inputs, *rules), logic_known=True)


@pytest.fixture
def options(tmp_path) -> BenchmarkOptions:
    write_json(small_network(), tmp_path / "network.json")
    return BenchmarkOptions(
        "conditions", network=str(tmp_path / "network.json"), cache=tmp_path / "cache",
        quick=True, workers=1, json=tmp_path / "results.json",
    )  # fmt: skip


def results_of(options):
    return json.loads(options.json.read_text())["results"]


def test_every_entry_of_the_card_is_there_and_declared_once(pretrained):
    assert [entry.id for entry in ENTRIES] == list(dict.fromkeys(entry.id for entry in ENTRIES))
    assert {entry.id for entry in ENTRIES} == EXPECTED
    assert len({entry.label for entry in ENTRIES}) == len(ENTRIES)
    resources = Resources(*pretrained, QUICK, 5)
    for entry in ENTRIES:
        entry.make(resources, **entry.grid[0])


@pytest.mark.parametrize("name", TASKS)
def test_ids_of_a_task_are_distinct(name):
    ids = [entry.id for entry in TASKS[name].entries]
    assert len(ids) == len(set(ids))


def test_the_control_of_pretraining_starts_from_weights_drawn_anew(pretrained):
    (entry,) = selected(ENTRIES, ["hmlm-untrained-in-full"])
    made = entry.make(Resources(*pretrained, QUICK))
    assert isinstance(made, FineTunedInFull)
    trained = dict(pretrained[0].named_parameters())
    assert any(not weight.equal(trained[name]) for name, weight in made.start.named_parameters())
    assert entry.starts_from == "configuration"


def test_an_unknown_id_is_an_error_that_lists_the_known_ones(options):
    with pytest.raises(
        HMLMError, match=r"no entry 'hmlm-in-contxt'; did you mean 'hmlm-in-context"
    ):
        run_benchmark(replace(options, entries="ridge,hmlm-in-contxt"))
    with pytest.raises(HMLMError, match=r"expected some of hold, training-mean, .*hmlm-no-signs"):
        run_benchmark(replace(options, entries="HMLM"))


def test_runs_are_kept_and_resumed(options, tmp_path):
    options = replace(options, entries="hold", seeds=2, figure=tmp_path / "figure.png")
    log: list[str] = []
    table = run_benchmark(options, log.append)
    kept = list((tmp_path / "cache").glob("*.json"))
    assert len(log) == len(kept) == 2
    assert "| hold |" in table
    found = json.loads(options.json.read_text())
    assert (found["task"], found["track"]) == ("conditions", "signs")
    assert found["command"].startswith("hmlm benchmark conditions --network")
    assert {(r["split"], r["seed"]) for r in found["results"]} == {
        (split, seed) for split in ("pairs", "triples") for seed in (0, 1)
    }
    for result in found["results"]:
        assert (result["entry"], result["label"], result["budget"]) == ("hold", "hold", "16x4")
        assert result["mse_low"] <= result["mse"] <= result["mse_high"]
    assert found["environment"]["torch"]
    assert options.figure.stat().st_size > 1000

    # What was kept is read, not measured again: a mark in the files comes out in the results.
    for path in kept:
        run = json.loads(path.read_text())
        for figures in run["splits"].values():
            figures["mark"] = 7.0
        path.write_text(json.dumps(run))
    with pytest.raises(FormatError, match=r"results\.json.*replace it with --force"):
        run_benchmark(options)
    options = replace(options, force=True)
    with pytest.raises(FormatError, match="this run reads it"):
        run_benchmark(replace(options, json=tmp_path / "network.json"))
    assert run_benchmark(options, log.append) == table
    assert all(result["mark"] == 7.0 for result in results_of(options))
    # Knock-outs share their runs with the other held-out conditions.
    assert "knockouts" in run_benchmark(replace(options, task="knockouts"), log.append)
    assert all(result["mark"] == 7.0 for result in results_of(options))


def test_runs_are_those_of_a_model_wherever_it_lies(options, tmp_path):
    options = replace(options, entries="hmlm-in-context")
    table = run_benchmark(options)
    (kept,) = (tmp_path / "cache").glob("*.json")
    before = kept.stat().st_mtime_ns
    copy = shutil.copytree(checkpoint_path("hmlm-small"), tmp_path / "copy")
    assert run_benchmark(replace(options, model=str(copy), force=True)) == table
    assert list((tmp_path / "cache").glob("*.json")) == [kept]
    assert kept.stat().st_mtime_ns == before


def test_runs_measured_side_by_side_are_the_same(options, tmp_path):
    found = []
    for workers in (1, 2):
        of_workers = replace(
            options, entries="ridge,bayesian-ridge", seeds=2, workers=workers,
            cache=tmp_path / f"cache{workers}", force=True,
        )  # fmt: skip
        log: list[str] = []
        run_benchmark(of_workers, log.append)
        assert len(log) == 4
        results = results_of(of_workers)
        found.append([{k: v for k, v in of.items() if k != "seconds"} for of in results])
    assert found[0] == found[1]


def result(seed, mse, **more):
    entry = {"entry": "hold", "label": "hold", "budget": "16x4", "split": "pairs"}
    return {**entry, "seed": seed, "mse": mse, **more}


def test_summaries_are_computed_from_the_results_of_all_seeds():
    seeds = [result(i, mse, width=0.1 * i) for i, mse in enumerate((0.1, 0.2, 0.3))]
    (row,) = summarise(seeds)
    assert row["seeds"] == 3
    assert row["mse"] == pytest.approx(0.2)
    assert row["width"] == pytest.approx(0.1)
    half = 4.302653 * 0.1 / 3**0.5
    assert row["mse_high"] == pytest.approx(0.2 + half)
    assert row["mse_low"] == pytest.approx(max(0.2 - half, 0))
    (own,) = summarise([result(0, 0.1, mse_low=0.05, mse_high=0.15)])
    assert (own["mse_low"], own["mse_high"], own["seeds"]) == (0.05, 0.15, 1)
    mean = result(None, 0.1, mse_low=0.05, mse_high=0.15, seeds=5)
    assert summarise([mean]) == [mean]


def test_the_options_are_declared_with_their_help_and_tasks():
    assert set(RUNNERS) == set(TASK_NAMES)
    for option in fields(BenchmarkOptions)[1:]:
        assert option.metadata["help"]
        assert set(option.metadata["tasks"]) <= set(TASK_NAMES)


def test_options_cost_no_torch():
    code = "import sys, hmlm_fm.benchmarks.command; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


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
        ("crosstalk", {"entries": "hold"}),
        ("crosstalk", {"workers": 2}),
        ("crosstalk", {"budget": ["16x4"]}),
        ("conditions", {"experiments": Path("mine.csv")}),
        ("conditions", {"corpus": "core"}),
    ],
)
def test_an_option_without_effect_is_an_error(task, option):
    (name,) = option
    with pytest.raises(ValueError, match=f"--{name} is not for the task {task}, which takes --"):
        BenchmarkOptions(task, **option).check()


def test_the_cache_needs_a_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="expected a folder"):
        BenchmarkOptions("conditions", cache=tmp_path / "file").check()


def test_one_network_of_several_is_named(tmp_path):
    table = tmp_path / "edges.tsv"
    write_edge_table(load_core()[:3], table)
    options = BenchmarkOptions("conditions", network=str(table), cache=tmp_path / "cache")
    with pytest.raises(FormatError, match="it holds 3 networks .* name of one of them as pathway"):
        run_benchmark(options)
    name = load_core()[1].name
    assert network_of(replace(options, pathway=name)).name == name


def test_a_fine_tuned_model_is_no_entry(pretrained, tmp_path):
    """It predicts from what it was fitted to, whatever a budget gives."""
    task = simulate_task(small_network(), Budget(6, 3))
    few = FitSettings(members=2, steps=1)
    tuned = FineTuned(*pretrained, few).fit(task.training).model
    tuned.save_pretrained(tmp_path)
    pretrained[1].save_pretrained(tmp_path)
    for name in ("conditions", "crosstalk", "molecules"):
        with pytest.raises(ValueError, match="it is fine-tuned"):
            run_benchmark(BenchmarkOptions(name, model=str(tmp_path), quick=True))


def test_in_context_is_below_baselines_without_the_wiring(pretrained):
    network = load_network("cardiac-fibroblast")
    task = simulate_task(network, Budget(16, 4), splits=("pairs",))
    fitted = [of.fit(task.training) for of in (InContext(*pretrained), Hold(), TrainingMean())]
    for truth in task.queries.values():
        errors = [mean_squared_error(of, truth) for of in fitted]
        assert errors[0] < 0.5 * min(errors[1:])


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["conditions", "--track", "x"], ["conditions", "--budget", "16"],
     ["conditions", "--seeds", "0"], ["conditions", "--workers", "0"],
     ["speed", "--workers", "2"], ["conditions", "--json", "/no/such/folder/results.json"],
     ["conditions", "--figure", "results.foo"], ["conditions", "--network", "no-such-network"]],
)  # fmt: skip
def test_wrong_options_end_in_one_line(arguments):
    done = CliRunner().invoke(app, ["benchmark", *arguments])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1
