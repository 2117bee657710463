"""`hmlm benchmark molecules`: its questions, its baselines, and its table."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from hmlm_fm.benchmarks.baselines.molecule_graphs import MaskedGraphNetwork, Node2Vec
from hmlm_fm.benchmarks.tasks.masked_molecules import corpus_of_checkpoint, pooled
from hmlm_fm.cli.main import app
from hmlm_fm.inference.shipped import checkpoint_path
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork
from hmlm_fm.model.tokenization_hmlm import HMLMTokenizer
from hmlm_fm.pretraining.masked_evaluation import masked_queries, ranks_of_baseline, token_reader

CHAIN = ("EGF", "EGFR", "GRB2", "SOS1", "HRAS", "RAF1")
OTHER = ("TNF", "TNFRSF1A", "TRADD", "TRAF2", "MAP3K5", "MAPK8")


@pytest.fixture(scope="module")
def tokenizer():
    return HMLMTokenizer()


def cascade(names, name="cascade"):
    return SignalingNetwork(
        name,
        tuple(Molecule(n, members=(n,)) for n in names),
        tuple(
            Interaction((s,), (1,), t, "activation")
            for s, t in zip(names[:-1], names[1:], strict=True)
        ),
    )


def test_every_molecule_is_masked_once_among_what_is_not_visible(tokenizer):
    training = [cascade(CHAIN), cascade(OTHER, "other")]
    questions = masked_queries(tokenizer, training, [cascade(CHAIN[:4], "held out")])
    assert [question.molecule for question in questions] == [0, 1, 2, 3]
    members = token_reader(tokenizer)(cascade(CHAIN))
    tokens = {name: of[0] for name, of in zip(CHAIN, members, strict=True)}
    question = questions[1]
    assert question.own == [tokens["EGFR"]]
    assert question.candidates[tokens["EGFR"]]
    assert question.candidates[tokens["HRAS"]]
    assert not question.candidates[tokens["EGF"]]
    assert tokens["EGFR"] not in question.encoding["input_ids"]


@pytest.mark.parametrize("baseline", ["node2vec", "gnn"])
def test_baselines_that_learn_find_what_belongs_together(tokenizer, baseline):
    training = [cascade(CHAIN), cascade(OTHER, "other")]
    questions = masked_queries(tokenizer, training, [cascade(CHAIN[1:4], "held out")])
    if baseline == "node2vec":
        members_of = token_reader(tokenizer)
        made = Node2Vec(training, members_of, tokenizer.vocab_size, width=16, epochs=60)
        ranks = ranks_of_baseline(made, questions)
        # A walk visits molecules of the same cascade with the neighbours.
        assert max(ranks) <= 3
    else:
        made = MaskedGraphNetwork(training, tokenizer, steps=300, batch=8, rate=1e-2, layers=2)
        whole = masked_queries(tokenizer, training, [cascade(CHAIN)])
        # Chance has a rank of 3 among the seven that are not visible.
        assert np.mean(ranks_of_baseline(made, whole)) < 1.5
    assert np.isfinite(made.scores(cascade(CHAIN), 2)).all()


def test_the_card_states_what_a_checkpoint_was_trained_on(tmp_path):
    stated = corpus_of_checkpoint(checkpoint_path("hmlm-small"), "core")
    assert "960 networks of wikipathways" in stated
    assert "does not state" in corpus_of_checkpoint(tmp_path, "core")


def test_the_command_shows_hits_with_intervals(tmp_path):
    path = tmp_path / "results.json"
    done = CliRunner().invoke(
        app,
        ["benchmark", "molecules", "--quick", "--cache", str(tmp_path), "--json", str(path),
         "--figure", str(tmp_path / "figure.png"), "--entries", "frequency", "--seeds", "2"],
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "HMLM" not in done.stdout
    results = json.loads(path.read_text())["results"]
    assert [(of["entry"], of["seed"]) for of in results] == [("frequency", 0), ("frequency", 1)]
    for of in results:
        assert of["top10_low"] < of["top10"] < of["top10_high"]
        assert of["n"] > 200
    (both,) = pooled(results)
    assert both["n"] == sum(of["n"] for of in results)
    hits = sum(of["top10"] * of["n"] for of in results)
    assert both["top10"] == pytest.approx(hits / both["n"])
    wrong = CliRunner().invoke(app, ["benchmark", "molecules", "--network", "egf"])
    assert wrong.exit_code == 2
    assert "--corpus" in wrong.stderr
