"""The main job, small: it writes what it promises, resumes bit for bit, and refuses bad input."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from hmlm_fm import HMLMForSignaling, HMLMTokenizer
from hmlm_fm.cli import pretrain
from hmlm_fm.common.errors import OptionsError
from hmlm_fm.common.option_parsing import parse_options
from hmlm_fm.pretraining.pretraining_options import PretrainingOptions
from hmlm_fm.pretraining.pretraining_run import OPTIONS_FILE
from hmlm_fm.pretraining.resuming import COMPLETE_FILE, find_checkpoint, last_checkpoint

ROOT = Path(__file__).parents[2]
SMALL = (
    "--steps 6 --batch_size 2 --language_networks 2 --trajectory_networks 4 --held_out_networks 2 "
    "--inference_rounds 1 --response_steps 2 --drawn_worlds 8 "
    "--save_steps 2 --logging_steps 1 --warmup_steps 1"
).split()


def run(*arguments, timeout=900, **environment):
    return subprocess.run(
        [sys.executable, "pretrain/run.py", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | environment,
        check=False,
    )


@pytest.fixture
def refused(capsys, monkeypatch):
    """The exit code of a run that ends before it computes anything, in this process, and its
    words on stderr."""
    monkeypatch.chdir(ROOT)

    def run_here(*arguments):
        code = pretrain.run([str(argument) for argument in arguments])
        return code, capsys.readouterr().err

    return run_here


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("run") / "whole"
    done = run(*SMALL, "--output_dir", folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_the_folder_holds_what_is_promised(whole):
    folder, output = whole
    for name in (
        "model.safetensors",
        "config.json",
        "vocab.json",
        "README.md",
        "training_info.json",
        "metrics.json",
        "losses.png",
        "trajectories.png",
        "worlds.png",
        "modeling_hmlm.py",
    ):
        assert (folder / name).stat().st_size > 0, name
    assert "world size: 1" in output
    assert "molecules/s" in output
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {"top1", "top10", "frequency_top10", "neighbour_top10", "n"} <= set(
        metrics["masked_molecule"]
    )
    assert {"mse", "hold_mse", "corpus_mean_mse", "context_mean_mse", "n_networks"} <= set(
        metrics["next_state"]
    )
    assert set(metrics["next_state"]["by_context"]) == {"0", "4", "16"}
    of_worlds = metrics["measured_sets"]
    assert of_worlds["n_worlds"] == 2
    assert set(of_worlds["by_context"]) == {"0", "4", "16"}
    for row in of_worlds["by_context"].values():
        assert row["interval"][0] <= row["hmlm_over_untrained"] <= row["interval"][1]
        assert row["untrained_mse"] > 0
    assert "worlds: step 2/2, error" in output
    assert "| conditions shown | HMLM | untrained |" in (folder / "README.md").read_text()
    info = json.loads((folder / "training_info.json").read_text())
    assert info["options"]["steps"] == 6
    assert len(info["corpus"]["content_hashes"]) >= 50
    model = HMLMForSignaling.from_pretrained(folder)
    assert model.responses is not None
    assert model.config.vocab_size == HMLMTokenizer.from_pretrained(folder).vocab_size


def stopped_after_a_save(folder, how):
    """A run that got a signal once its first checkpoint was complete, and its output."""
    process = subprocess.Popen(
        [sys.executable, "pretrain/run.py", *SMALL, "--output_dir", str(folder)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that runs in the background of a shell has Ctrl-C ignored, and so would the run.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 600
    while not (folder / "checkpoint-2" / COMPLETE_FILE).exists():
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(how)
    _, output = process.communicate()
    return process.returncode, output


def test_a_killed_run_resumes_to_the_same_weights(whole, tmp_path):
    folder = tmp_path / "killed"
    stopped_after_a_save(folder, signal.SIGKILL)
    # A checkpoint that was being written when the process died is never taken for complete.
    (folder / "checkpoint-5").mkdir(exist_ok=True)
    (folder / "checkpoint-5" / "model.safetensors").write_bytes(b"half")
    done = run(*SMALL, "--output_dir", folder, "--resume_from_checkpoint")
    assert done.returncode == 0, done.stderr
    expected = HMLMForSignaling.from_pretrained(whole[0]).state_dict()
    for name, value in HMLMForSignaling.from_pretrained(folder).state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert logged(folder) == logged(whole[0])
    for name in ("masked_molecule", "next_state", "modalities"):
        found, metrics = (json.loads((f / "metrics.json").read_text()) for f in (folder, whole[0]))
        assert found[name] == metrics[name], name


def logged(folder):
    """Everything that a run logged, but for how long it took."""
    log = json.loads((folder / "training_info.json").read_text())["log"]
    timed = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos")
    return [{k: v for k, v in entry.items() if k not in timed} for entry in log]


def test_ctrl_c_ends_with_a_word_on_how_to_go_on(tmp_path):
    code, output = stopped_after_a_save(tmp_path / "stopped", signal.SIGINT)
    assert code == 130
    assert "--resume_from_checkpoint resumes" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "5"], "started with seed 0, not 5"),
        (["--size", "small"], "this run has 160"),
        (["--learning_rate", "0.1"], "learning_rate 0.002, not 0.1"),
    ],
)
def test_another_run_cannot_resume_a_checkpoint(whole, refused, arguments, message):
    before = (whole[0] / "README.md").read_bytes()
    again = [*SMALL, "--output_dir", whole[0], "--resume_from_checkpoint", "true", *arguments]
    code, words = refused(*again)
    assert code == 2
    assert message in words
    assert (whole[0] / "README.md").read_bytes() == before


def test_resuming_writes_into_the_run_s_own_folder_alone(whole, refused, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    checkpoint = next(whole[0].glob("checkpoint-*"))
    code, words = refused(*SMALL, "--output_dir", tmp_path, "--resume_from_checkpoint", checkpoint)
    assert code == 2
    assert "does not lie in it" in words
    assert (tmp_path / "README.md").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "huge"], "expected one of tiny"),
        (["--corpus", "nowhere"], "nowhere"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--masked_molecule", "false", "--next_state", "false"], "both objectives"),
        (["--disabled_parts", "heart"], "heart"),
        (["--steps", "0"], "steps 0"),
        (["--resume_from_checkpoint", "true"], "no complete checkpoint"),
        (["--seed", "-1"], "seed -1; expected at least 0"),
        (["--report_to", "nonsense"], "expected none or some of wandb"),
        (["--held_out_networks", "0"], "held_out_networks 0"),
        (["--drawn_worlds", "0"], "drawn_worlds 0; expected at least 1"),
        (["--worlds", "tests"], "it holds no worlds"),
        (["--measured", "x", "--response_steps", "0"], "expected steps of the head"),
        (["--learning_rate", "-1"], "learning_rate -1"),
        (["--max_grad_norm", "nan"], "max_grad_norm nan"),
        (["--token_weight_decay", "-1"], "token_weight_decay -1"),
        (["--seed", "99999999999"], "seed 99999999999; expected at most"),
        (["--conditions", "19"], "conditions 19; expected at least 20"),
        (["--held_out_share", "0.9"], "0.9 of the networks held out"),
        (["--tokenised", "launch"], "it holds '"),
        (["--trajectories", "launch"], "expected a folder of corpora/simulate.py"),
    ],
)
def test_bad_options_end_in_one_sentence(tmp_path, refused, arguments, message):
    code, words = refused("--output_dir", tmp_path / "out", *arguments)
    assert code == 2
    assert message in words
    assert len(words.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_auto_resumes_where_there_is_something_to_resume(whole, tmp_path):
    own = frozenset((OPTIONS_FILE,))
    assert find_checkpoint("auto", tmp_path / "new", own) is None
    assert find_checkpoint("auto", whole[0], own) == last_checkpoint(whole[0])
    begun = tmp_path / "begun"
    (begun / "checkpoint-2").mkdir(parents=True)
    with pytest.raises(OptionsError, match="not empty"):
        find_checkpoint("auto", begun, own)  # nothing there is known to be a run's
    (begun / OPTIONS_FILE).write_text("{}")
    assert find_checkpoint("auto", begun, own) is None
    (begun / "model.safetensors").write_text("a result")
    with pytest.raises(OptionsError, match="not empty"):
        find_checkpoint("auto", begun, own)


def test_a_damaged_checkpoint_is_not_taken_for_complete(whole, tmp_path):
    source = last_checkpoint(whole[0])
    for name in (
        "config.json",
        "model.safetensors",
        "optimizer.pt",
        "rng_state.pth",
        COMPLETE_FILE,
    ):
        damaged = tmp_path / name / source.name
        shutil.copytree(source, damaged)
        assert last_checkpoint(damaged.parent) == damaged
        (damaged / name).unlink()
        assert last_checkpoint(damaged.parent) is None
        for content in (b"half", b"[]", b'{"files": []}', b'{"files": {}}'):
            (damaged / name).write_bytes(content)
            assert last_checkpoint(damaged.parent) is None
    shutil.copytree(source, tmp_path / "named" / "checkpoint-best")
    assert last_checkpoint(tmp_path / "named") is None


@pytest.mark.parametrize("below", ["", "folder"])
def test_a_file_is_no_output_folder(tmp_path, refused, below):
    (tmp_path / "file").write_text("mine")
    code, words = refused("--output_dir", tmp_path / "file" / below)
    assert code == 2
    assert "expected a folder" in words
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_with_other_files_is_left_alone(tmp_path, refused):
    (tmp_path / "precious.txt").write_text("mine")
    code, words = refused("--output_dir", tmp_path)
    assert code == 2
    assert "not empty" in words
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


def test_config_files(tmp_path, refused):
    config = tmp_path / "config.yaml"
    config.write_text("sise: tiny\n")
    code, words = refused("--config", config, "--output_dir", tmp_path / "out")
    assert code == 2
    assert "sise" in words
    config.write_text("steps: many\n")
    assert "many" in refused("--config", config, "--output_dir", tmp_path / "out")[1]
    config.write_text("resume_from_checkpoint: null\n")
    options = parse_options(PretrainingOptions, ["--config", str(config)], None)
    assert options.resume_from_checkpoint is None


def test_shipped_configs_are_valid():
    for path in sorted((ROOT / "pretrain/configs").glob("*.yaml")):
        options = parse_options(PretrainingOptions, ["--config", str(path), "--steps", "7"], None)
        options.check()
        assert options.steps == 7


def test_help_reads_well():
    done = run("--help")
    assert done.returncode == 0
    assert "accelerate launch pretrain/run.py" in done.stdout
    assert "--trajectory_networks" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["masked_molecule", "next_state"])
def test_each_objective_alone(tmp_path, objective):
    other = {"masked_molecule": "next_state", "next_state": "masked_molecule"}[objective]
    done = run(
        *SMALL, "--steps", "2", f"--{other}", "false", "--response_steps", "0",
        "--output_dir", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert objective in metrics
    assert other not in metrics
