"""Options of `hmlm responses`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..model.response_features import RESPONSE_PARTS


def _option(default: Any, help: str, metavar: str = "") -> Any:
    metadata = {"help": help, "metavar": metavar}
    if isinstance(default, list):
        return field(default_factory=list, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(kw_only=True)
class ResponseOptions:
    """Train a checkpoint's head for measured sets, on worlds and then on measured sets; other
    weights stay as they are. The same command goes on with a run that was stopped."""

    checkpoint: str = field(
        metadata={"help": "That gets the head, or goes on training it.", "metavar": "CHECKPOINT"}
    )
    out: Path = field(
        metadata={"help": "Folder for the checkpoint; new or empty.", "metavar": "FOLDER"}
    )
    worlds: list[Path] = _option([], "A folder of `hmlm corpus worlds`; repeatable.", "FOLDER")
    sets: list[Path] = _option(
        [], "Measured sets, files or corpora whose licence allows training; repeatable.", "SET"
    )
    steps: int = _option(4000, "On worlds.")
    set_steps: int = _option(800, "On measured sets, mixed with worlds.")
    size: int = _option(64, "Width of a new head.")
    layers: int = _option(4, "Blocks of a new head.")
    without: list[str] = _option(
        [], f"A part of a new head to train without, of {', '.join(RESPONSE_PARTS)}; repeatable.",
        "PART",
    )  # fmt: skip
    seed: int = _option(1, "Of everything drawn.")
    loaders: int = _option(0, "Processes that draw tasks ahead.")
    bf16: bool = _option(False, "Products of matrices in bfloat16: faster on GPUs.")
