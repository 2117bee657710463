"""Pretraining from end to end: corpus, trajectories, training, evaluation, a folder that loads.

`pretrain/run.py` is the command line of this module.
"""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from tqdm.auto import tqdm
from transformers import PrinterCallback, ProgressCallback, TrainingArguments, set_seed

from .configuration_hmlm import PARTS, SIZES, HMLMConfig
from .corpora.loading import HELD_OUT_SHARE, load_for_training
from .dynamics.trajectories import Trajectories, draw_topology, make_many
from .environment import versions
from .evaluation import (
    evaluate_ablations,
    evaluate_masked_molecules,
    evaluate_modalities,
    evaluate_next_state,
    predict_held_out,
)
from .formats.errors import FormatError
from .formats.files import write_text
from .model_card import write_model_card
from .modeling_hmlm import HMLMForSignaling
from .network import NetworkError, SignalingNetwork
from .objectives import PretrainingExamples
from .options import OptionsError
from .plotting import plot_losses, plot_trajectories
from .tokenization_hmlm import HMLMTokenizer
from .trainer import PretrainingTrainer, Progress

# Seeds of held-out trajectories start here, far from those of training.
HELD_OUT_SEED = 10**6
LARGEST_SEED = 2**31 - 1
# Resuming with another value of one of these would be another run.
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
    "disabled_parts",
)
OPTIONS_FILE = "pretraining_options.json"
TRACKERS = ("wandb", "trackio", "tensorboard")


@dataclass
class PretrainingOptions:
    """Everything that a pretraining run can be told; a YAML file may hold any of it."""

    corpus: str = field(default="core", metadata={"help": "name or path of the corpus"})
    output_dir: str = field(
        default="outputs/pretrain-core-tiny",
        metadata={"help": "folder for the result; empty or new"},
    )
    size: str = field(default="tiny", metadata={"help": f"one of {', '.join(SIZES)}"})
    masked_molecule: bool = field(
        default=True, metadata={"help": "train the masked-molecule objective"}
    )
    next_state: bool = field(default=True, metadata={"help": "train the next-state objective"})
    steps: int = field(default=150, metadata={"help": "optimizer steps"})
    batch_size: int = field(
        default=6, metadata={"help": "networks of the next-state objective per step and process"}
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
        default=24, metadata={"help": "simulated conditions per drawn network; at least 20"}
    )
    held_out_networks: int = field(
        default=24, metadata={"help": "drawn networks of held-out pathways to evaluate on"}
    )
    held_out_share: float = field(
        default=HELD_OUT_SHARE, metadata={"help": "share of pathways held out"}
    )
    seed: int = field(default=0, metadata={"help": "of everything that is drawn"})
    logging_steps: int = field(default=10, metadata={"help": "steps between lines of the log"})
    save_steps: int = field(default=50, metadata={"help": "steps between checkpoints"})
    resume_from_checkpoint: str | None = field(
        default=None,
        metadata={
            "nargs": "?",
            "const": "true",
            "help": "a checkpoint folder; without one, the last in output_dir",
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
        default=False, metadata={"help": "after training, evaluate with each part taken out"}
    )
    report_to: str = field(
        default="none", metadata={"help": "wandb, trackio, tensorboard; nothing by default"}
    )
    bf16: bool = field(default=False, metadata={"help": "mixed precision, where the device has it"})

    def check(self) -> None:
        """Raise `OptionsError` where a value makes no sense."""
        if self.size not in SIZES:
            raise OptionsError(f"size {self.size!r}; expected one of {', '.join(SIZES)}")
        if not self.masked_molecule and not self.next_state:
            raise OptionsError("both objectives are switched off; expected at least one")
        if self.conditions < 20:
            raise OptionsError(f"conditions {self.conditions}; expected at least 20")
        lowest = dict.fromkeys(
            ("steps", "batch_size", "save_steps", "logging_steps", "trajectory_networks"), 1
        ) | {"held_out_networks": 2, "seed": 0, "language_networks": 1, "warmup_steps": 0}
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise OptionsError(f"{name} {getattr(self, name)}; expected at least {least}")
        if self.seed > LARGEST_SEED:
            raise OptionsError(f"seed {self.seed}; expected at most {LARGEST_SEED}")
        for name in ("learning_rate", "token_rate_factor", "max_grad_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise OptionsError(f"{name} {getattr(self, name)}; expected a positive number")
        for name in ("weight_decay", "token_weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise OptionsError(f"{name} {getattr(self, name)}; expected a number of at least 0")
        if not 0.05 <= self.held_out_share <= 0.5:
            raise OptionsError(
                f"held_out_share {self.held_out_share}; expected a number from 0.05 to 0.5"
            )
        for tracker in self.trackers:
            if tracker not in TRACKERS:
                raise OptionsError(
                    f"report_to {tracker!r}; expected none or some of {', '.join(TRACKERS)}"
                )
            if find_spec(tracker) is None:
                raise OptionsError(
                    f"report_to {tracker!r}: it is not installed; pip install 'hmlm-fm[tracking]'"
                )
        if self.attn_implementation not in ("eager", "sdpa", "sparse"):
            raise OptionsError(
                f"attn_implementation {self.attn_implementation!r}; expected eager, sdpa or sparse"
            )
        unknown = [part for part in self.parts_off if part not in PARTS]
        if unknown:
            raise OptionsError(
                f"disabled_parts names {', '.join(unknown)}; expected some of {', '.join(PARTS)}"
            )

    @property
    def parts_off(self) -> list[str]:
        return [part.strip() for part in self.disabled_parts.split(",") if part.strip()]

    @property
    def trackers(self) -> list[str]:
        return [] if self.report_to == "none" else self.report_to.split(",")


def run_pretraining(options: PretrainingOptions) -> dict[str, Any]:
    """Pretrain as `options` say; returns what `metrics.json` holds.

    Raises:
        OptionsError: options that make no sense, or an output folder that is not empty.
        FormatError, NetworkError: a corpus that cannot be read.
    """
    started = time.perf_counter()
    options.check()
    output_dir = Path(options.output_dir)
    checkpoint = _find_checkpoint(options, output_dir)
    try:
        networks, sides = load_for_training(options.corpus, options.seed, options.held_out_share)
        training, held_out = sides["train"], sides["test"]
        if options.next_state:
            for side in (training, held_out):
                draw_topology(side, np.random.default_rng(options.seed))
    except (FormatError, NetworkError):  # which say themselves what is wrong with which file
        raise
    except ValueError as error:
        raise OptionsError(f"{options.corpus}: {error}") from None
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionsError(
            f"{output_dir}: it cannot be made ({error.strerror}); expected a folder to write into"
        ) from None

    set_seed(options.seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Determinism does not need fresh memory to be filled, and the many small tensors of a roll-out
    # would spend a tenth of the step on it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    tokenizer = HMLMTokenizer()
    config = HMLMConfig.of_size(
        options.size,
        vocab_size=tokenizer.vocab_size,
        vocabulary_version=tokenizer.vocabulary.version,
        disabled_parts=options.parts_off,
    )
    model = HMLMForSignaling(config)
    model.set_attn_implementation(options.attn_implementation)
    if options.gradient_checkpointing:
        model.gradient_checkpointing_enable()
    arguments = _training_arguments(options)
    if arguments.process_index == 0:
        print(_setting(options, model, arguments, training, held_out), flush=True)
    trajectories = (
        _simulated("training", training, options.trajectory_networks, 0, options, arguments)
        if options.next_state
        else []
    )
    examples = PretrainingExamples(
        training,
        trajectories,
        tokenizer,
        length=options.steps * options.batch_size * arguments.world_size,
        seed=options.seed,
        batch_size=options.batch_size,
        language_networks=options.language_networks if options.masked_molecule else 0,
        next_state=options.next_state,
    )
    progress = Progress()
    trainer = PretrainingTrainer(
        token_rate_factor=options.token_rate_factor,
        token_weight_decay=options.token_weight_decay,
        model=model,
        args=arguments,
        train_dataset=examples,
        data_collator=examples.collate,
        callbacks=[progress],
    )
    progress.trainer = trainer
    for talkative in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(talkative)
    if checkpoint is None:
        write_text(output_dir / OPTIONS_FILE, json.dumps(asdict(options), indent=2))
    trainer.train(resume_from_checkpoint=checkpoint)
    if not trainer.is_world_process_zero():
        return {}

    model = trainer.accelerator.unwrap_model(trainer.model)
    metrics: dict[str, Any] = {}
    unseen: list[Trajectories] = []
    if options.masked_molecule:
        metrics["masked_molecule"] = evaluate_masked_molecules(model, tokenizer, training, held_out)
    if options.next_state:
        unseen = _simulated(
            "held-out", held_out, options.held_out_networks, HELD_OUT_SEED, options, arguments
        )
        untrained = HMLMForSignaling(config).to(model.device)
        metrics["next_state"] = evaluate_next_state(
            model, tokenizer, trajectories, unseen, untrained
        )
        metrics["modalities"] = evaluate_modalities(model, tokenizer, unseen)
    if options.ablations:
        metrics["ablations"] = evaluate_ablations(model, tokenizer, training, held_out, unseen)
    metrics["throughput"] = {"molecules_per_second": progress.molecules_per_second}
    metrics["seconds"] = time.perf_counter() - started
    _write_result(output_dir, options, trainer, model, tokenizer, metrics, networks, unseen)
    print(json.dumps(metrics, indent=2))
    print(f"the model is in {output_dir}; see {output_dir / 'README.md'}", flush=True)
    return metrics


def _find_checkpoint(options: PretrainingOptions, output_dir: Path) -> str | None:
    """The checkpoint to go on from, or None; refuses to write into somebody's folder."""
    if output_dir.exists() and not output_dir.is_dir():
        raise OptionsError(f"{output_dir}: it is a file; expected a folder, empty or new")
    asked = (options.resume_from_checkpoint or "false").lower()
    # A run that was stopped before its first checkpoint left nothing but its options.
    occupied = output_dir.exists() and any(p.name != OPTIONS_FILE for p in output_dir.iterdir())
    if asked == "false":
        if occupied:
            raise OptionsError(
                f"{output_dir}: the folder is not empty; expected a new one, "
                "or --resume_from_checkpoint to go on with what is there"
            )
        return None
    if asked == "true":
        last = last_checkpoint(output_dir)
        if last is None:
            raise OptionsError(f"{output_dir}: there is no complete checkpoint to go on from")
        checkpoint = last
    else:
        checkpoint = Path(options.resume_from_checkpoint or "")
        if not _is_complete(checkpoint):
            raise OptionsError(f"{checkpoint}: it is not a complete checkpoint of a run")
        if occupied and checkpoint.resolve().parent != output_dir.resolve():
            raise OptionsError(
                f"{output_dir}: the folder is not empty, and {checkpoint} does not lie in it; "
                "expected a new folder, or that of the run"
            )
    _check_same_run(options, checkpoint)
    return str(checkpoint)


def last_checkpoint(output_dir: Path) -> Path | None:
    """The last checkpoint of a run that was written to its end."""
    complete = [p for p in output_dir.glob("checkpoint-*") if _is_complete(p)]
    return max(complete, key=lambda p: int(p.name.rsplit("-", 1)[1]), default=None)


def _check_same_run(options: PretrainingOptions, checkpoint: Path) -> None:
    """Refuse to go on from a checkpoint of another model, or of a run with other settings."""
    found = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    for name, value in SIZES[options.size].items():
        if found.get(name) != value:
            raise OptionsError(
                f"{checkpoint}: its model has {name} {found.get(name)}; "
                f"size {options.size} has {value}"
            )
    path = checkpoint.parent / OPTIONS_FILE
    if not path.exists():
        return
    first = json.loads(path.read_text(encoding="utf-8"))
    for name in SETTINGS_OF_A_RUN:
        if first.get(name) != getattr(options, name):
            raise OptionsError(
                f"{checkpoint}: the run was started with {name} {first.get(name)!r}, "
                f"not {getattr(options, name)!r}; expected the same, or a new output_dir"
            )


def _is_complete(checkpoint: Path) -> bool:
    """Whether all of a checkpoint is there, and what says what it is can be read."""
    try:
        for name in ("trainer_state.json", "config.json"):
            json.loads((checkpoint / name).read_text(encoding="utf-8"))
        with safe_open(checkpoint / "model.safetensors", "pt"):
            pass
    except (OSError, ValueError, SafetensorError):
        return False
    return all((checkpoint / name).exists() for name in ("optimizer.pt", "scheduler.pt")) and any(
        checkpoint.glob("rng_state*.pth")
    )


def _training_arguments(options: PretrainingOptions) -> TrainingArguments:
    on_cpu = not torch.cuda.is_available()
    return TrainingArguments(
        output_dir=options.output_dir,
        max_steps=options.steps,
        per_device_train_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=options.warmup_steps,
        weight_decay=options.weight_decay,
        max_grad_norm=options.max_grad_norm,
        lr_scheduler_type="cosine",
        logging_steps=options.logging_steps,
        save_steps=options.save_steps,
        save_total_limit=2,
        seed=options.seed,
        use_cpu=on_cpu,
        bf16=options.bf16,
        report_to=options.trackers,
        run_name=Path(options.output_dir).name,
        remove_unused_columns=False,
        dataloader_num_workers=0,
        disable_tqdm=not sys.stderr.isatty(),
        # A batch without context leaves the condition axis unused.
        ddp_find_unused_parameters=True,
        ddp_backend="gloo" if on_cpu and int(os.environ.get("WORLD_SIZE", 1)) > 1 else None,
    )


def _setting(
    options: PretrainingOptions,
    model: HMLMForSignaling,
    arguments: TrainingArguments,
    training: Sequence[SignalingNetwork],
    held_out: Sequence[SignalingNetwork],
) -> str:
    parameters = sum(p.numel() for p in model.parameters())
    return (
        f"world size: {arguments.world_size}, {arguments.distributed_state.distributed_type}, "
        f"device {arguments.device}, "
        f"precision {'bf16' if options.bf16 else 'float32'}, "
        f"attention {options.attn_implementation}\n"
        f"HMLM {options.size}: {parameters / 1e6:.2f} million parameters; corpus {options.corpus}: "
        f"{len(training)} networks to train on, {len(held_out)} held out"
    )


def _simulated(
    side: str,
    networks: Sequence[SignalingNetwork],
    count: int,
    first_seed: int,
    options: PretrainingOptions,
    arguments: TrainingArguments,
) -> list[Trajectories]:
    """Trajectories of drawn networks, the same on every process."""
    if options.trajectories:
        from .corpora.trajectories import read_trajectories  # which needs pyarrow

        stored = "train" if side == "training" else "test"
        return read_trajectories(options.trajectories, stored, count)
    seeds = [first_seed + options.seed * count + i for i in range(count)]
    loud = arguments.process_index == 0
    bar = tqdm(
        total=count,
        desc=f"simulating {side} networks",
        unit="network",
        disable=not (loud and sys.stderr.isatty()),
    )
    started = time.perf_counter()
    processes = max(1, (os.cpu_count() or 1) // arguments.world_size)
    made = make_many(
        networks,
        seeds,
        options.conditions,
        min(processes, 8),
        progress=lambda done: bar.update(done - bar.n),
    )
    bar.close()
    if loud:
        seconds = time.perf_counter() - started
        print(f"simulated {count} {side} networks in {seconds:.0f} s", flush=True)
    return made


def _write_result(
    output_dir: Path,
    options: PretrainingOptions,
    trainer: PretrainingTrainer,
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    metrics: Mapping[str, Any],
    networks: Sequence[SignalingNetwork],
    unseen: Sequence[Trajectories],
) -> None:
    model.save_pretrained(output_dir)
    tokenizer.save_pretrained(output_dir)
    write_text(output_dir / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    info = {
        "options": asdict(options),
        "corpus": {
            "name": options.corpus,
            "networks": len(networks),
            "content_hashes": sorted(n.content_hash for n in networks),
        },
        "versions": versions(),
        "git_revision": _git_revision(),
        "hardware": {
            "device": str(trainer.args.device),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "world_size": trainer.args.world_size,
        },
        "log": trainer.state.log_history,
    }
    write_text(output_dir / "training_info.json", json.dumps(info, indent=2) + "\n")
    plot_losses(trainer.state.log_history, output_dir / "losses.png")
    if unseen:
        shown = unseen[:1]
        predictions = {
            context: predict_held_out(model, tokenizer, shown, context)[0] for context in (0, 16)
        }
        plot_trajectories(shown[0], predictions, output_dir / "trajectories.png")
    write_model_card(output_dir, options, metrics, len(networks))


def _git_revision() -> str | None:
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
