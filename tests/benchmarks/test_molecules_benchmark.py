"""`hmlm benchmark molecules`: its questions, its rivals, and its table."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from hmlm_fm.benchmarks.baselines.molecule_graphs import MaskedGraphNetwork, Node2Vec
from hmlm_fm.benchmarks.tasks.masked_molecules import PRETRAINED, what_it_has_read
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


def test_every_molecule_is_asked_once_among_what_is_not_visible(tokenizer):
    training = [cascade(CHAIN), cascade(OTHER, "other")]
    questions = masked_queries(tokenizer, training, [cascade(CHAIN[:4], "held out")])
    assert [question.molecule for question in questions] == [0, 1, 2, 3]
    members = token_reader(tokenizer)(cascade(CHAIN))
    tokens = {name: of[0] for name, of in zip(CHAIN, members, strict=True)}
    asked = questions[1]
    assert asked.own == [tokens["EGFR"]]
    assert asked.candidates[tokens["EGFR"]]
    assert asked.candidates[tokens["HRAS"]]
    assert not asked.candidates[tokens["EGF"]]
    assert tokens["EGFR"] not in asked.encoding["input_ids"]


@pytest.mark.parametrize("rival", ["node2vec", "gnn"])
def test_rivals_that_learn_find_who_belongs_together(tokenizer, rival):
    training = [cascade(CHAIN), cascade(OTHER, "other")]
    questions = masked_queries(tokenizer, training, [cascade(CHAIN[1:4], "held out")])
    if rival == "node2vec":
        members_of = token_reader(tokenizer)
        made = Node2Vec(training, members_of, tokenizer.vocab_size, width=16, epochs=60)
        ranks = ranks_of_baseline(made, questions)
        # Whom a walk visits with the neighbours is of the same cascade.
        assert max(ranks) <= 3
    else:
        made = MaskedGraphNetwork(training, tokenizer, steps=300, batch=8, rate=1e-2, layers=2)
        whole = masked_queries(tokenizer, training, [cascade(CHAIN)])
        # Chance has a rank of 3 among the seven that are not visible.
        assert np.mean(ranks_of_baseline(made, whole)) < 1.5
    assert np.isfinite(made.scores(cascade(CHAIN), 2)).all()


def test_the_card_tells_what_a_checkpoint_has_read(tmp_path):
    told = what_it_has_read(checkpoint_path("hmlm-small"), "core")
    assert "960 networks of wikipathways" in told
    assert "does not say" in what_it_has_read(tmp_path, "core")


def test_the_command_shows_hits_with_intervals(tmp_path):
    path = tmp_path / "rows.json"
    done = CliRunner().invoke(
        app,
        ["benchmark", "molecules", "--quick", "--cells", str(tmp_path), "--json",
         str(path), "--figure", str(tmp_path / "rows.png"), "--rows", "frequency"],
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert PRETRAINED not in done.stdout
    (row,) = json.loads(path.read_text())["rows"]
    assert row["top10_low"] < row["top10"] < row["top10_high"]
    assert row["n"] > 200
    wrong = CliRunner().invoke(app, ["benchmark", "molecules", "--network", "egf"])
    assert wrong.exit_code == 2
    assert "--corpus" in wrong.stderr
