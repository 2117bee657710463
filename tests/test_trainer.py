"""Which parameters learn at which rate and decay."""

from transformers import TrainingArguments

from hmlm_fm import HMLMConfig, HMLMForSignaling
from hmlm_fm.gates import PresetTable
from hmlm_fm.trainer import PretrainingTrainer


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
