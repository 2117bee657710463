"""`hmlm benchmark speed`: simulators, models and growth, at sizes that take seconds."""

import sys

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from typer.testing import CliRunner

from hmlm_fm.benchmarks.speed import encoders, peak_memory, scaling
from hmlm_fm.benchmarks.speed.encoders import (
    BY_ID,
    ENCODERS,
    REFERENCE,
    draw_batches,
    make_model,
    parameters_of,
    time_in_turns,
)
from hmlm_fm.benchmarks.speed.exported_equations import python_equations
from hmlm_fm.benchmarks.speed.scaling import SERIES, fit_exponents, random_network
from hmlm_fm.benchmarks.speed.simulators import (
    ACCURACY,
    HOURS,
    SIMULATORS,
    ConditionNumbers,
    RoadRunner,
    draw_conditions,
)
from hmlm_fm.benchmarks.speed.speed import Effort, measure_speed
from hmlm_fm.cli.main import app
from hmlm_fm.dynamics.simulator import baseline_state, simulate
from hmlm_fm.formats.json_format import write_json
from hmlm_fm.model.configuration_hmlm import HMLMConfig
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork
from hmlm_fm.model.tokenization_hmlm import HMLMTokenizer

TINY = Effort(
    conditions=3, fewer_conditions=1, simulator_repeats=1, networks=3, batches=1, model_repeats=2,
    sizes=(20, 40), scaling_repeats=1, start_up_repeats=1,
)  # fmt: skip
SPLITS = ("simulators", "models", "scaling", "exponents", "start-up")


@pytest.fixture(scope="module")
def by_hand():
    """Two inputs, an AND with an inhibitor, an OR, a loop, and a molecule that nothing reaches."""
    taus = {"A": 0.5, "B": 2.0, "C": 1.0, "D": 8.0, "E": 0.2, "F": 3.0}
    molecules = tuple(
        Molecule(name, members=(name,), tau_hours=tau, y0=0.0, ymax=0.7 if name == "D" else 1.0)
        for name, tau in taus.items()
    )
    return SignalingNetwork(
        "by hand",
        molecules,
        (
            Interaction((), (), "A", "input", 0.2),
            Interaction((), (), "B", "input", 0.1),
            Interaction(("A", "B"), (1, -1), "C", "unknown", 0.9, 1.4, 0.5),
            Interaction(("C",), (1,), "D", "activation", 0.8, 2.0, 0.4),
            Interaction(("E",), (-1,), "D", "inhibition", 0.5, 1.2, 0.6),
            Interaction(("D",), (1,), "E", "activation", 1.0, 1.4, 0.5),
        ),
    )


@pytest.fixture(scope="module")
def simulated(by_hand):
    conditions = draw_conditions(by_hand, 6, seed=3)
    rest = baseline_state(by_hand)
    states = simulate(
        by_hand, conditions, HOURS.tolist(), rest, tolerance=1e-8, dtype=torch.float64
    )
    return ConditionNumbers(by_hand, conditions, rest.numpy()), states.numpy()


@pytest.fixture(scope="module")
def tokenizer():
    return HMLMTokenizer()


@pytest.fixture(scope="module")
def config(tokenizer):
    return HMLMConfig.of_size("tiny", vocab_size=tokenizer.vocab_size)


def needs_roadrunner():
    pytest.importorskip(
        "roadrunner", reason="libroadrunner is not installed; pip install 'hmlm-fm[benchmarks]'"
    )


def test_exported_python_is_what_is_simulated(by_hand, simulated):
    numbers, states = simulated
    module = {}
    exec(python_equations(by_hand), module)
    for c, truth in enumerate(states):
        found = solve_ivp(
            lambda t, y, c=c: module["slopes"](t, y, numbers.weight[c], numbers.ymax[c]),
            (HOURS[0], HOURS[-1]), numbers.first[c], "LSODA", t_eval=HOURS, rtol=1e-9, atol=1e-11,
        )  # fmt: skip
        assert np.abs(found.y.T - truth).max() < 1e-5


def test_exported_sbml_is_what_is_simulated(by_hand, simulated):
    needs_roadrunner()
    numbers, states = simulated
    found = RoadRunner(by_hand, numbers)(len(states), 1e-9)
    assert np.abs(found - states).max() < 1e-5


def test_without_libroadrunner_the_extra_is_named(by_hand, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "roadrunner", None)
    write_json(by_hand, tmp_path / "network.json")
    done = CliRunner().invoke(
        app, ["benchmark", "speed", "--quick", "--network", str(tmp_path / "network.json")]
    )
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert "hmlm-fm[benchmarks]" in done.stderr


@pytest.mark.slow
def test_results_tables_and_figure(by_hand, tmp_path, monkeypatch):
    needs_roadrunner()
    for module in (encoders, scaling):
        monkeypatch.setattr(module, "peak_megabytes", lambda prepare, id, size: float(size))
    report = measure_speed(by_hand, TINY, lambda line: None)
    table = report.table
    report.draw(tmp_path / "speed.png")
    assert (tmp_path / "speed.png").stat().st_size > 1000
    assert report.about["network"] == "by hand"
    parts = {s: [r for r in report.results if r["split"] == s] for s in SPLITS}
    assert sum(map(len, parts.values())) == len(report.results)
    for column in ("peak MB", "ratio to HMLM", "molecules per second", "ms per trajectory"):
        assert column in table

    assert [of["entry"] for of in parts["simulators"]] == [entry.id for entry in SIMULATORS]
    for of in parts["simulators"]:
        assert of["max_error"] <= ACCURACY
        assert of["ms_per_trajectory"] <= of["ms_median"] <= of["ms_most"]

    models = {of["entry"]: of for of in parts["models"]}
    assert list(models) == [entry.id for entry in ENCODERS]
    assert len({of["molecules_per_batch"] for of in models.values()}) == 1
    for of in models.values():
        ratio = of["ms_per_batch"] / models[REFERENCE]["ms_per_batch"]
        assert of["ratio_to_hmlm"] == pytest.approx(ratio)
        rate = 1e3 * of["molecules_per_batch"] / of["ms_per_batch"]
        assert of["molecules_per_second"] == pytest.approx(rate)
        assert of["peak_mb"] > 0
        assert f"| {of['label']} |" in table

    assert {(of["entry"], of["molecules"]) for of in parts["scaling"]} == {
        (id, size) for id in SERIES for size in TINY.sizes
    }
    assert [of["entry"] for of in parts["exponents"]] == list(SERIES)

    torch_alone = parts["start-up"][0]
    assert torch_alone["label"] == "import torch"
    for of in parts["start-up"]:
        assert 0 < of["seconds"] <= of["seconds_median"]
        ratio = of["seconds"] / torch_alone["seconds"]
        assert of["ratio_to_torch"] == pytest.approx(ratio)


def test_baselines_are_as_large_as_the_blocks_of_hmlm(tokenizer, config):
    (batch,) = draw_batches(tokenizer, 2, 1)
    sizes = {}
    for name in BY_ID:
        model = make_model(name, config)
        loss = model(batch)
        assert np.isfinite(loss.item())
        loss.backward()
        sizes[name] = parameters_of(model.blocks)
    for name, size in sizes.items():
        if name in ("transformer-equal", "gpsconv-equal", "transformerconv-equal"):
            assert size == pytest.approx(sizes[REFERENCE], rel=0.05)


def test_backends_compute_the_same_loss(tokenizer, config):
    (batch,) = draw_batches(tokenizer, 3, 1)
    for what in ("objective", "encoder"):
        losses = [
            make_model(f"hmlm-{what}-{backend}", config)(batch).item()
            for backend in ("sdpa", "sparse")
        ]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_padding_does_not_reach_the_baselines(tokenizer, config):
    (batch,) = draw_batches(tokenizer, 4, 1)
    mask = batch.fields["attention_mask"].bool()
    assert batch.molecules == int(mask.sum())
    assert int(batch.edge_index_2E.max()) < batch.molecules
    assert (
        batch.network_R[batch.edge_index_2E[0]] == batch.network_R[batch.edge_index_2E[1]]
    ).all()
    for entry in ENCODERS:
        if not entry.highlighted:
            encoder = make_model(entry.id, config).encoder
            assert encoder(batch).shape == (
                batch.molecules,
                encoder.embeddings.project.out_features,
            )


def test_a_made_up_power_law_is_fitted():
    results = [
        {"entry": id, "label": id, "molecules": n, "ms": 0.3 * n**e, "peak_mb": 2.0 * n}
        for id, e in (("a", 1.0), ("b", 2.0))
        for n in (100, 300, 800)
    ]
    found = {of["entry"]: of for of in fit_exponents(results)}
    assert found["a"]["time"] == pytest.approx(1)
    assert found["b"]["time"] == pytest.approx(2)
    assert found["b"]["time_of_last_two"] == pytest.approx(2)
    assert found["b"]["memory"] == pytest.approx(1)
    assert found["a"]["memory_of_last_two"] == pytest.approx(1)
    assert (found["a"]["smallest"], found["a"]["largest"]) == (100, 800)
    with pytest.raises(ValueError, match="two sizes"):
        fit_exponents(results[:1])


def test_random_networks_keep_their_mean_degree(tokenizer):
    tokens = tokenizer.vocabulary.tokens[3:]
    for size in (300, 900):
        network = random_network(size, tokens)
        assert len(network.interactions) / size == pytest.approx(2, abs=0.2)
        assert all(i.target not in i.sources for i in network.interactions)
    assert random_network(50, tokens) == random_network(50, tokens)


def test_every_step_has_its_turn():
    called = []
    steps = {name: lambda name=name: called.append(name) for name in "ab"}
    seconds = time_in_turns(steps, 2)
    assert "".join(called) == "ababab"
    assert [len(seconds[name]) for name in "ab"] == [2, 2]


def _fill(megabytes):
    return lambda: torch.ones(10), lambda: torch.ones(250_000 * megabytes).sum()


def test_peak_memory_is_what_a_step_allocates(monkeypatch):
    monkeypatch.setattr(peak_memory, "PROCESSES", 1)
    kept = torch.ones(50_000_000)  # of this process, and no part of the peak of the other
    assert peak_memory.peak_megabytes(_fill, 100) == pytest.approx(100, abs=20)
    del kept
