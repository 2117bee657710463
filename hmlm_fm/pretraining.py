"""Pretraining from end to end: corpus, trajectories, training, evaluation, a folder that loads.

`pretrain/run.py` is the command line of this module.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import DistributedType
from tqdm.auto import tqdm
from transformers import PrinterCallback, ProgressCallback, TrainingArguments, set_seed

from .configuration_hmlm import PARTS, SIZES, HMLMConfig
from .corpora.card import corpus_hash
from .corpora.loading import HELD_OUT_SHARE, load_for_training
from .corpora.tokenised import TokenisedCorpus, tokenise
from .dynamics.trajectories import Trajectories, draw_topology, make_many
from .environment import git_revision, processor, versions
from .evaluation import (
    evaluate_ablations,
    evaluate_masked_molecules,
    evaluate_modalities,
    evaluate_next_state,
    predict_held_out,
)
from .formats.errors import FormatError
from .formats.files import write_text
from .launching import check_launch, describe, device_settings, mixed_precision
from .model_card import write_model_card
from .modeling_hmlm import HMLMForSignaling
from .network import NetworkError, SignalingNetwork
from .objectives import PretrainingExamples
from .options import OptionsError
from .plotting import plot_losses, plot_trajectories
from .progress import Progress
from .resuming import (
    check_same_launch,
    check_same_run,
    find_checkpoint,
    remove_incomplete,
)
from .tokenization_hmlm import HMLMTokenizer
from .trainer import PretrainingTrainer

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
    "inference_rounds",
    "disabled_parts",
)
OPTIONS_FILE = "pretraining_options.json"
TOKENISED_FOLDER = "tokenised"
# A run that was stopped before its first checkpoint left nothing else.
LEFT_AT_START = frozenset((OPTIONS_FILE, TOKENISED_FOLDER))
NETWORKS_AT_ONCE = 8
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
        default=24, metadata={"help": "simulated conditions per drawn network; at least 20"}
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
    loaders: int = field(
        default=0,
        metadata={"help": "processes that draw examples ahead, for each that trains; 0 for none"},
    )
    tokenised: str = field(
        default="",
        metadata={"help": "folder of the tokenised corpus, kept; empty for one in output_dir"},
    )

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
        ) | {
            "held_out_networks": 2,
            "inference_rounds": 1,
            "seed": 0,
            "language_networks": 1,
            "warmup_steps": 0,
            "loaders": 0,
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
        OptionsError: options that make no sense, an output folder that is not empty, or processes
            that do not work together.
        FormatError, NetworkError: a corpus that cannot be read.
    """
    started = time.perf_counter()
    options.check()
    output_dir = Path(options.output_dir)
    arguments = training_arguments(options)
    state = arguments.distributed_state
    check_launch(state)
    if options.batch_size % state.num_processes:
        raise OptionsError(
            f"batch_size {options.batch_size}; expected a multiple of the "
            f"{state.num_processes} processes that share it"
        )
    checkpoint = find_checkpoint(options.resume_from_checkpoint, output_dir, LEFT_AT_START)
    if checkpoint is not None:
        settings = {name: getattr(options, name) for name in SETTINGS_OF_A_RUN}
        check_same_run(checkpoint, SIZES[options.size], settings, OPTIONS_FILE)
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
        num_inference_rounds=options.inference_rounds,
    )
    model = HMLMForSignaling(config)
    model.set_attn_implementation(options.attn_implementation)
    if options.gradient_checkpointing:
        model.gradient_checkpointing_enable()
    if state.is_main_process:
        parameters = sum(p.numel() for p in model.parameters()) / 1e6
        print(describe(state, mixed_precision(options.bf16), options.attn_implementation))
        print(
            f"HMLM {options.size}: {parameters:.2f} million parameters; corpus {options.corpus}: "
            f"{len(training)} networks to train on, {len(held_out)} held out",
            flush=True,
        )
    corpus = _tokenised(options, training, tokenizer, arguments)
    examples = PretrainingExamples(
        corpus,
        tokenizer,
        length=options.steps * options.batch_size,
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
    if checkpoint is not None:
        check_same_launch(checkpoint, trainer.accelerator)
    if state.is_main_process:
        remove_incomplete(output_dir)
        if checkpoint is None:
            write_text(output_dir / OPTIONS_FILE, json.dumps(asdict(options), indent=2))
    state.wait_for_everyone()
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    model = _whole_model(trainer, config)
    if not state.is_main_process:
        return {}

    metrics: dict[str, Any] = {}
    unseen: list[Trajectories] = []
    if options.masked_molecule:
        metrics["masked_molecule"] = evaluate_masked_molecules(model, tokenizer, training, held_out)
    if options.next_state:
        unseen = _unseen(held_out, options, arguments)
        untrained = HMLMForSignaling(config)
        untrained.to(model.device)  # type: ignore[arg-type]
        metrics["next_state"] = evaluate_next_state(
            model, tokenizer, corpus.trajectories, unseen, untrained
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


@dataclass
class RunArguments(TrainingArguments):
    """The Trainer's arguments, and what every tracker is to know of a run beside them."""

    run_options: str = field(default="", metadata={"help": "of the script, as JSON"})
    git_revision: str | None = field(default=None, metadata={"help": "of the package"})


def training_arguments(options: PretrainingOptions) -> RunArguments:
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
    # Or else trackio would put what it logged on this machine on a Space in the end.
    arguments.trackio_static_space_id = False
    return arguments


def _whole_model(trainer: PretrainingTrainer, config: HMLMConfig) -> HMLMForSignaling:
    """The trained model, in one piece on the main process wherever its weights lie."""
    accelerator = trainer.accelerator
    if accelerator.distributed_type not in (DistributedType.DEEPSPEED, DistributedType.FSDP):
        return accelerator.unwrap_model(trainer.model)  # type: ignore[no-any-return]
    weights = accelerator.get_state_dict(trainer.model_wrapped)
    model = HMLMForSignaling(config)
    if accelerator.is_main_process:
        model.load_state_dict({name: value.float() for name, value in weights.items()})
    model.to(accelerator.device)  # type: ignore[arg-type]
    return model.eval()


def _tokenised(
    options: PretrainingOptions,
    training: Sequence[SignalingNetwork],
    tokenizer: HMLMTokenizer,
    arguments: TrainingArguments,
) -> TokenisedCorpus:
    """What is trained on, made by all processes together and mapped from disk by each."""
    state = arguments.distributed_state
    process, processes = state.process_index, state.num_processes
    count = options.trajectory_networks if options.next_state else 0

    def streamed() -> Iterable[tuple[int, Trajectories]]:
        from .corpora.streaming import stream_rows  # which needs datasets
        from .corpora.trajectories import trajectories_from_row

        for row in stream_rows(options.trajectories, "train", process, processes, count):
            yield row["seed"], trajectories_from_row(row)

    def simulated() -> Iterable[tuple[int, Trajectories]]:
        # Networks that are simulated together share their time steps, so that portions are the
        # same on any number of processes.
        first = options.seed * count
        portions = [
            range(i, min(i + NETWORKS_AT_ONCE, count)) for i in range(0, count, NETWORKS_AT_ONCE)
        ]
        own = [number for portion in portions[process::processes] for number in portion]
        made = _simulated("training", training, [first + i for i in own], options, arguments)
        return zip(own, made, strict=True)

    key = {name: getattr(options, name) for name in ("conditions", "trajectories", "seed")} | {
        "networks": corpus_hash(training),
        "trajectory_networks": count,
        "vocabulary": tokenizer.vocabulary.version,
        "package": versions()["hmlm_fm"],
    }
    return tokenise(
        Path(options.tokenised or Path(options.output_dir, TOKENISED_FOLDER)),
        key,
        training,
        streamed if options.trajectories and count else simulated,
        tokenizer,
        process,
        processes,
        state.wait_for_everyone,
    )


def _simulated(
    side: str,
    networks: Sequence[SignalingNetwork],
    seeds: Sequence[int],
    options: PretrainingOptions,
    arguments: TrainingArguments,
) -> list[Trajectories]:
    """Trajectories of drawn networks, one for each seed."""
    loud = arguments.process_index == 0
    bar = tqdm(
        total=len(seeds),
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
        NETWORKS_AT_ONCE,
        progress=lambda done: bar.update(done - bar.n),
    )
    bar.close()
    if loud:
        seconds = time.perf_counter() - started
        print(f"simulated {len(seeds)} {side} networks in {seconds:.0f} s", flush=True)
    return made


def _unseen(
    held_out: Sequence[SignalingNetwork], options: PretrainingOptions, arguments: TrainingArguments
) -> list[Trajectories]:
    """Trajectories to evaluate on."""
    count = options.held_out_networks
    if options.trajectories:
        from .corpora.trajectories import read_trajectories  # which needs pyarrow

        return read_trajectories(options.trajectories, "test", count)
    first = HELD_OUT_SEED + options.seed * count
    return _simulated("held-out", held_out, range(first, first + count), options, arguments)


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
        "git_revision": git_revision(),
        "hardware": {
            "device": str(trainer.args.device),
            "processor": processor(),
            "cores": os.cpu_count(),
            "world_size": trainer.args.world_size,
            "distributed_type": trainer.args.distributed_state.distributed_type.value,
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
