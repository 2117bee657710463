"""Which parameters learn at which rate and decay, and that any Trainer trains and evaluates."""

import numpy as np
import pytest
import torch
from toys import toy_network
from transformers import Trainer, TrainingArguments

from hmlm_fm import Condition, HMLMConfig, HMLMForSignaling
from hmlm_fm.formats.network_loading import load_core
from hmlm_fm.model.condition_encoding import encode_conditions
from hmlm_fm.model.gates import PresetTable
from hmlm_fm.pretraining.objectives import mask_molecules
from hmlm_fm.pretraining.trainer import PretrainingTrainer


def encodings(tokenizer):
    """Of three networks of different sizes, with masked molecules."""
    rng = np.random.default_rng(0)
    return [
        mask_molecules(tokenizer.encode_network(network, warn_unknown=False), tokenizer, rng)
        for network in (toy_network(), *load_core()[:2])
    ]


def plain_trainer(model, tokenizer, examples, folder, **arguments):
    return Trainer(
        model,
        TrainingArguments(
            output_dir=str(folder),
            use_cpu=True,
            max_steps=2,
            per_device_train_batch_size=2,
            per_device_eval_batch_size=1,
            eval_do_concat_batches=False,
            report_to="none",
            **arguments,
        ),
        data_collator=tokenizer.pad,
        train_dataset=examples,
        eval_dataset=examples,
    )


@pytest.mark.parametrize("bf16", [False, True])
def test_a_plain_trainer_trains_evaluates_and_predicts(model, tmp_path, bf16):
    model, tokenizer = model
    examples = encodings(tokenizer)
    trainer = plain_trainer(
        model, tokenizer, examples, tmp_path, label_names=["masked_ids"], bf16=bf16
    )
    before = model.hmlm.layers[0].mlp.up.weight.detach().clone()
    assert trainer.train().training_loss > 0
    assert not torch.equal(model.hmlm.layers[0].mlp.up.weight, before)
    assert trainer.evaluate()["eval_loss"] > 0
    unlabelled = [{k: v for k, v in e.items() if k != "masked_ids"} for e in examples]
    logits = trainer.predict(unlabelled).predictions
    assert [rows.shape[1] for rows in logits] == [len(e["input_ids"]) for e in examples]


def test_a_plain_trainer_predicts_states(model, tmp_path):
    model, tokenizer = model
    examples = []
    for network in (toy_network(), load_core()[0]):
        states = np.full((1, 2, len(network.molecules)), 0.3)
        examples.append(
            tokenizer.encode_network(network, warn_unknown=False)
            | encode_conditions(network, [Condition()], "query_")
            | {
                "query_hours": np.array([[1.0, 5.0]]),
                "target_states": states,
                "target_states_mask": np.ones(states.shape, dtype=bool),
            }
        )
    trainer = plain_trainer(model, tokenizer, examples, tmp_path, label_names=["target_states"])
    trainer.train()
    found = trainer.predict(examples)
    assert found.metrics["test_loss"] > 0
    for parts, example in zip(found.predictions, examples, strict=True):
        assert example["target_states"].shape in [part.shape[1:] for part in parts]


def test_rates_and_decay_by_what_a_parameter_is(tmp_path):
    model = HMLMForSignaling(HMLMConfig(vocab_size=50, hidden_size=16, num_attention_heads=2))
    arguments = TrainingArguments(
        output_dir=str(tmp_path), use_cpu=True, learning_rate=0.01, weight_decay=0.1
    )
    trainer = PretrainingTrainer(20.0, 0.5, model=model, args=arguments)
    found = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in trainer.create_optimizer().param_groups
        for parameter in group["params"]
    }
    assert len(found) == len(list(model.parameters()))
    token, head = (0.2, 0.5), model.masked_molecule
    for votes in (head.neighbour_votes, head.pathway_votes, head.vocabulary):
        assert {found[id(p)] for p in votes.parameters()} == {token}
    assert found[id(model.hmlm.embeddings.members.weight)] == token
    # Presets have a meaning and never decay towards zero; nor do biases.
    presets = [m for m in model.modules() if isinstance(m, PresetTable)]
    assert {found[id(m.weight)] for m in presets} == {(0.01, 0.0)}
    assert found[id(head.dense.bias)] == (0.01, 0.0)
    assert found[id(head.dense.weight)] == (0.01, 0.1)
