"""Pretraining from end to end: corpus, trajectories, training, evaluation, a folder that loads.

`hmlm pretrain` and `pretrain/run.py` are the command lines of this module.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import DistributedType
from transformers import PrinterCallback, ProgressCallback, set_seed

from ..common.environment import git_revision, processor, versions
from ..common.errors import FormatError, OptionsError
from ..common.files import creating, write_text
from ..common.launching import check_launch, describe, disconnect, mixed_precision
from ..corpora.corpus_loading import load_for_training
from ..corpora.tokenised import TokenisedCorpus
from ..dynamics.trajectories import Trajectories, draw_topology
from ..inference.figures import plot_losses, plot_trajectories
from ..model.configuration_hmlm import SIZES, HMLMConfig
from ..model.error_base import HMLMError
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import NetworkError, SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer
from .ablations import evaluate_ablations
from .data import TOKENISED_FOLDER, check_data, held_out_trajectories, tokenised_corpus
from .masked_evaluation import evaluate_masked_molecules
from .model_card import write_model_card
from .objectives import PretrainingExamples
from .pretraining_options import (
    SETTINGS_OF_A_RUN,
    PretrainingOptions,
    RunArguments,
    training_arguments,
)
from .progress import Progress
from .response_stage import check_stage, evaluate_on_worlds, train_on_worlds
from .resuming import check_same_launch, check_same_run, find_checkpoint, remove_incomplete
from .state_evaluation import evaluate_modalities, evaluate_next_state, predict_held_out
from .trainer import PretrainingTrainer

OPTIONS_FILE = "pretraining_options.json"
# A run that was stopped before its first checkpoint has written nothing else.
LEFT_AT_START = frozenset((OPTIONS_FILE, TOKENISED_FOLDER))
FIGURE_CONTEXTS = (0, 16)


def run_pretraining(options: PretrainingOptions) -> dict[str, Any]:
    """Pretrain as `options` say; returns what `metrics.json` holds.

    Raises:
        OptionsError: options that are not valid, an output folder that is not empty, or processes
            that do not work together.
        FormatError, NetworkError: a corpus that cannot be read.
    """
    started = time.perf_counter()
    options.check()
    arguments = connected_arguments(options)
    checkpoint = checkpoint_to_resume(options)
    networks, sides = read_corpus(options)
    measured = check_stage(options, arguments, sides["test"])
    with creating(Path(options.output_dir)):
        Path(options.output_dir).mkdir(parents=True, exist_ok=True)
    make_deterministic(options.seed)
    model, tokenizer = new_model(options)
    log_run(options, arguments, model, sides)
    corpus = tokenised_corpus(options, sides["train"], tokenizer, arguments)
    trainer = make_trainer(options, arguments, model, tokenizer, corpus)
    prepare_folder(options, trainer, checkpoint)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    model = whole_model(trainer)
    disconnect(arguments.distributed_state)
    if not arguments.distributed_state.is_main_process:
        return {}
    model = train_on_worlds(options, arguments, model, sides["train"], measured)
    trajectories = (
        held_out_trajectories(sides["test"], options, arguments) if options.next_state else []
    )
    metrics = evaluate(options, model, tokenizer, sides, corpus, trajectories)
    metrics["throughput"] = {"molecules_per_second": trainer.progress.molecules_per_second}
    metrics["seconds"] = time.perf_counter() - started
    write_result(options, trainer, model, tokenizer, metrics, networks, trajectories)
    print(json.dumps(metrics, indent=2))
    folder = Path(options.output_dir)
    print(f"the model is in {folder}; see {folder / 'README.md'}", flush=True)
    return metrics


def connected_arguments(options: PretrainingOptions) -> RunArguments:
    """The Trainer's arguments, with all processes of the launch connected.

    Raises:
        OptionsError: they do not work together, or cannot share a batch evenly.
    """
    arguments = training_arguments(options)
    state = arguments.distributed_state
    check_launch(state)
    if options.batch_size % state.num_processes:
        raise OptionsError(
            f"batch_size {options.batch_size}; expected a multiple of the "
            f"{state.num_processes} processes that share it"
        )
    return arguments


def checkpoint_to_resume(options: PretrainingOptions) -> Path | None:
    """The checkpoint that the options resume, None where the run starts anew.

    Raises:
        OptionsError: there is none, or it is of another run.
    """
    output_dir = Path(options.output_dir)
    checkpoint = find_checkpoint(options.resume_from_checkpoint, output_dir, LEFT_AT_START)
    if checkpoint is not None:
        settings = {name: getattr(options, name) for name in SETTINGS_OF_A_RUN}
        check_same_run(checkpoint, SIZES[options.size], settings, OPTIONS_FILE)
    return checkpoint


def read_corpus(
    options: PretrainingOptions,
) -> tuple[Sequence[SignalingNetwork], Mapping[str, Sequence[SignalingNetwork]]]:
    """All networks of the corpus, and its sides: train, validation and test.

    Raises:
        OptionsError: it cannot be trained on, or holds no network with dynamics.
        FormatError, NetworkError: it cannot be read.
    """
    try:
        networks, sides = load_for_training(options.corpus, options.seed, options.held_out_share)
        check_data(options, sides)
        if options.next_state or options.response_steps:
            for side in ("train", "test"):
                draw_topology(sides[side], np.random.default_rng(options.seed))
    except (FormatError, NetworkError, OptionsError):  # which name the file themselves
        raise
    except HMLMError as error:
        raise OptionsError(str(error), path=options.corpus) from None
    return networks, sides


def make_deterministic(seed: int) -> None:
    """Make torch deterministic: the same run on the same machine gives the same weights."""
    set_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Determinism does not need new memory to be filled, which would take a tenth of a step with the
    # many small tensors of a roll-out.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def new_model(options: PretrainingOptions) -> tuple[HMLMForSignaling, HMLMTokenizer]:
    """An untrained model of the options' size, and its tokenizer."""
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
    return model, tokenizer


def log_run(
    options: PretrainingOptions,
    arguments: RunArguments,
    model: HMLMForSignaling,
    sides: Mapping[str, Sequence[SignalingNetwork]],
) -> None:
    """Print the launch, the model and the corpus, once for all processes."""
    state = arguments.distributed_state
    if not state.is_main_process:
        return
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    print(describe(state, mixed_precision(options.bf16), options.attn_implementation))
    print(
        f"HMLM {options.size}: {parameters:.2f} million parameters; corpus {options.corpus}: "
        f"{len(sides['train'])} networks to train on, {len(sides['test'])} held out",
        flush=True,
    )


def make_trainer(
    options: PretrainingOptions,
    arguments: RunArguments,
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    corpus: TokenisedCorpus,
) -> PretrainingTrainer:
    """The Trainer of both objectives, which logs by its own `Progress` alone."""
    examples = PretrainingExamples(
        corpus,
        tokenizer,
        length=options.steps * options.batch_size,
        seed=options.seed,
        batch_size=options.batch_size,
        language_networks=options.language_networks if options.masked_molecule else 0,
        next_state=options.next_state,
    )
    trainer = PretrainingTrainer(
        progress=Progress(),
        token_rate_factor=options.token_rate_factor,
        token_weight_decay=options.token_weight_decay,
        model=model,
        args=arguments,
        train_dataset=examples,
        data_collator=examples.collate,
    )
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    return trainer


def prepare_folder(
    options: PretrainingOptions, trainer: PretrainingTrainer, checkpoint: Path | None
) -> None:
    """Make the output folder ready for checkpoints, on the main process.

    Raises:
        OptionsError: the checkpoint was written by another kind of launch.
    """
    if checkpoint is not None:
        check_same_launch(checkpoint, trainer.accelerator)
    output_dir, state = Path(options.output_dir), trainer.args.distributed_state
    if state.is_main_process:
        remove_incomplete(output_dir)
        # The options of the first start stay when a run is resumed.
        if checkpoint is None or checkpoint.resolve().parent != output_dir.resolve():
            write_text(output_dir / OPTIONS_FILE, json.dumps(asdict(options), indent=2))
    state.wait_for_everyone()


def whole_model(trainer: PretrainingTrainer) -> HMLMForSignaling:
    """The trained model, unsharded on the main process."""
    accelerator = trainer.accelerator
    if accelerator.distributed_type not in (DistributedType.DEEPSPEED, DistributedType.FSDP):
        return accelerator.unwrap_model(trainer.model)  # type: ignore[no-any-return]
    weights = accelerator.get_state_dict(trainer.model_wrapped)
    model = HMLMForSignaling(accelerator.unwrap_model(trainer.model).config)
    if accelerator.is_main_process:
        model.load_state_dict({name: value.float() for name, value in weights.items()})
    model.to(accelerator.device)  # type: ignore[arg-type]
    return model.eval()


def evaluate(
    options: PretrainingOptions,
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    sides: Mapping[str, Sequence[SignalingNetwork]],
    corpus: TokenisedCorpus,
    trajectories: Sequence[Trajectories],
) -> dict[str, Any]:
    """Metrics of all objectives on held-out networks, beside the simplest baselines."""
    metrics: dict[str, Any] = {}
    networks = sides["train"], sides["test"]
    if options.masked_molecule:
        metrics["masked_molecule"] = evaluate_masked_molecules(model, tokenizer, *networks)
    if options.next_state:
        untrained = HMLMForSignaling(model.config).to(model.device)  # type: ignore[arg-type]
        metrics["next_state"] = evaluate_next_state(
            model, tokenizer, corpus.trajectories, trajectories, untrained
        )
        metrics["modalities"] = evaluate_modalities(model, tokenizer, trajectories)
    if model.responses is not None:
        found = evaluate_on_worlds(options, model, sides["test"])
        metrics |= {} if found is None else {"measured_sets": found}
    if options.ablations:
        metrics["ablations"] = evaluate_ablations(model, tokenizer, *networks, trajectories)
    return metrics


def write_result(
    options: PretrainingOptions,
    trainer: PretrainingTrainer,
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    metrics: Mapping[str, Any],
    networks: Sequence[SignalingNetwork],
    trajectories: Sequence[Trajectories],
) -> None:
    """Write the folder of the result: weights, tokenizer, metrics, provenance, figures and card."""
    output_dir = Path(options.output_dir)
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
    if trajectories:
        first = trajectories[:1]
        predictions = {
            context: predict_held_out(model, tokenizer, first, context)[0]
            for context in FIGURE_CONTEXTS
        }
        plot_trajectories(first[0], predictions, output_dir / "trajectories.png")
    write_model_card(output_dir, options, metrics, len(networks))
