"""`hmlm corpus`: every help has an example that runs, and errors are one line each."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hmlm_fm.cli.command_options import InfoOptions
from hmlm_fm.cli.corpus import COMMANDS, run_corpus
from hmlm_fm.cli.info import run_info
from hmlm_fm.corpora.corpus_loading import load_corpus

ROOT = Path(__file__).parents[2]


def example_of(help_text: str) -> list[str]:
    """The arguments of the example, without `hmlm corpus`."""
    words = shlex.split(help_text.partition("example:\n")[2])
    assert words[:2] == ["hmlm", "corpus"]
    return words[2:]


def help_of(command: str, capsys) -> str:
    with pytest.raises(SystemExit) as ended:
        run_corpus([command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_list_of_commands_has_an_example_that_runs(tmp_path, monkeypatch, capsys):
    assert run_corpus(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)
    monkeypatch.chdir(tmp_path)
    assert run_corpus(example_of(text)) == 0
    assert len(load_corpus("core-corpus")) == 65
    assert run_corpus([]) == 2


@pytest.mark.parametrize("command", ["build", "simulate"])
def test_the_example_of_a_help_runs(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = example_of(help_of(command, capsys))
    if command == "simulate":
        line += ["--conditions", "2", "--processes", "1"]
    assert run_corpus(line) == 0
    assert (Path(line[line.index("--out") + 1]) / "README.md").exists()


def test_measured_is_listed_and_makes_a_corpus_that_info_describes(tmp_path, capsys):
    assert "measured: a corpus of measured sets" in help_of("build", capsys)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "MD-one.csv").write_text(
        "TR:egf:Stimuli,DA:ALL,DV:erk\n0,0,0.1\n1,0,0.1\n1,30,0.8\n"
    )
    (tmp_path / "lab" / "set.json").write_text('{"licence": "CC0", "organism": "human"}')
    corpus = str(tmp_path / "corpus")
    arguments = ["measured", "--from-dir", str(tmp_path / "lab"), "--out", corpus, "--seed", "1"]
    assert run_corpus(["build", *arguments]) == 0
    assert "1 set, 3 values" in capsys.readouterr().out
    run_info(InfoOptions(name=corpus))
    lines = capsys.readouterr().out.splitlines()
    facts = dict(line.split(maxsplit=1) for line in lines[1:])
    assert lines[0].split() == ["corpus", "of", "measured", "sets", corpus]
    assert facts["set"] == "lab-one: 2 conditions, 1 treatment, 1 readout, 2 times, 3 values; CC0"
    assert (facts["sets"], facts["licences"]) == ("1", "CC0 (1)")
    assert (facts["train"], facts["test"]) == ("1: lab-one", "none")
    assert facts["hash"] in (tmp_path / "corpus" / "README.md").read_text()


@pytest.mark.parametrize("command", ["vocabulary", "check-core"])
def test_the_example_of_a_check_runs(command, shared_data, tmp_path, monkeypatch, capsys):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "data").symlink_to(shared_data.resolve())
    monkeypatch.chdir(tmp_path)
    assert run_corpus(example_of(help_of(command, capsys))) == 0
    assert len(capsys.readouterr().out.splitlines()) >= (50 if command == "check-core" else 1)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["biuld"], "there is no command 'biuld'"),
        (["build"], "the following arguments are required: SOURCE, --out"),
        (["build", "raectome", "--out", "x"], "invalid choice: 'raectome'"),
        (["simulate", "core", "--out", "x", "--networks", "none"], "invalid int value: 'none'"),
        (["simulate", "core", "--out", "x", "--held-out", "0"], "--held-out is 0; expected at"),
        (["simulate", "nowhere", "--out", "x"], "nowhere: there is no such file"),
        (["vocabulary", "--shared", "nowhere"], "nowhere"),
        (["check-core", "--shared", "nowhere"], "nowhere"),
    ],
)
def test_errors_are_one_line(arguments, problem, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_corpus(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    assert problem in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("script", "needed"), [("build", "SOURCE, --out"), ("simulate", "corpus")])
def test_a_script_is_the_command(script, needed):
    done = subprocess.run(
        [sys.executable, ROOT / "corpora" / f"{script}.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: the following arguments are required: {needed}")
    assert f"hmlm corpus {script} --help" in done.stderr
