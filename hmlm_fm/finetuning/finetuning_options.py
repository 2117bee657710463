"""Options of a fine-tuning run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from ..common.errors import OptionsError
from ..common.files import check_folder
from ..common.words import by_comma
from ..measurements.simulated import TRACKS
from .gate_fit import GATE_PARTS

GATES, ALL = "gates", "all"


@dataclass
class FinetuningOptions:
    """Options of a fine-tuning run; a YAML file may hold any of them."""

    checkpoint: str = field(
        default="hmlm-small",
        metadata={"help": "hmlm-small, a folder, a name on a hub; none to start from scratch"},
    )
    network: str = field(
        default="",
        metadata={
            "help": "a file, or a shipped network's name; that of the measured set, or "
            "cardiac-fibroblast, where empty"
        },
    )
    pathway: str | None = field(
        default=None, metadata={"help": "the network to take of a file that holds several"}
    )
    observations: str = field(
        default="",
        metadata={"help": "table of measured values; empty where conditions holds them too"},
    )
    conditions: str = field(
        default="",
        metadata={
            "help": "a measured set, a table of conditions, or a MIDAS table; empty to simulate"
        },
    )
    readouts: str = field(
        default="", metadata={"help": "table of what readouts measure, where names do not say it"}
    )
    targets: str = field(
        default="", metadata={"help": "table of what drugs act on, beside the package's own"}
    )
    budget: str = field(
        default="16x4", metadata={"help": "conditions x times, where they are simulated"}
    )
    track: str = field(
        default="signs", metadata={"help": "signs, or logic to use the AND groups too"}
    )
    output_dir: str = field(
        default="outputs/finetune", metadata={"help": "folder for the result; empty or new"}
    )
    tunable: str = field(
        default="gates",
        metadata={
            "help": "gates of the tissue; all: the weights that infer them first; or some parts of "
            f"gates by comma, the others as they are inferred: {', '.join(GATE_PARTS)}"
        },
    )
    members: int = field(
        default=0, metadata={"help": "fits to average; 0 for 8, or fewer where conditions are many"}
    )
    steps: int = field(
        default=0,
        metadata={"help": "at most, of every fit; 0 for 400, or more where conditions are many"},
    )
    hold: float = field(
        default=-1.0,
        metadata={
            "help": "how strongly gates are held at the start; below 0 for 0.001, or less where "
            "conditions are many"
        },
    )
    discrepancy: bool = field(
        default=True,
        metadata={
            "help": "whether what gates leave unexplained is added, where that is worthwhile"
        },
    )
    seed: int = field(default=0, metadata={"help": "of all random draws"})

    def check(self) -> None:
        """Raise `OptionsError` where a value is not valid."""
        if self.track not in TRACKS:
            raise OptionsError(f"track {self.track!r}; expected one of {', '.join(TRACKS)}")
        parts = self.tunable_parts
        if not parts or not set(parts) <= set(GATE_PARTS):
            raise OptionsError(
                f"tunable {self.tunable!r}; expected {GATES}, {ALL}, or by comma some of "
                f"{', '.join(GATE_PARTS)}"
            )
        if self.adapts and self.checkpoint == "none":
            raise OptionsError("tunable all without a checkpoint; expected one to adapt")
        if (self.readouts or self.targets) and not self.conditions:
            raise OptionsError("readouts or targets without conditions; expected measurements")
        if self.observations and not self.conditions:
            raise OptionsError("observations without conditions; expected both tables")
        for name, least in (("members", 0), ("steps", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise OptionsError(f"{name} {getattr(self, name)}; expected at least {least}")
        if not math.isfinite(self.hold):
            raise OptionsError(f"hold {self.hold}; expected a number")
        check_folder(Path(self.output_dir))

    @property
    def adapts(self) -> bool:
        """Whether the weights that infer gates are adapted first."""
        return self.tunable == ALL

    @property
    def tunable_parts(self) -> list[str]:
        """The parts of gates that are fitted."""
        if self.tunable in (GATES, ALL):
            return list(GATE_PARTS)
        return by_comma(self.tunable)
