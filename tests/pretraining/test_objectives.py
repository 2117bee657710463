"""Masking, drawn dynamics, examples in context, and the baselines of the evaluation."""

import numpy as np
import pytest
import torch
from toys import toy_network

from hmlm_fm import HMLMConfig, HMLMForSignaling, HMLMTokenizer, load_network
from hmlm_fm.corpora.tokenised import TokenisedCorpus
from hmlm_fm.dynamics.draw import draw_condition, draw_dynamics
from hmlm_fm.dynamics.trajectories import TIMES_HOURS, make_trajectories
from hmlm_fm.formats.network_loading import load_core
from hmlm_fm.model.configuration_hmlm import PARTS
from hmlm_fm.model.fields import Fields
from hmlm_fm.model.graph import Wiring
from hmlm_fm.model.losses import count_terms
from hmlm_fm.model.masked_molecule_head import (
    NeighbourVotes,
    PathwayVotes,
    is_kept,
    unmasked_ids,
)
from hmlm_fm.model.network import Interaction, Molecule, Pathway, SignalingNetwork
from hmlm_fm.pretraining.ablations import evaluate_ablations
from hmlm_fm.pretraining.masked_baselines import Frequency, NeighbourLookUp
from hmlm_fm.pretraining.masked_evaluation import (
    evaluate_masked_molecules,
    rank_among_candidates,
    wilson_interval,
)
from hmlm_fm.pretraining.objectives import (
    Instrument,
    PretrainingExamples,
    count_molecules,
    mask_molecules,
    next_state_example,
)
from hmlm_fm.pretraining.state_evaluation import StateBaselines, evaluate_next_state, paired_ratio


@pytest.fixture(scope="module")
def tokenizer():
    return HMLMTokenizer()


@pytest.fixture(scope="module")
def samples():
    return make_trajectories(load_core()[:12], range(4), 22)


def test_masking_masks_about_15_percent_and_all_with_the_same_members(tokenizer):
    network = load_core()[0]
    encoding = tokenizer.encode_network(network, warn_unknown=False)
    shares, kept, swapped = [], 0, 0
    for seed in range(200):
        masked = mask_molecules(encoding, tokenizer, np.random.default_rng(seed))
        chosen = (masked["masked_ids"] >= 0).any(1)
        shares.append(chosen.mean())
        has_mask = masked["input_ids"][:, 0] == tokenizer.mask_token_id
        gone = set(encoding["input_ids"][has_mask & chosen].ravel()) - {0}
        assert gone.isdisjoint(set(masked["input_ids"][~has_mask & ~chosen].ravel()))
        same = (masked["input_ids"] == encoding["input_ids"]).all(1)
        kept += int((chosen & same).sum())
        swapped += int((chosen & ~same & ~has_mask).sum())
        # Labels are the whole molecule: a family is masked as one.
        rows = np.flatnonzero(chosen)
        for row in rows:
            label = masked["masked_ids"][row]
            assert set(label[label >= 0]) == set(encoding["input_ids"][row]) - {0}
    total = np.sum(shares) * len(network.molecules)
    assert np.mean(shares) == pytest.approx(0.15, abs=0.02)
    assert kept / total == pytest.approx(0.1, abs=0.05)
    assert swapped / total == pytest.approx(0.1, abs=0.05)


def test_drawn_networks_are_complete_and_differ():
    edges = toy_network(False)
    draws = [draw_dynamics(edges, np.random.default_rng(seed)) for seed in range(30)]
    for drawn in draws:
        assert all(m.tau_hours and m.ymax for m in drawn.molecules)
        assert all(i.is_input or (i.n and i.ec50 and i.weight) for i in drawn.interactions)
        assert {i.target for i in drawn.interactions} == set(drawn.names)
        assert drawn.logic_known
    assert len({d.content_hash for d in draws}) == 30


def test_unknown_signs_are_drawn():
    network = SignalingNetwork(
        "n", (Molecule("A"), Molecule("B")), (Interaction(("A",), (0,), "B"),), logic_known=False
    )
    signs = [
        next(
            i.signs[0]
            for i in draw_dynamics(network, np.random.default_rng(s)).interactions
            if i.sources
        )
        for s in range(200)
    ]
    assert np.mean(np.array(signs) > 0) == pytest.approx(0.8, abs=0.08)


def test_a_circle_without_inputs_can_be_stimulated():
    circle = SignalingNetwork(
        "circle",
        (Molecule("A"), Molecule("B")),
        (Interaction(("A",), (1,), "B"), Interaction(("B",), (1,), "A")),
        logic_known=False,
    )
    rng = np.random.default_rng(0)
    drawn = draw_dynamics(circle, rng)
    stimulated = {name for _ in range(50) for name in draw_condition(drawn, rng).stimuli}
    assert stimulated == {"A", "B"}


def test_trajectories_are_seeded_and_bounded(samples):
    again = make_trajectories(load_core()[:12], range(4), 22)
    for a, b in zip(samples, again, strict=True):
        assert np.array_equal(a.states, b.states)
        assert a.visible == b.visible
        assert a.visible.names == a.drawn.names
        assert a.visible == a.visible.without_kinetics()
        assert a.states.shape == (22, len(TIMES_HOURS), len(a.baseline))
        assert (a.states >= 0).all()
        assert (a.states <= 2).all()
    alone = make_trajectories(load_core()[:12], [2], 22)[0]
    assert alone.visible == samples[2].visible
    assert np.abs(alone.states.astype(float) - samples[2].states).max() < 0.02


def test_examples_are_drawn_by_number(tokenizer, samples):
    networks = load_core()[:12]
    examples = PretrainingExamples(
        TokenisedCorpus.in_memory(networks, samples, tokenizer),
        tokenizer,
        100,
        seed=3,
        language_networks=2,
    )
    first, again = examples[7], examples[7]
    for key, value in first["next_state"].items():
        assert np.array_equal(value, again["next_state"][key]), key
    batch = examples.collate([examples[i] for i in range(10)])
    assert batch["language"]["input_ids"].shape[0] == 20
    real, computed = count_molecules(batch)
    assert 0 < real <= computed
    config = HMLMConfig(vocab_size=tokenizer.vocab_size, hidden_size=16, num_attention_heads=2)
    model = HMLMForSignaling(config)
    output = model(**batch)
    output.loss.backward()
    without = [n for n, p in model.named_parameters() if p.grad is None]
    assert not without
    with pytest.raises(ValueError, match="both objectives"):
        PretrainingExamples(examples.corpus, tokenizer, 1, 0, language_networks=0, next_state=False)


def test_masked_networks_of_a_batch_are_of_one_size_and_all_are_drawn_equally_often(tokenizer):
    networks = [*load_core()[:20], load_network("cardiac-fibroblast"), toy_network()]
    examples = PretrainingExamples(
        TokenisedCorpus.in_memory(networks, [], tokenizer),
        tokenizer,
        100,
        seed=1,
        batch_size=4,
        language_networks=8,
        next_state=False,
    )
    for first in range(0, 40, 4):
        batch = [network for i in range(first, first + 4) for network in examples[i]["language"]]
        sizes = [len(network["attention_mask"]) for network in batch]
        assert max(sizes) <= 1.25 * min(sizes)
    # Six molecules or a hundred: as many of each are drawn in the long run.
    for group, share, count in zip(
        examples.groups, examples.share_of_molecules, examples.networks_of_group, strict=True
    ):
        drawn = share * count / len(group)
        assert drawn == pytest.approx(8 / len(networks), rel=0.15)


def test_queries_are_never_in_the_context(tokenizer, samples):
    sample = samples[0]
    network = tokenizer.encode_network(sample.visible, warn_unknown=False)
    for seed in range(20):
        example = next_state_example(sample, network, np.random.default_rng(seed), context=16)
        context = {s.tobytes() for s in example["stimulus"]}
        assert context.isdisjoint({s.tobytes() for s in example["query_stimulus"]})


def test_instruments():
    rng = np.random.default_rng(0)
    assert np.array_equal(Instrument.draw("activity", 3, rng).read(np.ones(3)), np.ones(3))
    instrument = Instrument(np.array([2.0]), np.array([0.1]), 1.0, 0.0)
    assert instrument.read(np.array([1.0])) == pytest.approx([2.1])
    assert instrument.read(np.array([0.0])) == pytest.approx([0.1])


def _members(network):
    ids = {"A": 3, "B": 4, "C": 5, "D": 6}
    return [[ids[m.name]] for m in network.molecules]


def _chain(*names):
    return SignalingNetwork(
        "-".join(names),
        tuple(Molecule(n) for n in names),
        tuple(Interaction((a,), (1,), b) for a, b in zip(names, names[1:], strict=False)),
    )


def test_baselines_on_a_hand_worked_case():
    training = [
        _chain("A", "B"),
        _chain("A", "B"),
        _chain("A", "C"),
        _chain("C", "D"),
        _chain("D", "B"),
    ]
    frequency = Frequency(training, _members, 7).scores(_chain("A", "B"), 1)
    assert frequency.tolist() == [0, 0, 0, 3, 3, 2, 2]
    scores = NeighbourLookUp(training, _members, 7).scores(_chain("A", "B"), 1)
    # A acts on B twice and on C once; never on D, nor on itself.
    assert int(scores.argmax()) == 4
    assert scores[5] > scores[6]
    upstream = NeighbourLookUp(training, _members, 7).scores(_chain("A", "B"), 0)
    assert int(upstream.argmax()) == 3


PROTEINS = ("EGF", "EGFR", "GRB2", "SOS1", "HRAS", "RAF1", "MAP2K1", "MAPK1")


def _edge(source, target, sign=1):
    return SignalingNetwork(
        "edge",
        (Molecule("source", members=(source,)), Molecule("target", members=(target,))),
        (Interaction(("source",), (sign,), "target"),),
    )


def _votes(head, batch, table):
    wiring = Wiring.from_fields(Fields(batch))
    return head(
        batch["input_ids"].flatten(0, 1), batch["molecule_kind_ids"].flatten(), wiring, table
    )


def test_both_directions_of_a_pair_are_learned_from_neighbours_alone(tokenizer):
    torch.manual_seed(0)
    config = HMLMConfig(vocab_size=tokenizer.vocab_size, embedding_size=24)
    model = HMLMForSignaling(config).train()
    head, table = model.masked_molecule, model.hmlm.embeddings.members.weight
    ring = [_edge(a, b) for a, b in zip(PROTEINS, (*PROTEINS[1:], PROTEINS[0]), strict=True)]
    batch = tokenizer(ring)
    ids, nothing = batch["input_ids"], torch.full_like(batch["input_ids"], -1)
    optimizer = torch.optim.Adam([*head.parameters(), table], lr=0.03)

    def votes_of(ids):
        wiring = Wiring.from_fields(Fields(batch))
        return head.votes(
            ids, batch["molecule_kind_ids"], batch["membership_index"], 1, wiring, table
        )

    for _ in range(60):
        optimizer.zero_grad()
        sum(head.losses_alone(votes_of(ids), ids, nothing, table)).backward()
        optimizer.step()
    model.eval()
    # Source and target have the same two neighbours in the ring, and differ in direction alone.
    for end in (0, 1):
        masked = ids.clone()
        masked[:, end] = tokenizer.mask_token_id
        neighbours, _ = votes_of(masked).view(len(ring), 2, -1)[:, end].split(head.widths, dim=-1)
        scores = neighbours @ table[:, : head.widths[0]].T + head.vocabulary.bias
        assert torch.equal(scores.argmax(-1), ids[:, end, 0])


def test_masked_neighbours_and_those_with_the_same_members_have_no_vote(tokenizer):
    torch.manual_seed(0)
    votes = NeighbourVotes(HMLMConfig(embedding_size=9)).eval()
    table = torch.randn(tokenizer.vocab_size, 6)

    def of_target(network):
        batch = tokenizer(network, warn_unknown=False)
        return _votes(votes, batch, table)[1]

    no_vote = of_target(_edge("no such molecule", "EGFR"))
    assert torch.equal(of_target(_edge("EGFR", "EGFR")), no_vote)
    assert not torch.allclose(of_target(_edge("EGF", "EGFR")), no_vote)


def test_votes_depend_on_signs(tokenizer):
    table = torch.randn(tokenizer.vocab_size, 6)
    votes = NeighbourVotes(HMLMConfig(embedding_size=9)).eval()
    up, down = (_votes(votes, tokenizer(_edge("EGF", "EGFR", sign)), table) for sign in (1, -1))
    assert not torch.equal(up, down)


def _in_pathways(**pathways):
    """Molecules named after their gene, or genes, by pathway."""
    genes = list(dict.fromkeys(gene for members in pathways.values() for gene in members))
    return SignalingNetwork(
        name="company",
        molecules=tuple(
            Molecule(
                gene,
                members=tuple(gene.split("+")),
                pathways=tuple(name for name, members in pathways.items() if gene in members),
            )
            for gene in genes
        ),
        pathways=tuple(Pathway(name) for name in pathways),
    )


def test_pathways_vote_by_what_they_hold_beside_the_molecule(tokenizer):
    torch.manual_seed(0)
    votes = PathwayVotes(HMLMConfig(embedding_size=12)).eval()
    table = torch.randn(tokenizer.vocab_size, 4)
    token = {gene: table[tokenizer.get_vocab()[gene]] for gene in ("EGF", "RAF1", "AKT1", "AKT2")}

    def found(**pathways):
        batch = tokenizer(_in_pathways(**pathways))
        return votes(
            batch["input_ids"], batch["membership_index"], batch["pathway_mask"].shape[1], table
        )

    def expected(*genes):
        return votes.company(sum(token[gene] for gene in genes) / len(genes) ** 0.5)

    of_egf, of_raf1, of_family = found(one=["EGF", "RAF1", "AKT1+AKT2"])
    torch.testing.assert_close(of_egf, expected("RAF1", "AKT1", "AKT2"))
    torch.testing.assert_close(of_family, expected("EGF", "RAF1"))
    # A token of two molecules counts once, and not for either of them.
    of_egf, _, of_family, of_twin = found(one=["EGF", "RAF1", "AKT1+AKT2", "AKT2"])
    torch.testing.assert_close(of_egf, expected("RAF1", "AKT1", "AKT2"))
    torch.testing.assert_close(of_family, expected("EGF", "RAF1"))
    torch.testing.assert_close(of_twin, expected("EGF", "RAF1", "AKT1"))
    # Votes of several pathways of a molecule are averaged; a molecule alone in one has no vote.
    of_egf, of_raf1, _, of_alone = found(
        one=["EGF", "RAF1"], two=["EGF", "AKT1"], three=["JUN"]
    ).clone()
    torch.testing.assert_close(of_egf, (expected("RAF1") + expected("AKT1")) / 2)
    torch.testing.assert_close(of_raf1, expected("EGF"))
    assert not of_alone.any()


def test_co_occurrence_is_learned_from_pathways_alone(tokenizer):
    """Pathways hold proteins of one half; a masked one is then predicted among its own half."""
    torch.manual_seed(0)
    config = HMLMConfig(vocab_size=tokenizer.vocab_size, embedding_size=24)
    head, table = (
        HMLMForSignaling(config).masked_molecule.train(),
        torch.nn.Parameter(0.1 * torch.randn(tokenizer.vocab_size, 24)),
    )
    mine = PROTEINS[: len(PROTEINS) // 2], PROTEINS[len(PROTEINS) // 2 :]
    rng = np.random.default_rng(0)
    networks = [
        _in_pathways(one=list(rng.choice(mine[i % 2], len(mine[0]) - 1, replace=False)))
        for i in range(24)
    ]
    batch = tokenizer(networks)
    ids, nothing = batch["input_ids"], torch.full_like(batch["input_ids"], -1)
    wiring = Wiring.from_fields(Fields(batch))
    optimizer = torch.optim.Adam([*head.parameters(), table], lr=0.03)
    fields = (batch["molecule_kind_ids"], batch["membership_index"], 1, wiring, table)
    for _ in range(80):
        optimizer.zero_grad()
        sum(head.losses_alone(head.votes(ids, *fields), ids, nothing, table)).backward()
        optimizer.step()
    head.eval()
    masked = ids.clone()
    masked[:, 0] = tokenizer.mask_token_id
    company = head.votes(masked, *fields).view(24, ids.shape[1], -1)[:, 0, head.widths[0] :]
    scores = company @ table[:, head.widths[0] :].T
    for row, score in enumerate(scores):
        visible = [PROTEINS.index(tokenizer.convert_ids_to_tokens(int(t))) for t in ids[row, 1:, 0]]
        own = [p for p in mine[row % 2] if PROTEINS.index(p) not in visible]
        vocabulary = tokenizer.get_vocab()
        worst = min(score[vocabulary[p]] for p in own)
        assert worst > max(score[vocabulary[p]] for p in mine[1 - row % 2])


def test_scores_that_are_not_numbers_rank_last():
    assert rank_among_candidates(np.array([0.3, 0.9, 0.1, 0.5]), np.ones(4, dtype=bool), [3]) == 1
    assert rank_among_candidates(np.full(4, np.nan), np.ones(4, dtype=bool), [3]) == 3


def test_intervals():
    assert wilson_interval(0, 304)[0] == 0.0
    low, high = wilson_interval(5, 10)
    assert (low, high) == pytest.approx((0.2366, 0.7634), abs=1e-3)
    ratio = paired_ratio(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    assert ratio["ratio"] == 0.5
    assert ratio["interval"] == pytest.approx([0.5, 0.5])


def test_evaluation_of_an_untrained_model(tokenizer, samples):
    torch.manual_seed(0)
    model = HMLMForSignaling(HMLMConfig.of_size("tiny", vocab_size=tokenizer.vocab_size))
    found = evaluate_masked_molecules(model, tokenizer, load_core()[5:], load_core()[:3])
    assert found["n"] > 30
    assert found["neighbour_top10"] > found["frequency_top10"] > found["top10"] - 0.1
    next_state = evaluate_next_state(model, tokenizer, samples[:2], samples[2:])
    assert next_state["n_networks"] == 2
    assert next_state["mse"] < next_state["hold_mse"]


def test_context_mean_uses_context_conditions_only(samples):
    sample = samples[0]
    context = np.arange(6, 12)
    mean = StateBaselines.context_mean(sample, context)
    assert mean[0] == pytest.approx(sample.states[context, 0].astype(float).mean(0))
    assert mean.shape == sample.states.shape[1:]


@pytest.mark.slow
def test_ablations_switch_off_one_part_each_and_restore_it(tokenizer, samples):
    torch.manual_seed(0)
    model = HMLMForSignaling(
        HMLMConfig(
            vocab_size=tokenizer.vocab_size,
            disabled_parts=["smoothing"],
            num_inference_rounds=2,
        )
    )
    networks = load_core()
    table = evaluate_ablations(model, tokenizer, networks[1:3], networks[:1], samples[:2])
    assert list(table) == ["none", *PARTS]
    assert model.config.disabled_parts == ["smoothing"]
    # Effects of these parts need no training. With many context conditions, these determine gates
    # as much as the signs.
    worse = {"signs": 0, "aggregation": 4, "conditions": 16, "inference": 16}
    for part, conditions in worse.items():
        score = f"mse_{conditions}"
        assert table[part][score] > 1.1 * table["none"][score], part
    # Translation between modalities pays only once it is learned.
    assert table["translation"]["mixed_modalities_rmse"] != table["none"]["mixed_modalities_rmse"]
    assert table["smoothing"] == table["none"]


def test_a_context_without_observations_is_none(tokenizer, samples):
    torch.manual_seed(0)
    config = HMLMConfig(vocab_size=tokenizer.vocab_size, hidden_size=16, num_attention_heads=2)
    model = HMLMForSignaling(config).eval()
    network = tokenizer.encode_network(samples[0].visible, warn_unknown=False)
    example = next_state_example(samples[0], network, np.random.default_rng(1), context=3)
    batch = dict(tokenizer.pad([example]))
    fields = [k for k in batch if k.startswith("observation_")]
    padded = batch | {"observation_index": torch.full_like(batch["observation_index"], -1)}
    empty = batch | {name: batch[name][..., :0] for name in fields}
    without = {name: value for name, value in batch.items() if name not in fields}
    expected = model(**without).states
    assert not torch.equal(model(**batch).states, expected)
    assert torch.equal(model(**padded).states, expected)
    assert torch.equal(model(**empty).states, expected)
    model.train()(**empty).loss.backward()


def test_dropout_does_not_depend_on_the_batch(tokenizer):
    torch.manual_seed(0)
    config = HMLMConfig(vocab_size=tokenizer.vocab_size, hidden_size=16, num_attention_heads=2)
    model = HMLMForSignaling(config).train()
    rng = np.random.default_rng(0)
    masked = [
        mask_molecules(tokenizer.encode_network(n, warn_unknown=False), tokenizer, rng)
        for n in load_core()[:4]
    ]
    both = tokenizer.pad(masked)
    ids = unmasked_ids(both["input_ids"], both["masked_ids"])
    candidates = ids[ids >= 3].unique()
    weights = count_terms(both)
    whole = model(**both)
    total = torch.zeros(3)
    for half in (masked[:2], masked[2:]):
        batch = tokenizer.pad(half)
        found = model(**batch, candidate_ids=candidates)
        parts = torch.stack([found.masked_loss, found.neighbour_loss, found.pathway_loss])
        total += parts.detach() * count_terms(batch)[:3] / weights[:3]
    expected = torch.stack([whole.masked_loss, whole.neighbour_loss, whole.pathway_loss])
    assert torch.allclose(total, expected, atol=1e-5)
    # Another seed leaves out other votes.
    again = model(**(dict(both) | {"chance_seed": both["chance_seed"] + 1}))
    assert abs(again.neighbour_loss - whole.neighbour_loss) > 1e-4
    place = torch.arange(20_000)
    kept = is_kept(both["chance_seed"][:, 0], torch.zeros_like(place), place, 0.2)
    assert kept.float().mean() == pytest.approx(0.2, abs=0.01)
