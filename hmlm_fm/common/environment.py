"""Versions and hardware that figures were measured with."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import accelerate
import torch
import transformers

from .._version import __version__


def versions() -> dict[str, str]:
    """Of the package, of what it computes with, and of Python."""
    return {
        "hmlm_fm": __version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "accelerate": accelerate.__version__,
        "python": platform.python_version(),
    }


def git_revision() -> str | None:
    """The commit of the package's own checkout, or None where there is none."""
    if shutil.which("git") is None:
        return None
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None


def processor() -> str:
    """The name of the processor, as far as the system states it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor()


def environment() -> dict[str, str | int]:
    """Versions, the kind of machine, and how many threads a computation takes."""
    return {**versions(), "machine": platform.machine(), "threads": torch.get_num_threads()}
