"""Pretraining from end to end: corpus, trajectories, training, evaluation, a folder that loads.

`pretrain/run.py` is the command line of this module.
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
from ..dynamics.trajectories import Trajectories, draw_topology
from ..inference.figures import plot_losses, plot_trajectories
from ..model.configuration_hmlm import SIZES, HMLMConfig
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import NetworkError, SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer
from .data import TOKENISED_FOLDER, check_data, tokenised_corpus, unseen_trajectories
from .evaluation import (
    evaluate_ablations,
    evaluate_masked_molecules,
    evaluate_modalities,
    evaluate_next_state,
    predict_held_out,
)
from .model_card import write_model_card
from .objectives import PretrainingExamples
from .pretraining_options import SETTINGS_OF_A_RUN, PretrainingOptions, training_arguments
from .progress import Progress
from .resuming import check_same_launch, check_same_run, find_checkpoint, remove_incomplete
from .trainer import PretrainingTrainer

OPTIONS_FILE = "pretraining_options.json"
# A run that was stopped before its first checkpoint left nothing else.
LEFT_AT_START = frozenset((OPTIONS_FILE, TOKENISED_FOLDER))


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
        check_data(options, sides)
        training, held_out = sides["train"], sides["test"]
        if options.next_state:
            for side in (training, held_out):
                draw_topology(side, np.random.default_rng(options.seed))
    except (FormatError, NetworkError):  # which say themselves what is wrong with which file
        raise
    except ValueError as error:
        raise OptionsError(f"{options.corpus}: {error}") from None
    with creating(output_dir):
        output_dir.mkdir(parents=True, exist_ok=True)

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
    corpus = tokenised_corpus(options, training, tokenizer, arguments)
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
        # What a run was started with stays, however often it is gone on with.
        if checkpoint is None or checkpoint.resolve().parent != output_dir.resolve():
            write_text(output_dir / OPTIONS_FILE, json.dumps(asdict(options), indent=2))
    state.wait_for_everyone()
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    model = _whole_model(trainer, config)
    disconnect(state)
    if not state.is_main_process:
        return {}

    metrics: dict[str, Any] = {}
    unseen: list[Trajectories] = []
    if options.masked_molecule:
        metrics["masked_molecule"] = evaluate_masked_molecules(model, tokenizer, training, held_out)
    if options.next_state:
        unseen = unseen_trajectories(held_out, options, arguments)
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
