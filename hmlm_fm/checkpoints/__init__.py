"""Checkpoints that ship with the package, by name."""

from __future__ import annotations

from pathlib import Path

SHIPPED = ("hmlm-small",)


def checkpoint_path(name_or_path: str) -> str:
    """The folder of a shipped checkpoint; anything else is a folder, or a name on a hub, itself."""
    if name_or_path in SHIPPED:
        return str(Path(__file__).parent / name_or_path)
    return name_or_path
