"""A few steps of pretraining on a toy, whatever launches it; prints the losses as JSON.

python tests/training_worker.py FOLDER STEPS [CHECKPOINT]
"""

from __future__ import annotations

import json
import sys

import numpy as np
from transformers import set_seed

from hmlm_fm import HMLMConfig, HMLMForSignaling, HMLMTokenizer
from hmlm_fm.common.launching import check_launch, describe, disconnect
from hmlm_fm.common.option_parsing import parse_options
from hmlm_fm.corpora.tokenised import TokenisedCorpus
from hmlm_fm.dynamics.trajectories import make_trajectories
from hmlm_fm.formats.network_loading import load_core
from hmlm_fm.pretraining.objectives import PretrainingExamples
from hmlm_fm.pretraining.pretraining_options import PretrainingOptions, training_arguments
from hmlm_fm.pretraining.trainer import PretrainingTrainer


def main() -> None:
    flags = ["--batch_size", "4", "--logging_steps", "1", "--save_steps", "2", *sys.argv[1:]]
    options = parse_options(PretrainingOptions, flags, __doc__)
    arguments = training_arguments(options)
    check_launch(arguments.distributed_state)
    set_seed(0)
    tokenizer = HMLMTokenizer()
    config = HMLMConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=16,
        embedding_size=9,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_inference_steps=2,
    )
    corpus = TokenisedCorpus.in_memory(
        load_core()[:6], make_trajectories(load_core()[:6], range(4), 22), tokenizer
    )
    examples = PretrainingExamples(
        corpus, tokenizer, 4 * options.steps, seed=0, batch_size=4, language_networks=2
    )
    trainer = PretrainingTrainer(
        model=HMLMForSignaling(config),
        args=arguments,
        train_dataset=examples,
        data_collator=examples.collate,
    )
    trainer.train(resume_from_checkpoint=options.resume_from_checkpoint)
    disconnect(arguments.distributed_state)
    if arguments.distributed_state.is_main_process:
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        print(describe(arguments.distributed_state, "no", "sdpa"))
        print("losses", json.dumps(losses))
        weights = trainer.accelerator.unwrap_model(trainer.model).state_dict()
        np.savez(f"{options.output_dir}/weights.npz", **{k: v.numpy() for k, v in weights.items()})


if __name__ == "__main__":
    main()
