"""The command `hmlm`: every help has an example that runs, and every error is one line."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from hmlm_fm import Condition, SignalingPipeline
from hmlm_fm.cli import finetune, pretrain
from hmlm_fm.cli.main import app, main

FITTED = Path(__file__).parents[1] / "fixtures" / "fine-tuned-0.1.0"
COMMANDS = (
    "predict", "simulate", "benchmark", "convert", "crosstalk", "network", "readouts", "info",
)  # fmt: skip


def hmlm(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(app, [str(argument) for argument in arguments])


def refusal(*arguments: str | Path) -> str:
    """The one line that a refused command ends with."""
    done = hmlm(*arguments)
    assert done.exit_code == 2, done.output
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line


def example_of(help_text: str) -> list[str]:
    (line,) = re.findall(r"Example: (hmlm .*)", help_text)
    return shlex.split(line)[1:]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_of_a_help_runs(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = hmlm(command, "--help", COLUMNS="500", TERM="dumb")
    assert shown.exit_code == 0
    arguments = example_of(shown.output)
    assert arguments[0] == command
    Path("readouts.csv").write_text("readout,genes\npERK,MAPK1|MAPK3\n")
    Path("conditions.csv").write_text("condition,kind,molecule,value\negf,stimulus,EGF,1\n")
    Path("measured.csv").write_text("drug,time_h,pERK\nDMSO,1,1\ntrametinib,1,0.5\n")
    done = hmlm(*arguments)
    assert done.exit_code == 0, done.output
    for argument in arguments:
        if re.search(r"\.(csv|png|json|sif)$", argument):
            assert Path(argument).stat().st_size > 0


@pytest.mark.slow
@pytest.mark.parametrize("command", [finetune, pretrain])
def test_the_example_of_a_run_runs(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command.run(shlex.split(command.EXAMPLE)[2:]) == 0
    assert list(tmp_path.glob("outputs/*/model.safetensors"))


@pytest.mark.parametrize("command", ["finetune", "pretrain", "corpus"])
def test_commands_that_pass_their_words_on_have_a_help(command, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["hmlm", command, "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    assert f"hmlm {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "arguments", "problem"),
    [
        (finetune, ["--netwrk", "a.sif"], "no option --netwrk; did you mean '--network'"),
        (pretrain, ["--max_steps=6"], "no option --max_steps=6; did you mean"),
        (pretrain, ["--steps", "many"], "argument --steps: invalid int value: 'many'"),
    ],
)
def test_a_wrong_option_of_a_run_is_one_line(command, arguments, problem, capsys):
    assert command.run(arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"error: {problem}")


def test_every_command_is_listed():
    listed = hmlm("--help", COLUMNS="200").output
    for command in (*COMMANDS, "finetune", "pretrain", "corpus"):
        assert re.search(rf"^\W*{command}\b", listed, re.MULTILINE), command


# -- predict ----------------------------------------------------------------------------------


def test_a_fitted_folder_predicts_what_its_pipeline_predicts(tmp_path):
    table, plot = tmp_path / "p.csv", tmp_path / "p.png"
    done = hmlm(
        "predict", FITTED, "--stimulus", "EGF=0.8", "--knockdown", "RAF1=0.5", "--hours", "0,3,24",
        "--out", table, "--plot", plot,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "1 condition, 5 molecules, 3 times" in done.output
    found = pd.read_csv(table)
    condition = Condition({"EGF": 0.8}, (_knockdown("RAF1", 0.5),))
    expected = SignalingPipeline.from_pretrained(FITTED).predict({"c": condition}, [0, 3, 24])
    columns = ["molecule", "time_hours", "state", "sd"]
    pd.testing.assert_frame_equal(
        found[columns], expected[columns], check_dtype=False, rtol=1e-5, atol=1e-6
    )
    assert set(found["condition"]) == {"EGF=0.8, knockdown RAF1=0.5"}
    assert plot.stat().st_size > 1000


def _knockdown(name: str, strength: float):
    from hmlm_fm import Perturbation

    return Perturbation(name, "knockdown", strength)


def test_predictions_in_another_modality_and_of_some_molecules(tmp_path):
    out = tmp_path / "p.csv"
    done = hmlm(
        "predict", FITTED, "--stimulus", "TNF=0.9", "--modality", "protein", "--molecule", "JUN",
        "--hours", "8", "--out", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = pd.read_csv(out)
    assert found["molecule"].tolist() == ["JUN"]
    assert "value" in found


def test_a_table_of_conditions_is_predicted(tmp_path):
    (tmp_path / "c.csv").write_text(
        "condition,kind,molecule,value\none,stimulus,EGF,0.5\ncontrol,,,\n"
    )
    done = hmlm("predict", FITTED, "--conditions", tmp_path / "c.csv", "--hours", "0,24")
    assert done.exit_code == 0, done.output
    assert "one:" in done.output
    assert "control:" in done.output
    assert "24 h" in done.output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["hmlm-small"], "it is pretrained; expected a network"),
        (["nowhere/here"], "nowhere/here: there is no such folder; expected a network"),
        ([FITTED, "--network", "egf"], "has its own network.json"),
        (["nowhere"], "checkpoint nowhere: there is no such folder"),
        ([FITTED, "--hours", "3,1"], "--hours has 1.0 after 3.0"),
        ([FITTED, "--hours", "soon"], "a time in --hours is 'soon'; expected a number"),
        (
            [FITTED, "--stimulus", "EGFR=1"],
            "no molecule 'EGFR' in network 'fixture'; did you mean 'EGF'",
        ),
        ([FITTED, "--stimulus", "EGF=2"], "level 2; expected a number in [0, 1]"),
        ([FITTED, "--modality", "smell"], "modality 'smell'; expected one of activity"),
        ([FITTED, "--pathway", "p"], "--pathway is given without --network"),
        ([FITTED, "--out", "no/such/folder.csv"], "there is no folder to write it into"),
    ],
)
def test_bad_input_of_predict_ends_in_one_line(arguments, problem):
    assert problem in refusal("predict", *arguments)


# -- info -------------------------------------------------------------------------------------


def facts_of(*arguments: str | Path) -> dict[str, str]:
    done = hmlm("info", *arguments)
    assert done.exit_code == 0, done.output
    return dict(re.split(r"\s{2,}", line, maxsplit=1) for line in done.output.splitlines())


def test_info_of_a_network_and_of_a_corpus():
    network = facts_of("cardiac-fibroblast")
    assert network["molecules"] == "109"
    assert "46 AND groups" in network["interactions"]
    assert facts_of("core")["networks"] == "65"


def test_info_of_checkpoints():
    fitted = facts_of(FITTED)
    assert fitted["fine-tuned"].startswith("2 members")
    assert fitted["network"] == "fixture, 5 molecules"
    shipped = facts_of("hmlm-small")
    assert (Path(shipped["folder"]) / "modeling_hmlm.py").is_file()
    assert shipped["fine-tuned"] == "no: predicts any network"
    assert shipped["measured sets"].startswith("predicted in context, trained on 30,000 worlds and")
    assert fitted["measured sets"].startswith("no head for them")


def test_info_of_a_measured_set(tmp_path):
    (tmp_path / "conditions.csv").write_text(
        "condition,kind,molecule,value,unit\n"
        "rest,,,,\none,stimulus,A,0.5,\ntwo,drug,trametinib,5,nM\nthree,drug,trametinib,10,nM\n"
    )
    (tmp_path / "observations.csv").write_text(
        "condition,molecule,time_hours,value,modality,sd,scale,replicate,batch\n"
        "rest,pERK,4,0.25,phosphoprotein,,log2,1,blot 1\n"
        "rest,pERK,4,0.5,phosphoprotein,,log2,2,blot 2\n"
        "one,pERK,late,1.5,phosphoprotein,0.1,log2,1,blot 1\n"
        "two,B,0,0.1,activity,,,,\nthree,B,4,0.5,activity,,,,\n"
    )
    found = facts_of(tmp_path)
    assert found["network"].startswith("none")
    assert (found["conditions"], found["control"], found["values"]) == ("4", "rest", "5")
    assert (found["treatments"], found["treatment"]) == ("2", "trametinib (drug): 5, 10 nM")
    assert found["readouts"] == "2: pERK, B"
    assert found["times"] == "0, 4 hours, late"
    assert found["modalities"] == "activity, phosphoprotein"
    assert found["scales"] == "linear, log2"
    assert found["replicates"] == "up to 2 values of one condition, readout and time"
    assert found["sd"] == "stated of 1 values"
    assert found["batches"] == "2: blot 1, blot 2"
    assert found["licence"] == "not stated"
    (tmp_path / "network.sif").write_text("A\t1\tB\n")
    facts = '{"licence": "CC BY 4.0", "study": "Doe 2020", "notes": ["made for a test"]}'
    (tmp_path / "set.json").write_text(facts)
    found = facts_of(tmp_path)
    assert found["network"] == "network, 2 molecules"
    assert (found["licence"], found["study"]) == ("CC BY 4.0", "Doe 2020")
    assert found["note"] == "made for a test"


def test_info_of_changes_without_a_control_and_of_several_lines(tmp_path):
    table = tmp_path / "MD.csv"
    table.write_text(
        "TR:one:CellLine,TR:two:CellLine,TR:egf:Stimuli,DA:ALL,DV:erk\n"
        "1,0,0,0,0.1\n1,0,1,30,0.8\n0,1,0,0,0.2\n0,1,1,30,0.7\n"
    )
    lines = [line.split(maxsplit=1) for line in hmlm("info", table).output.splitlines()]
    assert ["sets", "2"] in lines
    assert sum(name == "set" and "2 conditions, 1 treatment" in of for name, of in lines) == 2
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "conditions.csv").write_text("condition,kind,molecule,value\na,drug,X,2\n")
    (tmp_path / "c" / "observations.csv").write_text(
        "condition,molecule,time_hours,value,modality,scale\n"
        "a,B,late,-1.5,protein,log2 change from control\n"
    )
    assert facts_of(tmp_path / "c")["control"] == "none; values are changes from it"


def test_info_of_damaged_folders(tmp_path):
    (tmp_path / "config.json").write_text("{")
    assert "it is not JSON" in refusal("info", tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert "model_type is 'bert'; expected 'hmlm'" in refusal("info", tmp_path)
    assert "there is no such file" in refusal("info", tmp_path / "nowhere")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_info_of_a_midas_table_whatever_separates_its_columns(separator, tmp_path):
    rows = (["TR:egf:Stimuli", "DA:ALL", "DV:erk"], ["0", "0", "0.1"], ["1", "30", "0.8"])
    (tmp_path / "MD.csv").write_text("".join(separator.join(row) + "\n" for row in rows))
    facts = facts_of(tmp_path / "MD.csv")
    assert (facts["values"], facts["treatments"], facts["readouts"]) == ("2", "1", "1: erk")
    assert facts["treatment"] == "egf (stimulus): 1"
