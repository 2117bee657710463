"""Options of a pretraining run, and the arguments of the Trainer that follow from them."""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

from transformers import TrainingArguments

from ..common.environment import git_revision
from ..common.errors import OptionsError
from ..common.launching import device_settings
from ..common.words import by_comma, not_installed
from ..corpora.corpus_loading import HELD_OUT_SHARE
from ..dynamics.trajectories import FEWEST_CONDITIONS
from ..model.configuration_hmlm import PARTS, SIZES

LARGEST_SEED = 2**31 - 1
TRACKERS = ("wandb", "trackio", "tensorboard")
# Options that a resumed run must have unchanged.
SETTINGS_OF_A_RUN = (
    "corpus",
    "size",
    "seed",
    "steps",
    "batch_size",
    "learning_rate",
    "token_rate_factor",
    "token_weight_decay",
    "warmup_steps",
    "weight_decay",
    "max_grad_norm",
    "bf16",
    "attn_implementation",
    "gradient_checkpointing",
    "masked_molecule",
    "next_state",
    "language_networks",
    "trajectory_networks",
    "trajectories",
    "conditions",
    "held_out_networks",
    "held_out_share",
    "inference_rounds",
    "disabled_parts",
    "response_steps",
    "worlds",
    "drawn_worlds",
    "measured",
    "measured_steps",
)


@dataclass
class PretrainingOptions:
    """Options of a pretraining run; a YAML file may hold any of them."""

    corpus: str = field(default="core", metadata={"help": "name or path of the corpus"})
    output_dir: str = field(
        default="outputs/pretrain-core-tiny",
        metadata={"help": "folder for the result; empty or new"},
    )
    size: str = field(default="tiny", metadata={"help": f"one of {', '.join(SIZES)}"})
    masked_molecule: bool = field(
        default=True, metadata={"help": "whether the masked-molecule objective is trained"}
    )
    next_state: bool = field(
        default=True, metadata={"help": "whether the next-state objective is trained"}
    )
    steps: int = field(default=200, metadata={"help": "optimizer steps"})
    batch_size: int = field(
        default=6,
        metadata={"help": "networks of the next-state objective per step, on all processes"},
    )
    language_networks: int = field(
        default=8, metadata={"help": "masked networks, of average size, per network of next states"}
    )
    learning_rate: float = field(default=2e-3, metadata={"help": "peak learning rate of AdamW"})
    token_rate_factor: float = field(
        default=20.0, metadata={"help": "times the learning rate for the token table"}
    )
    token_weight_decay: float = field(
        default=0.5, metadata={"help": "decoupled, of the token table; 0 switches it off"}
    )
    warmup_steps: int = field(default=30, metadata={"help": "steps until the peak"})
    weight_decay: float = field(default=0.01, metadata={"help": "decoupled; 0 switches it off"})
    max_grad_norm: float = field(default=1.0, metadata={"help": "gradient clipping by norm"})
    trajectory_networks: int = field(
        default=256, metadata={"help": "drawn networks to simulate for the next-state objective"}
    )
    trajectories: str = field(
        default="",
        metadata={"help": "folder of corpora/simulate.py to take them from; empty to simulate"},
    )
    conditions: int = field(
        default=24,
        metadata={"help": f"simulated conditions per drawn network; at least {FEWEST_CONDITIONS}"},
    )
    held_out_networks: int = field(
        default=24, metadata={"help": "drawn networks of held-out pathways to evaluate on"}
    )
    held_out_share: float = field(
        default=HELD_OUT_SHARE, metadata={"help": "share of pathways held out"}
    )
    inference_rounds: int = field(
        default=8, metadata={"help": "how often the model infers gates and states in turn"}
    )
    response_steps: int = field(
        default=300, metadata={"help": "of the head for measured sets, on worlds; 0 for no head"}
    )
    worlds: str = field(
        default="",
        metadata={"help": "folders of `hmlm corpus worlds`, by comma; empty to draw them"},
    )
    drawn_worlds: int = field(
        default=300, metadata={"help": "worlds to draw, where none are given"}
    )
    measured: str = field(
        default="",
        metadata={"help": "measured sets or corpora of them, by comma, that the head goes on with"},
    )
    measured_steps: int = field(default=800, metadata={"help": "on these, mixed with worlds"})
    seed: int = field(default=0, metadata={"help": "of all random draws"})
    logging_steps: int = field(default=10, metadata={"help": "steps between lines of the log"})
    save_steps: int = field(default=50, metadata={"help": "steps between checkpoints"})
    resume_from_checkpoint: str | None = field(
        default=None,
        metadata={
            "nargs": "?",
            "const": "true",
            "help": "a checkpoint folder; without one, the last in output_dir; auto: the last "
            "where there is one",
        },
    )
    attn_implementation: str = field(default="sdpa", metadata={"help": "eager, sdpa or sparse"})
    gradient_checkpointing: bool = field(
        default=False, metadata={"help": "recompute activations to save memory"}
    )
    disabled_parts: str = field(
        default="", metadata={"help": f"parts to train without, by comma: {', '.join(PARTS)}"}
    )
    ablations: bool = field(
        default=False, metadata={"help": "after training, evaluate with each part switched off"}
    )
    report_to: str = field(
        default="none", metadata={"help": "wandb, trackio, tensorboard; nothing by default"}
    )
    bf16: bool = field(default=False, metadata={"help": "mixed precision, where the device has it"})
    loaders: int = field(
        default=0,
        metadata={"help": "processes that draw examples ahead, for each that trains; 0 for none"},
    )
    tokenised: str = field(
        default="",
        metadata={"help": "folder of the tokenised corpus, kept; empty for one in output_dir"},
    )

    def check(self) -> None:
        """Raise `OptionsError` where a value is not valid."""
        if self.size not in SIZES:
            raise OptionsError(f"size {self.size!r}; expected one of {', '.join(SIZES)}")
        if not self.masked_molecule and not self.next_state:
            raise OptionsError("both objectives are switched off; expected at least one")
        lowest = dict.fromkeys(
            ("steps", "batch_size", "save_steps", "logging_steps", "trajectory_networks"), 1
        ) | {
            "held_out_networks": 2,
            "inference_rounds": 1,
            "seed": 0,
            "language_networks": 1,
            "warmup_steps": 0,
            "loaders": 0,
            "response_steps": 0,
            "drawn_worlds": 1,
            "measured_steps": 1,
            "conditions": FEWEST_CONDITIONS,
        }
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise OptionsError(f"{name} {getattr(self, name)}; expected at least {least}")
        if self.save_steps % self.logging_steps:
            raise OptionsError(
                f"save_steps {self.save_steps}; expected a multiple of logging_steps "
                f"{self.logging_steps}, so that no mean in the log is cut by a checkpoint"
            )
        if self.seed > LARGEST_SEED:
            raise OptionsError(f"seed {self.seed}; expected at most {LARGEST_SEED}")
        for name in ("learning_rate", "token_rate_factor", "max_grad_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise OptionsError(f"{name} {getattr(self, name)}; expected a positive number")
        for name in ("weight_decay", "token_weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise OptionsError(f"{name} {getattr(self, name)}; expected a number of at least 0")
        for tracker in self.trackers:
            if tracker not in TRACKERS:
                raise OptionsError(
                    f"report_to {tracker!r}; expected none or some of {', '.join(TRACKERS)}"
                )
            if find_spec(tracker) is None:
                raise OptionsError(f"report_to: {not_installed(tracker, 'tracking')}")
        if self.attn_implementation not in ("eager", "sdpa", "sparse"):
            raise OptionsError(
                f"attn_implementation {self.attn_implementation!r}; expected eager, sdpa or sparse"
            )
        if (self.measured or self.worlds) and not self.response_steps:
            raise OptionsError(
                "worlds or measured sets are given with response_steps 0; expected steps of the "
                "head"
            )
        unknown = [part for part in self.parts_off if part not in PARTS]
        if unknown:
            raise OptionsError(
                f"disabled_parts names {', '.join(unknown)}; expected some of {', '.join(PARTS)}"
            )

    @property
    def parts_off(self) -> list[str]:
        """`PARTS` that are switched off."""
        return by_comma(self.disabled_parts)

    @property
    def trackers(self) -> list[str]:
        """Names of the trackers that the run reports to."""
        return [] if self.report_to == "none" else self.report_to.split(",")


@dataclass
class RunArguments(TrainingArguments):
    """The Trainer's arguments, and what trackers record of a run beside them."""

    run_options: str = field(default="", metadata={"help": "of the script, as JSON"})
    git_revision: str | None = field(default=None, metadata={"help": "of the package"})


def training_arguments(options: PretrainingOptions) -> RunArguments:
    """The arguments of transformers' Trainer on this process."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    arguments = RunArguments(
        output_dir=options.output_dir,
        max_steps=options.steps,
        per_device_train_batch_size=max(1, options.batch_size // processes),
        learning_rate=options.learning_rate,
        warmup_steps=options.warmup_steps,
        weight_decay=options.weight_decay,
        max_grad_norm=options.max_grad_norm,
        lr_scheduler_type="cosine",
        logging_steps=options.logging_steps,
        save_steps=options.save_steps,
        save_total_limit=2,
        seed=options.seed,
        bf16=options.bf16,
        report_to=options.trackers,
        run_name=Path(options.output_dir).name,
        project="hmlm",
        remove_unused_columns=False,
        dataloader_num_workers=options.loaders,
        disable_tqdm=not sys.stderr.isatty(),
        ddp_find_unused_parameters=False,
        run_options=json.dumps(asdict(options)),
        git_revision=git_revision(),
        **device_settings(),
    )
    # Without this, trackio would upload the log of this machine to a Space at the end.
    arguments.trackio_static_space_id = False
    return arguments
