"""Both scripts on two CPU processes: they train alike, stop, resume and write folders that load."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from launched import ROOT, SMALL_PRETRAINING, environment, launch, launch_line, run

from hmlm_fm import HMLMForSignaling
from hmlm_fm.inference.pipeline import SignalingPipeline
from hmlm_fm.pretraining.resuming import COMPLETE_FILE, last_checkpoint

pytestmark = pytest.mark.slow
PRETRAIN, FINETUNE = "pretrain/run.py", "finetune/run.py"
# Of losses (relative) and weights, summed in another order: Adam divides by the size of a gradient,
# so that rounding a tiny one moves its weight by a part of the rate, 0.04 for the token table. How
# large a part differs between machines; a gradient that is wrong moves it by the whole.
ROUNDED = (2e-5, 1e-3)
TUNING = "--members 3 --steps 10".split()


def pretrain(config, folder, *more):
    done = launch(config, PRETRAIN, *SMALL_PRETRAINING, "--output_dir", folder, *more)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def losses(folder: Path) -> np.ndarray:
    log = json.loads((folder / "training_info.json").read_text())["log"]
    return np.array([entry["loss"] for entry in log if "loss" in entry])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return HMLMForSignaling.from_pretrained(folder).state_dict()


def assert_same(found: Path, expected: Path, of_losses: float, of_weights: float) -> None:
    np.testing.assert_allclose(losses(found), losses(expected), rtol=of_losses)
    there = weights(expected)
    for name, value in weights(found).items():
        assert (value - there[name]).abs().max() <= of_weights, name


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """An uninterrupted run on one process."""
    folder = tmp_path_factory.mktemp("one") / "run"
    pretrain("single_cpu", folder)
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """An uninterrupted run on two processes."""
    folder = tmp_path_factory.mktemp("two") / "run"
    pretrain("multi_cpu", folder)
    return folder


def test_two_processes_pretrain_as_one_does(one, two):
    assert len(losses(one)) == 6
    assert_same(two, one, *ROUNDED)


@pytest.mark.parametrize("config", ["zero2", "zero3"])
def test_zero_pretrains_as_one_process_does_and_leaves_folders_that_load(config, one, tmp_path):
    pytest.importorskip("deepspeed")
    output = pretrain(config, tmp_path / "run")
    assert "world size: 2, distributed type: DEEPSPEED" in output
    assert "wrapper: DeepSpeedEngine" in output
    assert_same(tmp_path / "run", one, *ROUNDED)
    checkpoint = last_checkpoint(tmp_path / "run")
    assert checkpoint is not None
    there = weights(tmp_path / "run")
    for name, value in weights(checkpoint).items():
        assert torch.equal(value, there[name]), name
    # It resumes from its own checkpoints, here from step 4, with the same result.
    again = tmp_path / "again"
    pretrain(config, again, "--resume_from_checkpoint", tmp_path / "run" / "checkpoint-4")
    assert_same(again, tmp_path / "run", 1e-6, 1e-6)
    # Another launch would share the optimizer out in another way.
    other = ["--output_dir", tmp_path / "other", "--resume_from_checkpoint", checkpoint]
    done = launch("single_cpu", PRETRAIN, *SMALL_PRETRAINING, *other)
    assert done.returncode != 0
    assert "expected the same, since the optimizer's state lies in parts" in done.stderr


@pytest.mark.nightly
def test_zero3_offloaded_to_the_cpu(one, tmp_path):
    pytest.importorskip("deepspeed")
    pretrain("zero3_offload", tmp_path / "run")
    # DeepSpeed's AdamW for the CPU rounds in another order.
    np.testing.assert_allclose(losses(tmp_path / "run"), losses(one), atol=1e-3)


def test_a_run_is_resumed_with_more_or_fewer_processes(one, two, tmp_path):
    for start, config in ((one, "multi_cpu"), (two, "single_cpu")):
        again = tmp_path / config
        pretrain(config, again, "--resume_from_checkpoint", start / "checkpoint-4")
        assert_same(again, one, *ROUNDED)


def kill_one_process(folder: Path, checkpoint: str) -> None:
    """Start a run on two processes, and kill -9 the second of them after a checkpoint."""
    process = subprocess.Popen(
        launch_line("multi_cpu", PRETRAIN, *SMALL_PRETRAINING, "--output_dir", folder),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    deadline = time.monotonic() + 600
    while not (folder / checkpoint / COMPLETE_FILE).exists():
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    ranks = [
        child
        for child in psutil.Process(process.pid).children()
        if child.environ().get("RANK") == "1"
    ]
    os.kill(ranks[0].pid, signal.SIGKILL)
    assert process.wait(timeout=300) != 0


def test_killing_one_of_two_processes_loses_nothing(two, tmp_path):
    folder = tmp_path / "run"
    kill_one_process(folder, "checkpoint-2")
    # What the killed run was writing never counts as complete, and does not prevent resuming.
    half = folder / "checkpoint-5"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    pretrain("multi_cpu", folder, "--resume_from_checkpoint")
    assert not half.exists()
    assert_same(folder, two, 1e-6, 1e-6)


@pytest.fixture(scope="module")
def tuned_by_one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned") / "one"
    done = run(launch_line("single_cpu", FINETUNE, *TUNING, "--output_dir", folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ("multi_cpu", "MULTI_CPU"),
        ("zero2", "DEEPSPEED"),
        pytest.param("zero3", "DEEPSPEED", marks=pytest.mark.nightly),
    ],
)
def test_fine_tuning_on_two_processes_gives_what_one_gives(config, kind, tuned_by_one, tmp_path):
    if kind == "DEEPSPEED":
        pytest.importorskip("deepspeed")
    done = launch(config, FINETUNE, *TUNING, "--output_dir", tmp_path / "two")
    assert done.returncode == 0, done.stderr
    assert f"world size: 2, distributed type: {kind}" in done.stdout
    assert "wrapper: none, 3 members are fitted separately" in done.stdout
    found, expected = (
        json.loads((folder / "metrics.json").read_text())
        for folder in (tmp_path / "two", tuned_by_one)
    )
    assert found["steps"] == expected["steps"]
    assert found["held_out_mse"] == pytest.approx(expected["held_out_mse"], abs=1e-6)
    for split in ("pairs", "triples", "knockouts"):
        assert found["held_out"][split]["mse"] == pytest.approx(
            expected["held_out"][split]["mse"], abs=1e-6
        )
    SignalingPipeline.from_pretrained(tmp_path / "two")


def test_the_smoke_run(tmp_path):
    done = run(["bash", "launch/cpu_smoke.sh", str(tmp_path / "out")])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "tuned" / "README.md").exists()
