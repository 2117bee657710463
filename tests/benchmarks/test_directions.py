"""Directions of changes when nothing is shown: paths, scores, and who is right by half."""

import numpy as np
import pytest
import torch

from hmlm_fm import HMLMConfig, HMLMForSignaling, HMLMTokenizer, Treatment
from hmlm_fm.benchmarks.real.directions import balanced_accuracy, directions, path_signs
from hmlm_fm.benchmarks.real.network_methods import InContext
from hmlm_fm.formats.measured.measured_set import MeasuredSet, Measurement
from hmlm_fm.measurements.responses import responses_of
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork


@pytest.fixture(scope="module")
def network():
    """EGF raises ERK by MEK and lowers AKT; two short paths to JNK contradict each other."""
    edges = [
        ("EGF", 1, "MEK"), ("MEK", 1, "ERK"), ("EGF", -1, "AKT"), ("ERK", -1, "JNK"),
        ("AKT", 1, "P38"), ("ERK", 1, "FOS"), ("MEK", 1, "FOS"),
        ("MEK", 1, "RSK"), ("AKT", 1, "RSK"),
    ]  # fmt: skip
    names = dict.fromkeys(name for a, _, b in edges for name in (a, b))
    return SignalingNetwork(
        "toy",
        tuple(Molecule(name) for name in names),
        tuple(Interaction((a,), (sign,), b) for a, sign, b in edges),
    )


def made_set(network: SignalingNetwork | None, turned: bool = False) -> MeasuredSet:
    """Changes as the network says, or all of them turned."""
    egf, mek = Treatment("stimulus", "EGF"), Treatment("inhibition", "MEK", 0.9)
    conditions = {"control": (), "EGF": (egf,), "MEKi": (mek,), "both": (egf, mek)}
    effects = {"ERK": (1, -1), "JNK": (-1, 1), "FOS": (1, -1), "AKT": (-1, 0), "P38": (-1, 0)}
    values = [
        Measurement(f"{name}{i}" if name != "control" else name, readout, 1.0,
                    (-1 if turned else 1) * float(
                        effect[0] * (egf in done) * (1 + i) + 0.5 * effect[1] * (mek in done)))
        for name, done in conditions.items()
        for i in range(1 if name == "control" else 3)
        for readout, effect in effects.items()
    ]  # fmt: skip
    named = {"control": ()} | {
        f"{name}{i}": tuple(Treatment(t.kind, t.name, t.value * (1 - 0.1 * i)) for t in done)
        for name, done in conditions.items() if done for i in range(3)
    }  # fmt: skip
    return MeasuredSet("toy", named, tuple(values), network=network)


def test_paths_have_the_sign_of_their_steps(network):
    responses = responses_of(made_set(network))
    signs = dict(zip(responses.conditions, path_signs(responses), strict=True))
    order = [o.readout for o in responses.outputs]
    egf = dict(zip(order, signs[("EGF0",)], strict=True))
    assert egf == {"ERK": 1, "JNK": -1, "FOS": 1, "AKT": -1, "P38": -1}
    mek = dict(zip(order, signs[("MEKi0",)], strict=True))
    assert mek == {"ERK": -1, "JNK": 1, "FOS": -1, "AKT": 0, "P38": 0}


def test_shortest_paths_that_contradict_say_nothing(network):
    measured = made_set(network)
    rsk = Measurement("EGF0", "RSK", 1.0, 1.0)
    responses = responses_of(
        MeasuredSet("x", measured.conditions, (*measured.measurements, rsk), network=network)
    )
    place = [o.readout for o in responses.outputs].index("RSK")
    assert path_signs(responses)[responses.conditions.index(("EGF0",)), place] == 0


def test_balanced_accuracy_counts_rises_and_falls_alike():
    truth = np.array([[1, 1, 1, -1, 0]])
    assert balanced_accuracy(truth, np.array([[1, 1, 1, -1, -1]])) == 1
    assert balanced_accuracy(truth, np.array([[1, 1, 1, 1, 1]])) == 0.5
    assert balanced_accuracy(truth, np.zeros((1, 5))) == 0.5
    assert balanced_accuracy(truth, np.array([[1, -1, -1, -1, 0]])) == pytest.approx(2 / 3)


def test_sets_are_scored_by_model_and_paths(network):
    torch.manual_seed(0)
    config = HMLMConfig(
        vocab_size=HMLMTokenizer().vocab_size, num_hidden_layers=1, hidden_size=16,
        embedding_size=9, response_size=8, response_layers=1, response_heads=2,
    )  # fmt: skip
    method = InContext(HMLMForSignaling(config).eval())
    right, wrong = (responses_of(made_set(network, turned)) for turned in (False, True))
    rows = directions([right, wrong], {"untrained": method})
    of = {(row["set"], row["label"], i // 2): row for i, row in enumerate(rows)}
    paths = "sign of the shortest path"
    assert of["toy", paths, 0]["accuracy"] > 0.8
    assert of["toy", paths, 1]["accuracy"] < 0.2
    assert of["toy", "untrained", 0]["accuracy"] == 0.5
    assert of["toy", "untrained", 0]["silent"] == 1
    low, high = (of["toy", paths, 0][f"accuracy_{end}"] for end in ("low", "high"))
    assert low <= of["toy", paths, 0]["accuracy"] <= high
    without = directions([responses_of(made_set(None))], {"untrained": method})
    assert [row["label"] for row in without] == ["untrained"]
