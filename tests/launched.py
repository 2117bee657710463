"""Runs of the scripts under `accelerate launch`, for tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SMALL_PRETRAINING = (
    "--steps 6 --batch_size 2 --language_networks 2 --trajectory_networks 4 --held_out_networks 3 "
    "--response_steps 0 --inference_rounds 1 "
    "--save_steps 2 --logging_steps 1 --warmup_steps 1"
).split()


def launch_line(config: str, *rest: object) -> list[str]:
    """The command line of a launch, on a port of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = [sys.executable, "-m", "accelerate.commands.launch"]
    where = ["--config_file", f"launch/{config}.yaml", "--main_process_port", str(port)]
    return [*launcher, *where, *map(str, rest)]


def environment() -> dict[str, str]:
    """One thread for each process, and none of what a launcher above left."""
    mine = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"}
    kept = {k: v for k, v in os.environ.items() if k not in mine and "ACCELERATE" not in k}
    return kept | {"OMP_NUM_THREADS": "1"}


def launch(config: str, *rest: object) -> subprocess.CompletedProcess[str]:
    """A launch from start to end."""
    return run(launch_line(config, *rest))


def run(line: list[str]) -> subprocess.CompletedProcess[str]:
    """A command from the root of the repository."""
    return subprocess.run(
        line,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1500,
        env=environment(),
        check=False,
    )
