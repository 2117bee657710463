"""The tokenizer: round trip, padding, unknown molecules, hop distances, speed of real corpora."""

import logging

import numpy as np
import pytest
import torch
from toys import toy_network
from transformers import AutoTokenizer, DataCollatorWithPadding

from hmlm_fm import Condition, HMLMTokenizer, Observation, load_network
from hmlm_fm.formats.network_loading import load_core
from hmlm_fm.model.attention_pairs import attention_pairs, possible_partners
from hmlm_fm.model.network import NetworkError


@pytest.fixture(scope="module")
def tokenizer():
    return HMLMTokenizer()


def _same_tokens(a, b):
    return set(a) == set(b) and all(np.array_equal(a[key], b[key]) for key in a)


def test_round_trip_is_exact_for_what_tokens_hold(tokenizer):
    for network in (toy_network(), load_network("cardiac-fibroblast"), *load_core()[:10]):
        encoding = tokenizer.encode_network(network, warn_unknown=False)
        decoded = tokenizer.decode(encoding)
        assert _same_tokens(encoding, tokenizer.encode_network(decoded, warn_unknown=False))
        assert [m.kind for m in decoded.molecules] == [m.kind for m in network.molecules]
        assert [i.signs for i in decoded.interactions] == [i.signs for i in network.interactions]


def test_round_trip_loses_names_labels_kinetics_and_sources(tokenizer):
    decoded = tokenizer.decode(tokenizer.encode_network(toy_network(), warn_unknown=False))
    assert decoded.molecules[3].name == "MAPK1/MAPK3"
    assert decoded.molecules[5].name == "molecule 6"
    assert all(m.tau_hours is None and m.label == "" for m in decoded.molecules)
    assert all(i.weight is None for i in decoded.interactions)


def test_kinetics_never_reach_a_model(tokenizer):
    network = load_network("cardiac-fibroblast")
    with_kinetics = tokenizer.encode_network(network, warn_unknown=False)
    without = tokenizer.encode_network(network.without_kinetics(), warn_unknown=False)
    assert _same_tokens(with_kinetics, without)


def test_batches_pad_and_decode(tokenizer):
    networks = [toy_network(), *load_core()[:3]]
    batch = tokenizer(networks, warn_unknown=False)
    assert batch["input_ids"].shape[0] == 4
    assert batch["attention_mask"].sum(1).tolist() == [len(n.molecules) for n in networks]
    for network, decoded in zip(networks, tokenizer.decode(batch), strict=True):
        assert len(decoded.interactions) == len(network.interactions)


def test_pad_is_a_trainer_collator(tokenizer):
    features = [tokenizer.encode_network(n, warn_unknown=False) for n in load_core()[:3]]
    batch = DataCollatorWithPadding(tokenizer)(features)
    assert torch.is_tensor(batch["pair_index"])
    with pytest.raises(ValueError, match="unknown fields"):
        tokenizer.pad([{"colour": np.ones(3)}])


def test_batches_of_one_network_are_joined_as_that_network(tokenizer):
    networks = [toy_network(), load_core()[0]]
    batches = [tokenizer(network, warn_unknown=False) for network in networks]
    assert _same_tokens(tokenizer.pad(batches), tokenizer(networks, warn_unknown=False))
    with pytest.raises(ValueError, match="a batch of 2 networks; expected encodings of one"):
        tokenizer.pad([tokenizer(networks, warn_unknown=False)])


@pytest.mark.parametrize("nothing", [[], {"input_ids": [[1]]}])
def test_nothing_to_join_is_refused(tokenizer, nothing):
    with pytest.raises(ValueError, match="expected a list of encodings"):
        tokenizer.pad(nothing)


def test_tensors_of_another_library_are_refused(tokenizer):
    with pytest.raises(ValueError, match="'tf'; expected 'pt', 'np' or None"):
        tokenizer(toy_network(), return_tensors="tf", warn_unknown=False)
    with pytest.raises(ValueError, match="'jax'; expected 'pt', 'np' or None"):
        tokenizer.pad([tokenizer.encode_network(toy_network(), False)], return_tensors="jax")


def test_unknown_molecules_warn_by_name(tokenizer, caplog):
    logger = logging.getLogger("hmlm_fm.model.tokenization_hmlm")
    logger.addHandler(caplog.handler)
    tokenizer(toy_network())
    assert "oddity" in caplog.text
    encoding = tokenizer.encode_network(toy_network(), warn_unknown=False)
    assert encoding["input_ids"][5, 0] == tokenizer.unk_token_id


def test_context_becomes_tensors(tokenizer):
    batch = tokenizer(
        toy_network(),
        conditions=[Condition({"EGF": 0.8}), Condition()],
        observations=[[Observation("ERK", 2.0, 0.4), Observation("RAS", 1.0, 0.2, "mRNA")], []],
        baseline={"ERK": 0.05},
        warn_unknown=False,
    )
    assert batch["stimulus"][0, 0].tolist() == pytest.approx([0.8, 0, 0, 0, 0, 0])
    assert batch["observation_index"][0].tolist() == [[3, 2], [-1, -1]]
    assert batch["baseline_mask"][0].tolist() == [False, False, False, True, False, False]
    with pytest.raises(NetworkError, match="MEK"):
        tokenizer(
            toy_network(), conditions=[Condition()], observations=[[Observation("MEK", 1, 1)]]
        )
    with pytest.raises(ValueError, match="modality"):
        tokenizer(
            toy_network(),
            conditions=[Condition()],
            observations=[[Observation("ERK", 1, 1, "smell")]],
        )
    with pytest.raises(ValueError, match="finite"):
        tokenizer(
            toy_network(), conditions=[Condition()], observations=[[Observation("ERK", -1, 1)]]
        )
    with pytest.raises(ValueError, match="activity 50"):
        tokenizer(
            toy_network(), conditions=[Condition()], observations=[[Observation("ERK", 1, 50)]]
        )
    for state in (7.0, float("nan")):
        with pytest.raises(ValueError, match="baseline of 'ERK'"):
            tokenizer(toy_network(), baseline={"ERK": state})
    with pytest.raises(ValueError, match="one list per condition"):
        tokenizer(toy_network(), conditions=[Condition()], observations=[])


def test_pairs_of_a_chain():
    """A → B → C: A and C are two hops apart one way, and not at all the other."""
    pair, hops, siblings = attention_pairs(
        np.array([0, 1]), np.array([1, 2]), np.array([0, 1]), 3, 2
    )
    table = {tuple(p): tuple(h) for p, h in zip(pair.tolist(), hops.tolist(), strict=True)}
    assert table[2, 0] == (2, 3)
    assert table[0, 2] == (3, 2)
    assert table[1, 1] == (0, 0)
    assert len(table) == 9
    assert not siblings.any()


def test_pairs_within_hops_only_and_siblings():
    """A & B → C: A and B are siblings though no path joins them; with one hop a chain breaks."""
    pair, _, siblings = attention_pairs(np.array([0, 1]), np.array([2, 2]), np.array([0, 0]), 3, 2)
    assert {tuple(p) for p in pair[siblings].tolist()} == {(0, 1), (1, 0)}
    pair, _, _ = attention_pairs(np.array([0, 1]), np.array([1, 2]), np.array([0, 1]), 3, 1)
    assert (0, 2) not in {tuple(p) for p in pair.tolist()}


def test_possible_partners_share_a_target_but_no_interaction():
    partners = possible_partners(np.array([5, 5, 7, 5]), np.array([0, 0, 1, 2]))
    assert {tuple(p) for p in partners.tolist()} == {(0, 3), (1, 3), (3, 0), (3, 1)}


def test_save_and_load(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert type(loaded) is HMLMTokenizer
    assert loaded.max_hops == tokenizer.max_hops
    assert loaded.get_vocab() == tokenizer.get_vocab()
    assert (loaded.pad_token_id, loaded.mask_token_id, loaded.unk_token_id) == (0, 1, 2)


def test_every_wikipathways_network_is_tokenised(tokenizer, shared_data):
    from hmlm_fm.corpora.corpus_loading import load_corpus

    networks = load_corpus(str(shared_data / "wikipathways"))
    assert len(networks) == 960
    for network in networks:
        encoding = tokenizer.encode_network(network, warn_unknown=False)
        assert len(encoding["input_ids"]) == len(network.molecules)


@pytest.mark.parametrize("networks", ["egf", None, [None], {"a": 1}])
def test_what_is_no_network_is_refused(networks):
    with pytest.raises(ValueError, match="expected a SignalingNetwork, or a list"):
        HMLMTokenizer()(networks)
