"""Invariants of the model: changes that must not change a result, and others that must."""

import copy
import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch
from toys import toy_network
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

from hmlm_fm import (
    Condition,
    HMLMConfig,
    HMLMForSignaling,
    HMLMModel,
    HMLMTokenizer,
    Observation,
    Perturbation,
    load_network,
)
from hmlm_fm.formats.network_loading import load_core
from hmlm_fm.model.condition_encoding import encode_conditions
from hmlm_fm.model.conditions import MODALITIES
from hmlm_fm.model.configuration_hmlm import PARTS, SIZES
from hmlm_fm.model.fields import FIELDS
from hmlm_fm.model.network import SignalingNetwork
from hmlm_fm.model.transducer import grid_hours

HOURS = (0.3, 2.0, 7.5, 30.0)
QUERIES = (
    Condition({"EGF": 0.9}),
    Condition({"TGFB1": 0.8}, (Perturbation("RAS"),)),
    Condition({"EGF": 0.9}, (Perturbation("ERK", "clamp", 0.37, 1.1, 9.0),)),
)


@pytest.fixture(scope="module")
def tokenizer():
    return HMLMTokenizer()


@pytest.fixture(scope="module")
def model(tokenizer):
    """Odd sizes, weights far from zero: nothing agrees by accident."""
    torch.manual_seed(1)
    config = HMLMConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=36,
        embedding_size=11,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=37,
        initializer_range=0.1,
    )
    model = HMLMForSignaling(config).eval()
    model.set_attn_implementation("eager")
    return model


@pytest.fixture(scope="module")
def exact(model):
    """The same in double precision: rounds of inference amplify the rounding of single precision,
    and here results that must be equal are equal."""
    return copy.deepcopy(model).double()


def query_encoding(tokenizer, network, hours=HOURS, conditions=QUERIES, initial=0.2, context=True):
    """One encoding with query conditions, and a context of two conditions."""
    size = len(network.molecules)
    encoding = dict(
        tokenizer(
            network,
            conditions=[Condition({"EGF": 0.7}), Condition({}, (Perturbation("ERK"),))]
            if context
            else None,
            observations=[
                [Observation("ERK", 4.0, 0.6), Observation("RAS", 1.0, 0.9, "mRNA")],
                [Observation("DUSP1", 9.0, 0.1)],
            ]
            if context
            else None,
            baseline=dict.fromkeys(network.names, 0.1),
            return_tensors=None,
            warn_unknown=False,
        )
    )
    encoding |= encode_conditions(network, conditions, "query_")
    rows = len(conditions)
    return encoding | {
        "query_initial_state": np.full((rows, size), initial, dtype=np.float32),
        "query_initial_mask": np.ones((rows, size), dtype=bool),
        "query_hours": np.tile(np.array(hours, dtype=np.float32), (rows, 1)),
    }


@torch.no_grad()
def states(model, tokenizer, network, **kwargs):
    return model(**tokenizer.pad([query_encoding(tokenizer, network, **kwargs)])).states[0]


def with_interactions(network, change):
    return replace(network, interactions=tuple(change(i) for i in network.interactions))


def test_sizes(tokenizer):
    millions = {}
    for size in SIZES:
        with torch.device("meta"):
            model = HMLMForSignaling(HMLMConfig.of_size(size, vocab_size=tokenizer.vocab_size))
        millions[size] = sum(p.numel() for p in model.parameters()) / 1e6
    expected = {"tiny": 1, "small": 5, "base": 25, "large": 100}
    for size, count in expected.items():
        assert millions[size] == pytest.approx(count, rel=0.2)
    with pytest.raises(ValueError, match="no size"):
        HMLMConfig.of_size("huge")
    with pytest.raises(ValueError, match="unknown parts"):
        HMLMConfig(disabled_parts=["heart"])


def test_backends_agree(exact, tokenizer):
    batch = tokenizer.pad([query_encoding(tokenizer, toy_network(False))])
    found = {}
    for name in ("eager", "sdpa", "sparse"):
        exact.set_attn_implementation(name)
        with torch.no_grad():
            output = exact(**batch)
        found[name] = (output.states, output.encoder.last_hidden_state)
    exact.set_attn_implementation("eager")
    for name in ("sdpa", "sparse"):
        for a, b in zip(found["eager"], found[name], strict=True):
            assert torch.allclose(a, b, atol=1e-9)


def test_backends_train_alike(model, tokenizer):
    batch = tokenizer.pad([query_encoding(tokenizer, toy_network(False))])
    gradients = {}
    for name in ("eager", "sdpa", "sparse"):
        model.set_attn_implementation(name)
        model.zero_grad()
        model(**batch).states.sum().backward()
        gradients[name] = model.hmlm.layers[0].molecular.query.weight.grad.clone()
    model.set_attn_implementation("eager")
    assert gradients["eager"].abs().sum() > 0
    for name in ("sdpa", "sparse"):
        assert torch.allclose(gradients["eager"], gradients[name], atol=1e-4, rtol=1e-3)


def test_attentions_by_kind(model, tokenizer):
    batch = tokenizer.pad([query_encoding(tokenizer, toy_network())])
    with torch.no_grad():
        attentions = model(**batch, output_attentions=True).encoder.attentions
    pairs = batch["pair_index"].shape[1]
    assert len(attentions.molecular) == 2
    assert attentions.molecular[0].shape == (1, 3, 3, pairs)
    # The weights of one query sum to one.
    query = batch["pair_index"][0, :, 0]
    sums = torch.zeros(6).index_add(0, query, attentions.molecular[0][0, 1, 2])
    assert torch.allclose(sums, torch.ones(6), atol=1e-5)
    assert attentions.pathway[0].shape == (1, 3, 3, 4, 4)
    assert attentions.temporal[0].shape == (3, 3)


def test_padding_changes_nothing(exact, tokenizer):
    alone = query_encoding(tokenizer, toy_network())
    large = load_core()[0]
    other = tokenizer.encode_network(large, warn_unknown=False)
    with torch.no_grad():
        single = exact(**tokenizer.pad([alone])).states[0]
        padded = exact(**tokenizer.pad([alone, other])).states[0, :, :, :6]
        logits = exact(**tokenizer([toy_network()], warn_unknown=False)).logits[0]
        batch_logits = exact(**tokenizer([large, toy_network()], warn_unknown=False)).logits[1, :6]
    assert torch.allclose(single, padded, atol=1e-9)
    assert torch.allclose(logits, batch_logits, atol=1e-9)


@pytest.mark.parametrize("backend", ["eager", "sparse"])
def test_permuting_molecules_permutes_outputs(exact, tokenizer, backend):
    exact.set_attn_implementation(backend)
    network = toy_network(False)
    order = [4, 2, 0, 5, 3, 1]
    permuted = replace(network, molecules=tuple(network.molecules[i] for i in order))
    straight = states(exact, tokenizer, network)
    assert torch.allclose(straight[..., order], states(exact, tokenizer, permuted), atol=1e-9)
    with torch.no_grad():
        logits = [exact(**tokenizer(n, warn_unknown=False)).logits[0] for n in (network, permuted)]
    assert torch.allclose(logits[0][order], logits[1], atol=1e-9)
    exact.set_attn_implementation("eager")


def test_direction_sign_and_logic_matter(model, tokenizer):
    network = toy_network()
    straight = states(model, tokenizer, network)
    edges = network.without_logic()
    reverse = with_interactions(
        edges, lambda i: i if i.is_input else replace(i, sources=(i.target,), target=i.sources[0])
    )
    flipped = with_interactions(network, lambda i: replace(i, signs=tuple(-s for s in i.signs)))
    for changed in (reverse, flipped, edges):
        assert (states(model, tokenizer, changed) - straight).abs().max() > 1e-3


def test_without_signs_no_output_depends_on_them(model, tokenizer):
    """Neither the signs themselves nor kinds that state one reach any output."""
    opposite = {"activation": "inhibition", "expression": "repression"}
    network = toy_network()
    flipped = with_interactions(
        network,
        lambda i: replace(i, signs=tuple(-s for s in i.signs), kind=opposite.get(i.kind, i.kind)),
    )
    found = []
    model.config.disabled_parts = ["signs"]
    for given in (network, flipped):
        with torch.no_grad():
            logits = model(**tokenizer(given, warn_unknown=False)).logits
        found.append((states(model, tokenizer, given), logits))
    model.config.disabled_parts = []
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert not torch.equal(states(model, tokenizer, network), found[0][0])


@pytest.mark.parametrize("change", ["direction", "sign", "logic"])
def test_attention_depends_on_the_syntax(model, tokenizer, change):
    """By the biases of molecular attention, not only by degrees, which depend on it too."""
    network, model = toy_network(), copy.deepcopy(model)
    torch.nn.init.zeros_(model.hmlm.embeddings.place.weight)
    if change == "direction":
        network = network.without_logic()
        other = with_interactions(
            network,
            lambda i: i if i.is_input else replace(i, sources=(i.target,), target=i.sources[0]),
        )
    elif change == "sign":
        other = with_interactions(network, lambda i: replace(i, signs=tuple(-s for s in i.signs)))
    else:
        other = replace(network.without_logic(), logic_known=True)
    with torch.no_grad():
        a = model.hmlm(**tokenizer(network, warn_unknown=False)).last_hidden_state
        b = model.hmlm(**tokenizer(other, warn_unknown=False)).last_hidden_state
    assert (a - b).abs().max() > 1e-3


def test_perturbations_have_their_stated_effects(model, tokenizer):
    conditions = (
        Condition({"EGF": 0.9}, (Perturbation("ERK"),)),
        Condition({"EGF": 0.9}, (Perturbation("ERK", start_hours=1.3),)),
        Condition({"EGF": 0.9}, (Perturbation("ERK", "clamp", 0.37, 2.0, 5.0),)),
        Condition({"EGF": 0.9}, (Perturbation("ERK", "overexpression", 1.0),)),
        Condition({"EGF": 0.9}, (Perturbation("RAS", "inhibition", 1.0),)),
        Condition({"EGF": 0.9}, (Perturbation("RAS"),)),
        Condition({"EGF": 0.9}),
    )
    hours = (0.0, 1.29, 1.3, 3.1, 4.99, 5.2, 60.0)
    found = states(model, tokenizer, toy_network(), hours=hours, conditions=conditions, initial=1.0)
    erk = found[..., 3]
    assert (erk[0] == 0).all()
    assert erk[1, 1] > 0
    assert (erk[1, 2:] == 0).all()
    assert torch.allclose(erk[2, 3:5], torch.tensor(0.37))
    assert abs(float(erk[2, 5]) - 0.37) > 1e-4
    assert erk[3, -1] > erk[-1, -1]
    # Full inhibition and a knock-out have the same effect downstream, but not on the molecule.
    assert torch.allclose(found[4, -1, 3], found[5, -1, 3], atol=1e-3)
    assert found[4, -1, 2] > 0.05


def test_a_window_that_begins_at_the_last_hour_holds_there(model, tokenizer):
    late = Condition({"EGF": 0.9}, (Perturbation("ERK", start_hours=24.0),))
    other = Condition({"EGF": 0.9}, (Perturbation("RAS", start_hours=3.0),))
    alone, *_ = states(model, tokenizer, toy_network(), hours=(6.0, 24.0), conditions=(late,))
    beside, *_ = states(
        model, tokenizer, toy_network(), hours=(6.0, 24.0), conditions=(late, other)
    )
    assert alone[0, 3] > 0.01
    assert alone[1, 3] == 0
    assert torch.allclose(alone, beside, atol=1e-6)


def test_two_knockouts_give_two_predictions(model, tokenizer):
    network = toy_network()
    conditions = [Condition({"EGF": 0.9}, (Perturbation(n),)) for n in ("RAS", "TGFB1")]
    found = states(model, tokenizer, network, conditions=conditions)
    assert (found[0, -1, 3] - found[1, -1, 3]).abs() > 1e-3


def test_states_lie_between_0_and_1(model, tokenizer):
    found = states(model, tokenizer, toy_network(False), initial=1.0)
    assert (found >= 0).all()
    assert (found <= 1).all()


def test_predictions_do_not_depend_on_the_other_query_times(model, tokenizer):
    together = states(model, tokenizer, toy_network())
    for position, hour in enumerate(HOURS):
        alone = states(model, tokenizer, toy_network(), hours=(hour,))
        assert torch.allclose(alone[:, 0], together[:, position], atol=1e-5)


def test_conditions_in_the_context_have_no_order_and_no_count(model, tokenizer):
    network = toy_network()
    observations = [[Observation("ERK", 4.0, 0.6)], [Observation("RAS", 1.0, 0.9)]]
    conditions = [Condition({"EGF": 0.7}), Condition({"TGFB1": 0.4})]

    def encode(order):
        return tokenizer(
            network,
            conditions=[conditions[i] for i in order],
            observations=[observations[i] for i in order],
            warn_unknown=False,
        )

    with torch.no_grad():
        a = model.hmlm(**encode([0, 1])).last_hidden_state[:, 0]
        b = model.hmlm(**encode([1, 0])).last_hidden_state[:, 0]
        none = model.hmlm(**tokenizer(network, warn_unknown=False)).last_hidden_state[:, 0]
        twice = model.hmlm(**encode([0, 0])).last_hidden_state[:, 0]
        once = model.hmlm(**encode([0])).last_hidden_state[:, 0]
    assert torch.allclose(a, b, atol=1e-5)
    assert torch.allclose(twice, once, atol=1e-5)
    assert (a - once).abs().max() > 1e-3
    assert (a - none).abs().max() > 1e-3


def test_smoothing_uses_observations_on_both_sides(model, tokenizer):
    network = toy_network()
    encoding = query_encoding(tokenizer, network, hours=(4.0,), conditions=QUERIES[:1])
    plain = states(model, tokenizer, network, hours=(4.0,), conditions=QUERIES[:1])[0, 0]
    observed = np.full((1, 2, 6), 0.95, dtype=np.float32)
    mask = np.zeros((1, 2, 6), dtype=bool)
    mask[..., 3] = True
    encoding |= {
        "query_observation_hours": np.array([[2.0, 6.0]], dtype=np.float32),
        "query_observation_value": observed,
        "query_observation_mask": mask,
    }
    with torch.no_grad():
        smoothed = model(**tokenizer.pad([encoding])).states[0, 0, 0]
    assert (smoothed[3] - 0.95).abs() < (plain[3] - 0.95).abs()
    others = [0, 1, 2, 4, 5]
    assert torch.allclose(smoothed[others], plain[others], atol=1e-5)


def with_observations(encoding, hours=(2.0, 6.0), value=0.95):
    """The same queries with observations of every molecule at every time."""
    shape = (len(encoding["query_hours"]), len(hours), encoding["query_initial_state"].shape[1])
    return encoding | {
        "query_observation_hours": np.tile(np.array(hours, dtype=np.float32), (shape[0], 1)),
        "query_observation_value": np.full(shape, value, dtype=np.float32),
        "query_observation_mask": np.ones(shape, dtype=bool),
    }


@torch.no_grad()
def test_what_is_given_exactly_stays_exact_whatever_was_observed(model, tokenizer):
    encoding = query_encoding(tokenizer, toy_network(), hours=(0.0, 4.0), conditions=QUERIES[1:])
    found = model(**tokenizer.pad([with_observations(encoding)])).states[0]
    ras, erk = 2, 3
    assert (found[0, :, ras] == 0).all()
    assert found[1, 1, erk] == pytest.approx(0.37)
    free = [n for n in range(6) if n != ras]
    assert torch.allclose(found[0, 0, free], torch.full((5,), 0.2), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("hour", [1.0, 3.0])
def test_a_perturbation_releases_a_state_continuously(model, tokenizer, hour):
    """Observations before or during a hold change nothing after it; later ones do."""
    condition = (Condition({"EGF": 0.9}, (Perturbation("ERK", "knockout", 1.0, 2.0, 6.0),)),)
    query = {"hours": (5.99, 6.0, 6.01, 12.0), "conditions": condition}
    encoding = query_encoding(tokenizer, toy_network(), **query)
    plain = states(model, tokenizer, toy_network(), **query)[0, :, 3]
    early, late = (
        model(**tokenizer.pad([with_observations(encoding, hours)])).states[0, 0, :, 3]
        for hours in ((hour,), (hour, 11.0))
    )
    assert torch.allclose(early, plain, atol=1e-5)
    assert (late[:3] - plain[:3]).abs().max() < 0.01
    assert (late[3] - plain[3]).abs() > 0.02


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_predict_too(tokenizer, tmp_path, dtype):
    torch.manual_seed(0)
    model = HMLMForSignaling(HMLMConfig(vocab_size=tokenizer.vocab_size)).eval()
    model.save_pretrained(tmp_path)
    batch = tokenizer.pad([with_observations(query_encoding(tokenizer, toy_network()))])
    with torch.no_grad():
        expected = model(**batch).states
        for cast in (model.to(dtype), HMLMForSignaling.from_pretrained(tmp_path, dtype=dtype)):
            found = cast.eval()(**batch).states
            assert found.dtype in (torch.float32, torch.float64)
            assert (found - expected).abs().max() < 0.01


@torch.no_grad()
def test_a_state_without_a_mask_is_known_and_padding_is_not(exact, tokenizer):
    bare = query_encoding(tokenizer, toy_network())
    for field in ("query_initial_state", "query_initial_mask", "baseline_state", "baseline_mask"):
        bare.pop(field, None)
    given = bare | {
        "query_initial_state": np.full((3, 6), 0.3, dtype=np.float32),
        "baseline_state": np.full(6, 0.1, dtype=np.float32),
    }
    masked = given | {
        "query_initial_mask": np.ones((3, 6), dtype=bool),
        "baseline_mask": np.ones(6, dtype=bool),
    }
    alone, known = (exact(**tokenizer.pad([e])).states[0] for e in (bare, masked))
    together = exact(**tokenizer.pad([bare, given])).states
    assert torch.allclose(together[0], alone, atol=1e-9)
    assert torch.allclose(together[1], known, atol=1e-9)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": 8}')
    with pytest.raises(ValueError, match="a 'bert' model; expected 'hmlm'"):
        HMLMForSignaling.from_pretrained(tmp_path)


def test_the_vocabulary_cannot_be_resized(model):
    with pytest.raises(ValueError, match="one list for the whole package"):
        model.resize_token_embeddings(10)


@torch.no_grad()
def test_neighbours_in_a_batch_change_nothing(exact, tokenizer):
    """Contexts of different sizes, and observations of the query in one network alone."""
    lowered = (Condition({"EGF": 0.9}, (Perturbation("ERK", "knockdown", 0.9),)),)
    plain = query_encoding(tokenizer, toy_network(), conditions=lowered, initial=1.0, context=False)
    observed = with_observations(query_encoding(tokenizer, toy_network(), conditions=lowered))
    together = exact(**tokenizer.pad([plain, observed])).states
    for row, encoding in enumerate((plain, observed)):
        alone = exact(**tokenizer.pad([encoding])).states[0]
        assert torch.allclose(together[row], alone, atol=1e-9)


@torch.no_grad()
def test_neighbours_in_a_batch_do_not_change_a_state_at_rest(exact, tokenizer):
    """An unknown one, in networks that take more and less time to come to rest."""
    networks = [toy_network(), load_network("foxo"), load_network("cardiac-fibroblast")]
    encodings = [
        query_encoding(tokenizer, network, conditions=(Condition(),), context=False)
        for network in networks
    ]
    for encoding in encodings:
        for name in ("baseline_state", "baseline_mask"):
            encoding.pop(name, None)
        encoding["query_initial_mask"] = np.zeros_like(encoding["query_initial_mask"])
    together = exact(**tokenizer.pad(encodings)).states
    for row, encoding in enumerate(encodings):
        alone = exact(**tokenizer.pad([encoding])).states[0]
        assert torch.allclose(together[row, ..., : alone.shape[-1]], alone, atol=1e-9)


@torch.no_grad()
def test_mrna_follows_the_drive(model, tokenizer):
    """Right after a stimulus the drive has jumped, and the state has not yet."""
    conditions = [Condition({"EGF": 1.0}), Condition({"EGF": 0.1})]
    encoding = query_encoding(tokenizer, toy_network(), hours=(0.001,), conditions=conditions)
    values = model(**tokenizer.pad([encoding])).modality_values[0, :, 0, 0]
    difference = (values[0] - values[1]).abs()
    mrna, protein = MODALITIES.index("mRNA"), MODALITIES.index("protein")
    assert difference[mrna] > 100 * difference[protein]


@pytest.mark.parametrize("backend", ["eager", "sdpa", "sparse"])
def test_half_precision_changes_little(model, tokenizer, backend):
    batch = tokenizer.pad([query_encoding(tokenizer, toy_network())])
    model.set_attn_implementation(backend)
    with torch.no_grad():
        whole = model(**batch).states
        with torch.autocast("cpu", torch.bfloat16):
            half = model(**batch).states
    model.set_attn_implementation("eager")
    assert half.dtype == torch.float32
    assert torch.allclose(whole, half, atol=0.05)


def test_gates_are_inferred_in_full_precision(model, tokenizer):
    fields = query_encoding(tokenizer, toy_network())
    context = {k: v for k, v in tokenizer.pad([fields]).items() if not k.startswith("query_")}
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits, _ = model.infer_gates(**context)
    assert {value.dtype for value in vars(logits).values()} == {torch.float32, torch.long}


def test_unknown_first_states_are_filled(model, tokenizer):
    encoding = query_encoding(tokenizer, toy_network())
    encoding["query_initial_mask"][:] = False
    with torch.no_grad():
        found = model(**tokenizer.pad([encoding])).states
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("part", PARTS)
def test_every_part_can_be_switched_off_and_changes_the_result(tokenizer, part):
    torch.manual_seed(2)
    config = HMLMConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=16,
        embedding_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        initializer_range=0.4,
    )
    model = HMLMForSignaling(config).eval()
    encoding = query_encoding(tokenizer, toy_network(False), conditions=QUERIES[:2])
    encoding |= {
        "query_observation_hours": np.tile(np.array([2.0, 6.0], dtype=np.float32), (2, 1)),
        "query_observation_value": np.full((2, 2, 6), 0.9, dtype=np.float32),
        "query_observation_mask": np.ones((2, 2, 6), dtype=bool),
    }
    batch = tokenizer.pad([encoding])
    with torch.no_grad():
        whole = model(**batch).states
        model.config.disabled_parts = [part]
        without = model(**batch).states
    assert (whole - without).abs().max() > 1e-6


def test_gradient_checkpointing_changes_nothing(tokenizer):
    torch.manual_seed(3)
    config = HMLMConfig(vocab_size=tokenizer.vocab_size, hidden_size=16, num_attention_heads=2)
    model = HMLMForSignaling(config).train()
    batch = tokenizer.pad([query_encoding(tokenizer, toy_network())])
    gradients = []
    for enabled in (False, True):
        if enabled:
            model.gradient_checkpointing_enable()
        model.zero_grad()
        model(**batch).states.sum().backward()
        gradients.append(model.hmlm.layers[0].mlp.up.weight.grad.clone())
    assert torch.allclose(*gradients, atol=1e-6)


def test_initial_weights_follow_the_table(tokenizer):
    """transformers calls `_init_weights` on leaves; gate defaults are leaves for that reason."""
    model = HMLMForSignaling(HMLMConfig(vocab_size=tokenizer.vocab_size))
    assert model.next_state.gates.partner_default.weight[0].item() == 3.0
    assert model.next_state.gates.weight_default.weight.min().item() == -4.0
    assert (model.hmlm.embeddings.members.weight[0] == 0).all()
    assert model.hmlm.norm.weight.eq(1).all()


def test_save_and_load_is_bit_equal(model, tokenizer, tmp_path):
    model.save_pretrained(tmp_path)
    batch = tokenizer.pad([query_encoding(tokenizer, toy_network())])
    loaded, info = HMLMForSignaling.from_pretrained(
        tmp_path, output_loading_info=True, attn_implementation="eager"
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    with torch.no_grad():
        assert torch.equal(model(**batch).states, loaded.eval()(**batch).states)
    assert type(AutoConfig.from_pretrained(tmp_path)) is HMLMConfig
    assert type(AutoModelForMaskedLM.from_pretrained(tmp_path)) is HMLMForSignaling
    base, info = HMLMModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert torch.equal(base.norm.weight, model.hmlm.norm.weight)
    assert type(AutoModel.from_pretrained(tmp_path)) is HMLMModel


def test_an_untrained_model_already_follows_the_wiring(tokenizer):
    """Default gates: a stimulus upstream raises ERK, and a knock-out in between prevents it."""
    torch.manual_seed(0)
    model = HMLMForSignaling(HMLMConfig.of_size("tiny", vocab_size=tokenizer.vocab_size)).eval()
    conditions = [Condition({"EGF": 1.0}), Condition({"EGF": 1.0}, (Perturbation("RAS"),))]
    found = states(
        model, tokenizer, toy_network(), hours=(40.0,), conditions=conditions, context=False
    )[:, 0]
    assert found[0, 3] > found[1, 3] + 0.1


def test_the_grid_is_anchored():
    long, short = grid_hours(100.0), grid_hours(7.3)
    assert torch.equal(long[: len(short)], short)
    assert short[-1] >= 7.3
    assert grid_hours(0.0).tolist() == [0.0]


def test_a_network_without_interactions(model, tokenizer):
    network = SignalingNetwork("lone", toy_network().molecules[:2], (), toy_network().pathways)
    with torch.no_grad():
        output = model(**tokenizer(network, warn_unknown=False))
    assert torch.isfinite(output.logits).all()


def test_the_fibroblast_network_runs(model, tokenizer):
    network = load_network("cardiac-fibroblast")
    with torch.no_grad():
        assert torch.isfinite(model(**tokenizer(network, warn_unknown=False)).logits).all()


def test_whatever_is_computed_is_trained(tokenizer):
    """Distributed training waits for every parameter that an output depends on, so each must have
    a gradient, also in a network where no literal has a partner."""
    chain = replace(toy_network(), interactions=toy_network().interactions[:3])
    model = HMLMForSignaling(HMLMConfig(vocab_size=tokenizer.vocab_size))
    encoding = query_encoding(tokenizer, chain, context=False)
    shape = (len(QUERIES), len(HOURS), len(chain.molecules))
    encoding["target_states"] = np.full(shape, 0.3, dtype=np.float32)
    encoding["target_states_mask"] = np.ones(shape, dtype=bool)
    output = model(**tokenizer.pad([encoding]))
    assert not output.gates.partner_X.numel()
    output.loss.backward()
    assert model.next_state.gates.partner.weight.grad is not None
    assert model.next_state.gates.partner_default.weight.grad is not None


def test_the_loss_comes_first(model, tokenizer):
    batch = tokenizer.pad([query_encoding(tokenizer, toy_network(), context=False)])
    target = torch.full((1, len(QUERIES), len(HOURS), 6), 0.3)
    labels = {"target_states": target, "target_states_mask": target > 0}
    with torch.no_grad():
        output = model(**batch, **labels)
        bare = model(**tokenizer(toy_network(), warn_unknown=False))
    assert output[0] is output.loss is output["loss"]
    assert output["next_state_loss"] is output.next_state_loss
    assert bare[0] is bare.logits


def test_the_signature_names_every_field():
    assert set(FIELDS) <= set(inspect.signature(HMLMForSignaling.forward).parameters)


@pytest.mark.parametrize("base", [False, True])
def test_missing_and_unknown_fields_are_refused(model, tokenizer, base):
    called = model.hmlm if base else model
    batch = tokenizer(toy_network(), warn_unknown=False)
    with pytest.raises(ValueError, match="'atention_mask'; did you mean 'attention_mask'"):
        called(**batch, atention_mask=batch["attention_mask"])
    some = {name: batch[name] for name in ("input_ids", "pair_index")}
    with pytest.raises(ValueError, match="missing fields: attention_mask, molecule_kind_ids, .*"):
        called(**some)
    with pytest.raises(ValueError, match="input_ids is a ndarray; expected a tensor"):
        called(**tokenizer(toy_network(), return_tensors=None, warn_unknown=False))
    with pytest.raises(ValueError, match="return_dict is False"):
        called(**batch, return_dict=False)
    with pytest.raises(ValueError, match="output_hidden_states is True"):
        called(**batch, output_hidden_states=True)
    called(**batch, return_dict=True, output_hidden_states=False)


def test_gates_are_not_inferred_from_half_a_network(model, tokenizer):
    batch = tokenizer(toy_network(), warn_unknown=False)
    del batch["literal_sign"], batch["partner_index"]
    with pytest.raises(ValueError, match="missing fields: literal_sign, partner_index"):
        model.infer_gates(**batch)


HOURS_BQU = torch.ones(1, 3, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query_hours": HOURS_BQU[0]}, r"query_hours is of shape \(3, 4\).* = \(1, 3, U\)"),
        ({"query_hours": HOURS_BQU[:, :2]}, r"query_hours .* \(1, 2, 4\).* = \(1, 3, U\)"),
        ({"query_hours": -HOURS_BQU}, "at least 0"),
        ({"query_hours": HOURS_BQU * torch.nan}, "finite hours"),
        ({"query_hours": HOURS_BQU[..., :0]}, "expected finite hours"),
        ({"query_hours": None}, "missing fields: query_hours; expected query_hours, query_stim"),
        ({"query_initial_state": torch.ones(1, 3, 5)}, r"query_initial_state .* = \(1, 3, 6\)"),
        ({"query_perturbation_kind": None}, "missing fields: query_perturbation_kind"),
        ({"target_states": torch.ones(1, 3, 4, 6)}, "missing fields: target_states_mask"),
        (
            {"target_states": torch.ones(1, 3, 4, 1), "target_states_mask": torch.ones(1, 3, 4, 1)},
            r"target_states is of shape \(1, 3, 4, 1\).* = \(1, 3, 4, 6\)",
        ),
        (
            {"query_observation_value": torch.ones(1, 3, 2, 6)},
            "missing fields: query_observation_hours, query_observation_mask",
        ),
        ({"observation_value": None}, "missing fields: observation_value"),
    ],
)
def test_a_query_of_the_wrong_shape_is_refused(model, tokenizer, change, message):
    batch = tokenizer.pad([query_encoding(tokenizer, toy_network())])
    with pytest.raises(ValueError, match=message):
        model(**{**batch, **change})


@torch.no_grad()
def test_fields_of_any_precision_are_taken(model, tokenizer):
    batch = dict(tokenizer.pad([query_encoding(tokenizer, toy_network(), hours=(1.0, 6.0))]))
    expected = model(**batch).states
    for dtype in (torch.float64, torch.int64):
        found = model(**{**batch, "query_hours": batch["query_hours"].to(dtype)}).states
        assert torch.equal(found, expected)
    doubled = {n: v.double() if v.is_floating_point() else v for n, v in batch.items()}
    assert torch.allclose(model(**doubled).states, expected, atol=1e-5)
