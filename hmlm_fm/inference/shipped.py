"""Checkpoints that ship with the package, by name."""

from __future__ import annotations

import re
from pathlib import Path

CHECKPOINTS = Path(__file__).parent.parent / "checkpoints"
SHIPPED = ("hmlm-small",)


def checkpoint_path(name_or_path: str) -> str:
    """The folder of a shipped checkpoint; another folder, or a name on a hub, is itself.

    Raises:
        FileNotFoundError: it is none of these.
    """
    if name_or_path in SHIPPED:
        return str(CHECKPOINTS / name_or_path)
    # A name on a hub says whose it is; a path that is not there would be looked for on the hub.
    if not Path(name_or_path).is_dir() and not re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name_or_path):
        raise FileNotFoundError(
            f"checkpoint {name_or_path}: there is no such folder; expected one, "
            f"{' or '.join(SHIPPED)}, or OWNER/NAME on a hub"
        )
    return name_or_path
