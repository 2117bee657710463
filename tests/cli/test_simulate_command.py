"""`hmlm simulate`: its numbers are the simulator's, and it refuses what makes no sense."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from hmlm_fm.cli.condition_arguments import parse_perturbation, parse_stimulus
from hmlm_fm.cli.main import app
from hmlm_fm.cli.simulation import times_of
from hmlm_fm.common.errors import FormatError
from hmlm_fm.dynamics.simulator import baseline_state, simulate
from hmlm_fm.formats.json_format import write_json
from hmlm_fm.formats.network_loading import load_network
from hmlm_fm.model.conditions import Condition, Perturbation
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork

FIBROBLAST = "cardiac-fibroblast"


@pytest.fixture
def network() -> SignalingNetwork:
    """A -> B -> C, with an input on A, and a molecule of a difficult name."""
    return SignalingNetwork(
        name="chain",
        molecules=(
            Molecule("A"),
            Molecule("B", y0=0.3),
            Molecule("C", tau_hours=2.0),
            Molecule("odd=[red]@1-2"),
        ),
        interactions=(
            Interaction((), (), "A", "input", weight=0.6),
            Interaction(("A",), (1,), "B", "activation"),
            Interaction(("B",), (1,), "C", "activation"),
            Interaction(("C",), (-1,), "odd=[red]@1-2", "inhibition"),
        ),
    )


@pytest.fixture
def chain(network, tmp_path) -> Path:
    write_json(network, tmp_path / "chain.json")
    return tmp_path / "chain.json"


def hmlm_simulate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


def states_of(path: Path) -> dict[str, dict[str, dict[float, float]]]:
    """State by condition, molecule and time."""
    found: dict = defaultdict(lambda: defaultdict(dict))
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == ["condition", "molecule", "time_hours", "state"]
        for row in reader:
            times = found[row["condition"]][row["molecule"]]
            assert float(row["time_hours"]) not in times
            times[float(row["time_hours"])] = float(row["state"])
    return found


def run(out: Path, *arguments: str | Path) -> dict[str, dict[str, dict[float, float]]]:
    result = hmlm_simulate(*arguments, "--out", out)
    assert result.exit_code == 0, result.output
    return states_of(out)


def as_array(states: dict[str, dict[float, float]]) -> np.ndarray:
    """(T, N)."""
    return np.array([list(times.values()) for times in states.values()]).T


def refused(*arguments: str | Path) -> str:
    result = hmlm_simulate(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_the_numbers_are_those_of_the_simulator(tmp_path):
    out, plot = tmp_path / "out.csv", tmp_path / "out.png"
    found = run(
        out, FIBROBLAST, "--stimulus", "TGFB=0.8", "--knockout", "smad3", "--hours", "24",
        "--plot", plot,
    )  # fmt: skip
    network = load_network(FIBROBLAST)
    condition = Condition({"TGFB": 0.8}, (Perturbation("smad3"),))
    hours = [float(t) for t in range(25)]
    expected = simulate(network, [condition], hours, baseline_state(network))[0]
    (states,) = found.values()
    assert tuple(states) == network.names
    assert list(states["smad3"]) == hours
    assert np.array_equal(as_array(states), expected.numpy())
    assert set(states["smad3"].values()) == {0.0}
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_baseline_is_a_steady_state(network):
    baseline = baseline_state(network)
    assert baseline.shape == (4,)
    assert baseline.dtype == torch.float64
    later = simulate(network, [Condition()], [100.0], baseline)[0, 0]
    assert torch.allclose(later, baseline, atol=1e-4)
    assert baseline[0] == pytest.approx(0.6, abs=1e-4)
    assert baseline_state(network, torch.float32).dtype == torch.float32


def test_a_slow_network_has_its_baseline_too(network):
    slow = tuple(replace(m, tau_hours=2000.0) for m in network.molecules)
    baseline = baseline_state(replace(network, molecules=slow))
    assert torch.allclose(baseline, baseline_state(network), atol=1e-3)


def test_a_window_opens_and_closes(chain, tmp_path):
    (found,) = run(
        tmp_path / "out.csv", chain, "--clamp", "B=0.9@2-6", "--knockout", "C@4-", "--hours", "8"
    ).values()
    network = load_network(chain)
    baseline = baseline_state(network)[1].item()
    held = {time for time, state in found["B"].items() if state == pytest.approx(0.9, abs=1e-7)}
    assert held == {2.0, 3.0, 4.0, 5.0, 6.0}  # let go at 6, it moves on from there
    assert found["B"][1.0] == pytest.approx(baseline, abs=1e-3)
    assert baseline < found["B"][7.0] < 0.9
    assert {time for time, state in found["C"].items() if state == 0} == {4.0, 5.0, 6.0, 7.0, 8.0}


@pytest.mark.parametrize(
    ("option", "kind"),
    [("--knockdown", "knockdown"), ("--inhibition", "inhibition"),
     ("--overexpression", "overexpression"), ("--clamp", "clamp")],
)  # fmt: skip
def test_each_option_does_what_its_kind_means(chain, tmp_path, option, kind):
    (found,) = run(tmp_path / "out.csv", chain, option, "B=0.25@1-3", "--hours", "4").values()
    network = load_network(chain)
    condition = Condition({}, (Perturbation("B", kind, 0.25, 1.0, 3.0),))
    expected = simulate(network, [condition], [0, 1, 2, 3, 4], baseline_state(network))[0]
    assert np.array_equal(as_array(found), expected.numpy())


def test_where_a_run_starts(chain, tmp_path):
    first = {
        start: [
            times[0.0]
            for times in run(tmp_path / f"{start}.csv", chain, "--from", start)["control"].values()
        ]
        for start in ("zero", "network", "rest")
    }
    assert first["zero"] == [0.0] * 4
    assert first["network"] == [0.0, 0.3, 0.0, 0.0]
    assert first["rest"] == baseline_state(load_network(chain)).tolist()


def test_a_table_of_conditions_and_chosen_molecules(chain, tmp_path):
    table = tmp_path / "conditions.csv"
    table.write_text(
        "condition,kind,molecule,value\nrest,,,\nhigh,stimulus,A,1\nhigh,knockout,C,\n"
    )
    found = run(
        tmp_path / "out.csv", chain, "--conditions", table, "--times", "0,0.5,6", "--molecule", "C",
        "--molecule", "B", "--plot", tmp_path / "out.svg",
    )  # fmt: skip
    assert list(found) == ["rest", "high"]
    assert all(list(states) == ["C", "B"] for states in found.values())
    assert list(found["high"]["B"]) == [0.0, 0.5, 6.0]
    network = load_network(chain)
    conditions = [Condition(), Condition({"A": 1.0}, (Perturbation("C"),))]
    expected = simulate(network, conditions, [0, 0.5, 6], baseline_state(network))
    for c, states in enumerate(found.values()):
        assert np.array_equal(as_array(states), expected[c, :, [2, 1]].numpy())
    assert "<svg" in (tmp_path / "out.svg").read_text()


@pytest.mark.parametrize(
    ("edges", "warning"),
    [
        ("Ligand activates Receptor\nAntagonist inhibits Receptor\n", "'Receptor'"),
        ("Ligand activates Receptor\nReceptor inhibits Ligand\n", ""),
        ("Ligand 1 and1\nAntagonist -1 and1\nand1 1 Receptor\nX 1 Receptor\n", ""),
    ],
)
def test_logic_that_is_not_known_is_warned_of_where_it_matters(edges, warning, tmp_path):
    (tmp_path / "edges.sif").write_text(edges)
    result = hmlm_simulate(tmp_path / "edges.sif", "--hours", "2")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("\n") == bool(warning)
    assert warning in result.stderr
    assert ("are joined by OR" in result.stderr) == bool(warning)


def test_without_a_file_the_most_changed_are_printed(chain):
    result = hmlm_simulate(chain, "--stimulus", "A=1", "--knockout", "odd=[red]@1-2@1-")
    assert result.exit_code == 0, result.output
    rows = [line.split("│")[1:-1] for line in result.stdout.splitlines() if line.startswith("│")]
    assert {row[0].strip() for row in rows} == {"A", "B", "C", "odd=[red]@1-2"}
    changes = {row[0].strip(): float(row[-1]) for row in rows}
    assert changes["A"] == pytest.approx(0.4, abs=1e-3)
    assert changes["odd=[red]@1-2"] < 0
    assert list(changes) == sorted(changes, key=lambda name: -abs(changes[name]))
    assert "chain: A=1, knockout odd=[red]@1-2@1-" in result.stdout


def test_names_are_drawn_as_they_are(network, tmp_path):
    odd = SignalingNetwork(
        name="$odd_{",
        molecules=(Molecule("a$\\frac$"), Molecule("b")),
        interactions=(Interaction((), (), "b", "input", weight=0.5),),
    )
    write_json(odd, tmp_path / "odd.json")
    plot = tmp_path / "odd.png"
    result = hmlm_simulate(tmp_path / "odd.json", "--knockout", "a$\\frac$", "--plot", plot)
    assert result.exit_code == 0, result.output
    assert plot.exists()


def test_files_are_replaced_only_by_force(chain, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("precious")
    assert "out.csv: it exists; replace it with --force" in refused(chain, "--out", out)
    assert out.read_text() == "precious"
    assert hmlm_simulate(chain, "--out", out, "--force").exit_code == 0
    assert out.read_text().startswith("condition,")
    before = chain.read_bytes()
    assert "this run reads it" in refused(chain, "--out", chain, "--force")
    assert chain.read_bytes() == before
    assert "no folder" in refused(chain, "--out", tmp_path / "none" / "out.csv")
    assert "a folder" in refused(chain, "--out", tmp_path, "--force")
    assert "cannot have this ending" in refused(chain, "--plot", tmp_path / "out.txt")
    same = tmp_path / "same.png"
    assert "one file" in refused(chain, "--plot", same, "--out", same)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--knockout", "a"], "there is no molecule 'a' in network 'chain'; did you mean 'A'?"),
        (["--knockout", "A@6"], "window 'A@6'; expected @START-END in hours"),
        (["--knockout", "A@6-2"], "expected 0 <= start < end"),
        (["--clamp", "A"], "has no '='; expected NAME=STRENGTH"),
        (["--clamp", "A=2"], "strength 2.0; expected a number in [0, 1]"),
        (["--clamp", "A=x@1-2"], "the strength is 'x'; expected a number"),
        (["--clamp", "A=1@.-2"], "a window's hour is '.'; expected a number"),
        (["--stimulus", "A=high"], "the level is 'high'; expected a number"),
        (["--stimulus", "A=nan"], "the level is 'nan'; expected a number"),
        (["--stimulus", "A=-0.1"], "level -0.1; expected a number in [0, 1]"),
        (["--stimulus", "A=0.5@1-2"], "a stimulus lasts for the whole run"),
        (["--stimulus", "A=0.5", "--stimulus", "A=0.6"], "several levels of stimulus 'A'"),
        (["--knockout", "A", "--knockout", "A"], "the knockout of 'A' is given twice"),
        (["--molecule", "c"], "there is no molecule 'c' in network 'chain'; did you mean 'C'?"),
        (["--hours", "0"], "--hours is 0.0; expected a number above 0"),
        (["--hours", "nan"], "--hours is nan; expected a number above 0"),
        (["--step", "-1"], "--step is -1.0; expected a number above 0"),
        (["--step", "1e-9"], "more than 100000 times"),
        (["--times", "0,6,3"], "--times has 3.0 after 6.0; expected increasing times"),
        (["--times=-1,2"], "--times has -1.0; expected times from 0 to 10000 hours"),
        (["--times=1e17"], "--times has 1e+17; expected times from 0 to 10000 hours"),
        (["--hours", "1e9", "--step", "1e8"], "expected a number above 0 and at most 10000"),
        (["--times", "0,,3"], "a time in --times is ''; expected a number"),
        (["--times", "0,3", "--hours", "3"], "expected one of the two"),
        (["--from", "zeros"], "expected one of rest, zero, network; did you mean 'zero'?"),
        (["--conditions", "none.csv"], "none.csv: there is no such file"),
        (["--conditions", "none.csv", "--knockout", "A"], "expected one of the two"),
        (["--pathway", "chian"], "there is no network 'chian'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(chain, arguments, words):
    assert words in refused(chain, *arguments)


def test_a_typing_error_in_a_table_of_conditions_is_refused(chain, tmp_path):
    table = tmp_path / "conditions.csv"
    table.write_text("condition,kind,molecule,value\nx,knockout,A,\nx,knockout,b,\n")
    message = refused(chain, "--conditions", table)
    assert "row 3: there is no molecule 'b' in network 'chain'; did you mean 'B'?" in message


def test_one_network_is_simulated_at_a_time(tmp_path):
    assert "it holds 65 networks" in refused("core")
    assert "did you mean 'cardiac-fibroblast'" in refused("cardiac-fibroblasts")
    result = hmlm_simulate("core", "--pathway", "ampk", "--hours", "2")
    assert result.exit_code == 0, result.output
    assert "ampk: control" in result.stdout


def test_parts_of_the_command_line(network):
    assert parse_perturbation("knockout", "A@0-1e-3", network) == Perturbation("A", end_hours=1e-3)
    odd = "odd=[red]@1-2"
    assert parse_perturbation("knockout", odd, network) == Perturbation(odd)
    assert parse_perturbation("clamp", f"{odd}=0.5@3-4", network) == Perturbation(
        odd, "clamp", 0.5, 3.0, 4.0
    )
    assert parse_stimulus(f"{odd}=1", network) == (odd, 1.0)
    with pytest.raises(FormatError, match="no molecule 'D'"):
        parse_stimulus("D=1", network)
    assert parse_perturbation("knockout", "A@2-", network).end_hours == math.inf


def test_times():
    assert times_of(None, None, None) == tuple(float(t) for t in range(49))
    assert times_of(1.0, 0.4, None) == (0.0, 0.4, 0.8, 1.0)
    tenths = times_of(1.0, 0.1, None)
    assert len(tenths) == 11
    assert tenths[-1] == 1.0
    assert times_of(1.0, 5.0, None) == (0.0, 1.0)
    assert times_of(None, None, "2, 4.5") == (2.0, 4.5)
