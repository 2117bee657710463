"""Trackers learn one name, all options and the revision of a run, and keep them on this machine."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys

import pytest
from launched import ROOT, environment

from hmlm_fm.common.environment import git_revision
from hmlm_fm.pretraining.pretraining_options import PretrainingOptions, training_arguments


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """A folder with what three trackers kept of one run of two steps."""
    for tracker in ("tensorboard", "trackio", "wandb"):
        pytest.importorskip(tracker)
    folder = tmp_path_factory.mktemp("tracked")
    quiet = {"WANDB_MODE": "offline", "WANDB_DIR": str(folder), "TRACKIO_DIR": f"{folder}/trackio"}
    flags = [
        "--steps",
        "2",
        "--report_to",
        "tensorboard,trackio,wandb",
        "--learning_rate",
        "0.00321",
    ]
    done = subprocess.run(
        [sys.executable, "tests/training_worker.py", "--output_dir", str(folder / "a-run"), *flags],
        cwd=ROOT,
        env=environment() | quiet | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_tensorboard(tracked):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (file,) = (tracked / "a-run").rglob("events.out.tfevents.*")
    events = EventAccumulator(str(file)).Reload()
    assert {"train/loss", "train/masked_loss", "train/real_tokens"} <= set(events.Tags()["scalars"])
    text = events.Tensors("args/text_summary")[0].tensor_proto.string_val[0].decode()
    logged = json.loads(text)
    assert logged["run_name"] == "a-run"
    assert logged["git_revision"] == git_revision()
    assert json.loads(logged["run_options"])["learning_rate"] == 0.00321


@pytest.mark.slow
def test_trackio(tracked):
    (file,) = (tracked / "trackio").glob("hmlm.db")
    connection = sqlite3.connect(file)
    ((name, config),) = connection.execute("SELECT run_name, config FROM configs").fetchall()
    logged = json.loads(config)
    assert name == logged["run_name"] == "a-run"
    assert logged["git_revision"] == git_revision()
    assert json.loads(logged["run_options"])["learning_rate"] == 0.00321
    assert connection.execute("SELECT COUNT(*) FROM metrics").fetchone()[0] >= 2


@pytest.mark.slow
def test_wandb_offline(tracked):
    (file,) = tracked.rglob("*.wandb")
    assert file.parent.name.startswith("offline-run")
    content = file.read_bytes()
    for expected in ("a-run", git_revision() or "", "run_options", "0.00321", "train/loss"):
        assert expected.encode() in content, expected


def test_nothing_is_reported_by_default(tmp_path):
    arguments = training_arguments(PretrainingOptions(output_dir=str(tmp_path / "run")))
    assert arguments.report_to == []
    assert arguments.push_to_hub is False
    # trackio would make a Space of what it kept here.
    assert arguments.trackio_static_space_id is False
    assert arguments.trackio_space_id is None
    assert os.path.basename(arguments.output_dir) == arguments.run_name == "run"
