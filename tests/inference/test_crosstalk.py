"""Crosstalk: walks along attention, their scores, and the benchmark about them."""

import csv

import numpy as np
import pytest
from scipy.stats import spearmanr
from typer.testing import CliRunner

from hmlm_fm import load_network
from hmlm_fm.benchmarks.baselines.controls import shuffled
from hmlm_fm.benchmarks.tasks.crosstalk_truth import (
    REFERENCE,
    MeasuredNetwork,
    correlations,
    joined_network,
    nearness,
    partial_spearman,
    sizes_and_degrees,
    true_change,
)
from hmlm_fm.cli.main import app
from hmlm_fm.inference.crosstalk import (
    DAMPING,
    arrival,
    crosstalk,
    even_attention,
    gate_attention,
    molecular_attention,
    ordered_pairs,
    single_stimuli,
    wired,
)
from hmlm_fm.inference.shipped import checkpoint_path
from hmlm_fm.model.modeling_hmlm import HMLMForSignaling
from hmlm_fm.model.network import Interaction, Molecule, Pathway, SignalingNetwork
from hmlm_fm.model.tokenization_hmlm import HMLMTokenizer


@pytest.fixture(scope="module")
def pretrained():
    folder = checkpoint_path("hmlm-small")
    return HMLMForSignaling.from_pretrained(folder).eval(), HMLMTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def chain():
    """A -> B -> C and D -> C, in the pathways first (A, B), second (C) and apart (D)."""
    pathways = {"A": "first", "B": "first", "C": "second", "D": "apart"}
    return SignalingNetwork(
        "chain",
        tuple(Molecule(n, members=(n,), pathways=(p,), tau_hours=1.0) for n, p in pathways.items()),
        (
            Interaction((), (), "A", "input", 0.1),
            *(
                Interaction((s,), (1,), t, "activation", 1.0, 1.4, 0.5)
                for s, t in ("AB", "BC", "DC")
            ),
        ),
        tuple(Pathway(name) for name in ("first", "second", "apart")),
    )


def test_a_walk_arrives_by_the_product_of_its_steps(chain):
    attention = even_attention(chain)
    assert np.allclose(attention, [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0.5, 0, 0.5], [0, 0, 0, 0]])
    assert np.allclose(arrival(attention, [0]), [1, DAMPING, 0.5 * DAMPING**2, 0])
    scores = crosstalk(chain, attention)
    assert scores["first", "second"] == pytest.approx(0.5 * DAMPING)
    assert scores["second", "first"] == 0
    assert set(scores) == set(ordered_pairs(chain))


def test_loops_end():
    attention = np.array([[0.0, 1, 0], [1, 0, 0], [0.5, 0, 0]])
    assert np.allclose(arrival(attention, [2]), [0, 0, 1])
    assert arrival(attention, [1])[2] == pytest.approx(0.5 * DAMPING**2)


def test_gates_attend_to_sources_alone(pretrained, chain):
    for attention in (
        gate_attention(*pretrained, chain, single_stimuli(chain)),
        molecular_attention(*pretrained, chain),
    ):
        assert ((attention > 0) <= (wired(chain) > 0)).all()
        assert attention[1, 0] > 0
        assert attention.sum(1).max() <= 1 + 1e-6


def test_kinetics_do_not_reach_the_score(pretrained):
    network = load_network("cardiac-fibroblast")
    stimuli = single_stimuli(network)
    one = gate_attention(*pretrained, network.without_kinetics(), stimuli)
    other = gate_attention(*pretrained, network, stimuli)
    assert np.array_equal(one, other)


def test_distance_follows_the_interactions(chain):
    near = nearness(chain, lambda length: length)([0])
    assert near.tolist() == [0, 1, 2, 4]


def test_the_truth_is_what_knocking_out_changes(chain):
    change = true_change(chain)([0])
    assert change[0] > 0.5
    assert min(change[1], change[2]) > 0.1
    assert change[3] == pytest.approx(0, abs=1e-3)


def test_joined_networks_are_drawn_by_their_seed():
    assert joined_network(1) == joined_network(1)
    assert len(joined_network(1).pathways) == 8
    assert joined_network(1).name != joined_network(2).name


def test_differences_come_with_paired_intervals():
    rng = np.random.default_rng(0)
    truth = rng.random(60)
    scores = {REFERENCE: rng.random(60), "even-attention": truth + 0.1 * rng.random(60)}
    found = MeasuredNetwork(truth, scores, rng.random((60, 2)))
    found_of = {of["entry"]: of for of in correlations([found] * 2)}
    assert found_of["even-attention"]["difference_low"] > 0.3
    assert found_of["even-attention"]["given_degrees_low"] > 0.8
    assert found_of[REFERENCE]["difference"] == found_of[REFERENCE]["difference_low"] == 0
    assert found_of["even-attention"]["pairs"] == 120


def test_what_sizes_say_can_be_taken_out():
    """Two that follow a size and nothing else correlate; given the size, they do not."""
    rng = np.random.default_rng(1)
    size, own = rng.random((2, 400))
    predicted, truth = size + 0.3 * rng.random((2, 400))
    assert partial_spearman(predicted, truth) == pytest.approx(
        spearmanr(predicted, truth).statistic
    )
    assert partial_spearman(predicted, truth) > 0.8
    assert abs(partial_spearman(predicted, truth, size[:, None])) < 0.15
    assert partial_spearman(size + own, truth + own, size[:, None]) > 0.6
    assert partial_spearman(size, truth, size[:, None]) == 0
    assert partial_spearman(np.ones(400), truth) == 0


def test_shuffling_keeps_sizes_and_degrees():
    """But for sources that fall twice into one AND group."""
    network = joined_network(1).without_kinetics()
    before, after = (
        np.array(list(sizes_and_degrees(some).values())) for some in (network, shuffled(network, 0))
    )
    assert np.array_equal(before[:, 0], after[:, 0])
    assert np.array_equal(before[:, 2], after[:, 2])
    assert np.corrcoef(before[:, 1], after[:, 1])[0, 1] > 0.95


def test_the_command_prints_writes_and_draws(tmp_path):
    out, plot = tmp_path / "pairs.csv", tmp_path / "pairs.png"
    arguments = ["crosstalk", "cardiac-fibroblast", "--out", str(out), "--plot", str(plot)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    assert "36 pairs more" in done.stdout
    rows = list(csv.DictReader(out.open()))
    assert len(rows) == 56
    assert list(rows[0]) == ["from", "to", "score"]
    assert plot.stat().st_size > 1000
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    alone = CliRunner().invoke(app, ["crosstalk", "egf"])
    assert alone.exit_code == 2
    assert "expected at least 2" in alone.stderr
