"""Versions and hardware that figures were measured with."""

from __future__ import annotations

import platform

import accelerate
import torch
import transformers

from ._version import __version__


def versions() -> dict[str, str]:
    """Of the package, of what it computes with, and of Python."""
    return {
        "hmlm_fm": __version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "accelerate": accelerate.__version__,
        "python": platform.python_version(),
    }


def environment() -> dict[str, str | int]:
    """Versions, the kind of machine, and how many threads a computation takes."""
    return {**versions(), "machine": platform.machine(), "threads": torch.get_num_threads()}
