"""Gates that are inferred from a context, checked against the simulator."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from toys import toy_network

from hmlm_fm import Condition, HMLMConfig, HMLMForSignaling, HMLMTokenizer, Observation
from hmlm_fm.dynamics.simulator import simulate
from hmlm_fm.model import gate_inference
from hmlm_fm.model.condition_encoding import encode_conditions
from hmlm_fm.model.conditions import Perturbation
from hmlm_fm.model.evidence import Context, gather_evidence, local_states
from hmlm_fm.model.fields import Fields
from hmlm_fm.model.gate_inference import INFERRED, CellScale, LogitLayout
from hmlm_fm.model.gates import GateLogits
from hmlm_fm.model.graph import Wiring
from hmlm_fm.model.network import SignalingNetwork
from hmlm_fm.model.transducer import Transducer

HOURS = (1.0, 4.0, 12.0, 30.0)
DENSE_HOURS = (0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 21, 24, 27, 30)
CONTEXT = (
    Condition({"EGF": 0.9}),
    Condition({"TGFB1": 0.8}),
    Condition({"EGF": 0.5, "TGFB1": 0.5}),
    Condition({"EGF": 0.7}, (Perturbation("DUSP1"),)),
    Condition({"EGF": 0.8}, (Perturbation("ERK", "clamp", 0.6, 2.0, 9.0),)),
    Condition({"EGF": 0.4}, (Perturbation("RAS", "inhibition", 0.7),)),
)
QUERIES = (Condition({"EGF": 0.6}), Condition({"TGFB1": 0.9}, (Perturbation("DUSP1"),)))


def truth(slower: float = 3.0, ec50: float = 0.7) -> SignalingNetwork:
    """The toy network, slower and less sensitive than in the defaults of an untrained model."""
    network = toy_network()
    return replace(
        network,
        molecules=tuple(replace(m, tau_hours=slower * m.tau_hours) for m in network.molecules),
        interactions=tuple(
            i if i.is_input else replace(i, weight=0.8 * (i.weight or 1.0), ec50=ec50, n=2.0)
            for i in network.interactions
        ),
    )


@pytest.fixture(scope="module")
def tokenizer():
    return HMLMTokenizer()


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    return HMLMForSignaling(HMLMConfig.of_size("tiny", vocab_size=tokenizer.vocab_size)).eval()


@pytest.fixture(scope="module")
def baseline():
    return simulate(truth(), [Condition()], [300.0])[0, 0]


def observed(baseline, molecules=None, conditions=CONTEXT, network=None, hours=HOURS):
    """Observations of each condition as the simulator gives them."""
    network = network or truth()
    states = simulate(network, conditions, hours, initial=baseline)
    return [
        [
            Observation(name, hour, float(states[c, t, n]))
            for t, hour in enumerate(hours)
            for n, name in enumerate(network.names)
            if molecules is None or name in molecules
        ]
        for c in range(len(conditions))
    ]


def encode(tokenizer, baseline, context, queries=QUERIES):
    network = truth()
    conditions, observations = context if context else (None, None)
    encoding = dict(
        tokenizer(
            network.without_kinetics(),
            conditions=conditions,
            observations=observations,
            baseline=dict(zip(network.names, baseline.tolist(), strict=True)),
            return_tensors=None,
            warn_unknown=False,
        )
    )
    rows = len(queries)
    return (
        encoding
        | encode_conditions(network, queries, "query_")
        | {
            "query_initial_state": np.tile(baseline.numpy().astype(np.float32), (rows, 1)),
            "query_initial_mask": np.ones((rows, len(baseline)), dtype=bool),
            "query_hours": np.tile(np.array(HOURS, dtype=np.float32), (rows, 1)),
        }
    )


def error(output, baseline):
    target = simulate(truth(), QUERIES, HOURS, initial=baseline)
    return float(((output.states[0] - target) ** 2).mean())


@torch.no_grad()
def test_context_corrects_an_untrained_model(model, tokenizer, baseline):
    alone = model(**tokenizer.pad([encode(tokenizer, baseline, None)]))
    context = (list(CONTEXT), observed(baseline))
    informed = model(**tokenizer.pad([encode(tokenizer, baseline, context)]))
    assert error(informed, baseline) < 0.5 * error(alone, baseline)


@torch.no_grad()
def test_time_constants_follow_observations(model, tokenizer, baseline):
    inferred = []
    for slower in (6.0, 0.5):
        network = truth(slower, ec50=0.5)
        observations = observed(baseline, network=network)
        batch = tokenizer.pad([encode(tokenizer, baseline, (list(CONTEXT), observations))])
        inferred.append(model(**batch).gates.tau_hours_F)
    # The stimulated molecules only: those downstream follow them.
    stimulated = [truth().molecule_index[name] for name in ("EGF", "TGFB1")]
    assert (inferred[0][stimulated] > 3 * inferred[1][stimulated]).all()


@torch.no_grad()
def test_defaults_replace_a_first_guess_that_inference_cannot_correct(model, tokenizer, baseline):
    """Interactions of weight 0 have no sensitivity: no step would raise it."""
    misled = copy.deepcopy(model)
    misled.next_state.gates.weight_default.weight.fill_(-12.0)
    batch = tokenizer.pad([encode(tokenizer, baseline, (list(CONTEXT), observed(baseline)))])
    expected, found = (error(of(**batch), baseline) for of in (model, misled))
    assert found < 1.5 * expected
    # Training has to correct the guess itself.
    assert error(misled.train()(**batch), baseline) > 3 * expected


@torch.no_grad()
def test_without_observations_molecules_move_with_the_cell_alone(model, tokenizer, baseline):
    """Observations of a molecule change its own gate; the others change by what all have in common,
    and where that is switched off, not at all."""
    context = (list(CONTEXT), observed(baseline, molecules={"RAS"}))
    batch = tokenizer.pad([encode(tokenizer, baseline, context)])
    is_observed = torch.tensor([name == "RAS" for name in truth().names])

    def log_tau(*parts):
        model.config.disabled_parts = list(parts)
        found = model(**batch).gates.tau_hours_F.log()
        model.config.disabled_parts = []
        return found

    moved = log_tau() - log_tau("inference")
    alone = log_tau("aggregation") - log_tau("aggregation", "inference")
    assert torch.equal(alone.abs() > 1e-6, is_observed)
    others = moved[~is_observed]
    assert (others - others.mean()).abs().max() < 1e-5
    assert others.mean().abs() > 1e-4
    assert (moved[is_observed] - others.mean()).abs() > 1e-3


def test_the_cell_takes_the_damped_least_squares_step():
    """Two molecules err by 0.1 and 0.3 with sensitivities 0.5 and 1 to a logit of one kind: the
    step is -v · Σ e·s / (v · Σ s² + damping); another network in the batch has its own."""
    kind = list(INFERRED).index("log_n_J")
    layout = LogitLayout(
        network_L=torch.tensor([0, 0, 1, 1]),
        networks=2,
        target_L=torch.tensor([0, 1, 2, 3]),
        molecules=4,
        kind_L=torch.tensor([kind, kind, kind, kind + 1]),
    )
    scale = CellScale(HMLMConfig())
    with torch.no_grad():
        scale.prior.weight.zero_()
        scale.damping.weight.fill_(np.log(0.02))
    sensitivity = torch.tensor([0.5, 1.0, 0.0, 0.0])
    error = torch.tensor([0.1, 0.3, 1.0, 0.0])
    move = scale(layout, error * sensitivity, sensitivity, error**2)
    step = -(0.1 * 0.5 + 0.3) / (0.5**2 + 1 + 0.02)
    expected = 0.7 * np.tanh(step / 0.7)
    torch.testing.assert_close(move, torch.tensor([expected, expected, 0.0, 0.0]).float())
    # Sensitivities that cancel in their mean: the step is no longer than their squares allow.
    move = scale(layout, error * sensitivity, 0 * sensitivity, error**2)
    torch.testing.assert_close(move, torch.tensor([expected, expected, 0.0, 0.0]).float())


def measured(signal, modality, molecules):
    """Observations through an instrument of unknown offset, gain and saturation."""
    return [
        [
            Observation(
                name, hour, 0.15 + 1.3 * (x := float(signal[c, t, n])) * 3 / (x + 2), modality
            )
            for t, hour in enumerate(HOURS)
            for n, name in enumerate(truth().names)
            if name in molecules
        ]
        for c in range(len(CONTEXT))
    ]


@torch.no_grad()
@pytest.mark.parametrize("modality", ["phosphoprotein", "protein", "imaging feature"])
def test_every_modality_is_evidence(model, tokenizer, baseline, modality):
    observations = measured(
        simulate(truth(), CONTEXT, HOURS, initial=baseline), modality, truth().names
    )
    batch = tokenizer.pad([encode(tokenizer, baseline, (list(CONTEXT), observations))])
    informed = error(model(**batch), baseline)
    model.config.disabled_parts = ["translation"]
    without = error(model(**batch), baseline)
    model.config.disabled_parts = []
    assert informed < 0.9 * without


def test_the_truth_solves_every_molecules_equation(model, tokenizer, baseline):
    """With the simulator's own gates and smoothed states that pass through its states, the local
    solutions are the observed states, and their drives u = s + τ·ds/dt those that mRNA follows."""
    network = truth()
    conditions = [*CONTEXT, Condition({"EGF": 0.9}, (Perturbation("ERK", start_hours=12.4),))]
    states = simulate(network, conditions, DENSE_HOURS, initial=baseline)
    wiring, evidence = with_true_inputs(tokenizer, baseline, conditions)
    gates = true_gates(wiring).gates(wiring)
    solved = local_states(gates, wiring, evidence)
    assert len(solved) > 300
    assert (solved - evidence.value_O).abs().max() < 0.03
    tau = torch.tensor([m.tau_hours for m in network.molecules])
    around = [hour + late for hour in DENSE_HOURS[1:] for late in (-0.01, 0.01)]
    early, late = (
        simulate(network, conditions, around, initial=baseline).unflatten(1, (-1, 2)).unbind(2)
    )
    drive_CTN = states[:, 1:] + tau * (late - early) / 0.02
    on_drives = replace(evidence, is_drive_O=torch.ones_like(evidence.is_drive_O))
    drives = local_states(gates, wiring, on_drives)
    position = torch.full((len(drives),), -1)
    for t, hour in enumerate(DENSE_HOURS[1:]):
        at = evidence.hours_FCG[evidence.molecule_O, evidence.condition_O, evidence.step_O]
        position[((at + evidence.since_O) - hour).abs() < 1e-3] = t
    known = position >= 0
    expected = drive_CTN[evidence.condition_O, position, evidence.molecule_O]
    # Between grid times a drive is interpolated linearly.
    assert (drives - expected)[known].abs().mean() < 0.01
    wrong = replace(gates, tau_hours_F=gates.tau_hours_F * 2)
    other = local_states(wrong, wiring, evidence)
    assert (other - evidence.value_O).abs().max() > 0.1


@pytest.fixture(scope="module")
def laid_out(tokenizer, baseline):
    return with_true_inputs(tokenizer, baseline, list(CONTEXT))


def with_true_inputs(tokenizer, baseline, conditions, hours=DENSE_HOURS, network=None):
    """The wiring of `truth`, and evidence in which the inputs of every molecule are right."""
    network = network or truth()
    observations = observed(baseline, conditions=conditions, network=network, hours=hours)
    batch = tokenizer.pad([encode(tokenizer, baseline, (conditions, observations))])
    wiring = Wiring.from_fields(Fields(batch))
    gates = true_gates(wiring, network).gates(wiring)
    transducer = Transducer(HMLMConfig())
    context = Context.from_fields(Fields(batch), torch.float32)
    return wiring, gather_evidence(context, context.roll_out(gates, wiring, transducer), gates)


@torch.no_grad()
@pytest.mark.parametrize("wrong", [1 / 6, 6.0])
def test_the_search_finds_time_constants_far_from_the_guess(model, laid_out, wrong):
    wiring, evidence = laid_out
    truth_of = true_gates(wiring)
    guess = replace(truth_of, log_tau_F=truth_of.log_tau_F + np.log(wrong))
    search = model.next_state.search
    found = search(guess, wiring, evidence, guess.log_tau_F)
    off = (found.log_tau_F - truth_of.log_tau_F).abs()
    assert off.max() < 0.5 < abs(np.log(wrong))
    # What was right stays right.
    kept = search(truth_of, wiring, evidence, truth_of.log_tau_F)
    assert (kept.log_tau_F - truth_of.log_tau_F).abs().max() < 0.2


LATE_HOURS = (16.0, 32.0, 48.0)


@pytest.fixture(scope="module")
def at_rest(tokenizer, baseline):
    """The wiring, evidence and gates of a network whose molecules all take an hour, and which is
    observed only after it came to rest."""
    network = truth()
    equal = tuple(replace(m, tau_hours=1.0) for m in network.molecules)
    network = replace(network, molecules=equal)
    laid_out = with_true_inputs(tokenizer, baseline, list(CONTEXT), LATE_HOURS, network)
    return *laid_out, true_gates(laid_out[0], network)


@torch.no_grad()
def test_observations_at_rest_alone_leave_the_guess(model, at_rest, monkeypatch):
    """They bound time constants only from above. With one prior for all networks these would be
    inferred too short."""
    wiring, evidence, guess = at_rest
    search = model.next_state.search
    kept = search(guess, wiring, evidence, guess.log_tau_F).log_tau_F.abs().mean()
    assert kept < 0.15
    monkeypatch.setattr(gate_inference, "CLOSER", (1.0,))
    assert search(guess, wiring, evidence, guess.log_tau_F).log_tau_F.abs().mean() > 2 * kept


@torch.no_grad()
def test_searched_again_and_again_time_constants_are_held_by_the_first_guess(model, at_rest):
    wiring, evidence, guess = at_rest
    found, moves = guess, []
    for _ in range(6):
        before = found.log_tau_F
        found = model.next_state.search(found, wiring, evidence, guess.log_tau_F)
        moves.append(float((found.log_tau_F - before).abs().max()))
    assert moves[-1] < 0.1 * moves[0]


def test_the_search_leaves_to_training_what_it_does_not_find(model, laid_out):
    """A first guess that the search overrules has little gradient; that of a molecule without
    observations has all of it, and without Ω↑ is unchanged."""
    wiring, evidence = laid_out
    unobserved = 0
    kept = evidence.molecule_O != unobserved
    observation_fields = [f for f in vars(evidence) if f.endswith("_O")]
    evidence = replace(evidence, **{f: getattr(evidence, f)[kept] for f in observation_fields})
    log_tau = (true_gates(wiring).log_tau_F + 1.0).requires_grad_()
    guess = replace(true_gates(wiring), log_tau_F=log_tau)
    model.config.disabled_parts = ["aggregation"]
    found = model.next_state.search(guess, wiring, evidence, log_tau).log_tau_F
    model.config.disabled_parts = []
    assert found[unobserved] == log_tau[unobserved]
    found.sum().backward()
    assert log_tau.grad[unobserved] == 1
    is_observed = torch.arange(len(log_tau)) != unobserved
    assert log_tau.grad[is_observed].median() < 0.2
    assert (log_tau.grad[is_observed] < 1).all()
    assert (found[is_observed] < log_tau[is_observed]).all()


def true_gates(wiring: Wiring, network: SignalingNetwork | None = None) -> GateLogits:
    """The kinetics of a network, `truth` by default, as logits."""
    network = network or truth()
    literals = len(wiring.sign_J)
    weights = torch.tensor([i.weight for i in network.interactions])
    size = len(network.molecules)
    return GateLogits(
        log_tau_F=torch.tensor([m.tau_hours for m in network.molecules]).log(),
        input_F=torch.logit(torch.full((size,), 0.1)),
        resting_F=torch.zeros(size),
        trust_F=torch.full((size,), -20.0),
        weight_I=torch.logit(weights.clamp(max=1 - 1e-4)),
        log_n_J=torch.log(torch.full((literals,), 2.0 / 1.4)),
        ec50_J=torch.logit(torch.full((literals,), 0.7)),
        activates_J=torch.zeros(literals),
        partner_X=torch.full((len(wiring.left_X),), -20.0),
        sign_J=wiring.sign_J,
        scale_F4=torch.ones(size, 4),
        observation_FY4=torch.zeros(size, 5, 4),
        smoothing_F2=torch.tensor([[0.0, -5.0]]).repeat(size, 1),
    )


def test_inference_mode_gives_what_no_grad_gives(model, tokenizer, baseline):
    batch = tokenizer.pad([encode(tokenizer, baseline, (list(CONTEXT), observed(baseline)))])
    with torch.no_grad():
        expected = model(**batch).states
    with torch.inference_mode():
        found = model(**batch).states
    assert torch.equal(expected, found)


@torch.no_grad()
@pytest.mark.parametrize(("hour", "held"), [(0.0, False), (5.0, True)])
def test_states_that_no_gate_made_change_no_gate(model, tokenizer, baseline, hour, held):
    """The first state, and a state that a perturbation holds, carry no information on gates."""
    clamped = Condition({"EGF": 0.8}, (Perturbation("ERK", "clamp", 0.6, 2.0, 9.0),))
    conditions = [clamped if held else CONTEXT[0]]
    observations = [[Observation("ERK", hour, 0.2)]]
    batch = tokenizer.pad([encode(tokenizer, baseline, (conditions, observations))])
    inferred = model(**batch).gates
    model.config.disabled_parts = ["inference"]
    without = model(**batch).gates
    model.config.disabled_parts = []
    assert torch.equal(inferred.tau_hours_F, without.tau_hours_F)
    assert torch.equal(inferred.weight_I, without.weight_I)
