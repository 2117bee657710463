"""Saturating sums: steady states that are known, what treatments do, and who stands beside whom."""

import numpy as np
import pytest

from hmlm_fm.dynamics import saturating_sums
from hmlm_fm.dynamics.saturating_sums import simulate_sums
from hmlm_fm.model.conditions import Condition, Perturbation
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork


def chain(length: int = 3, sign: int = 1, weight: float = 0.0) -> SignalingNetwork:
    """A chain from an input; its last interaction has the sign."""
    names = [f"m{i}" for i in range(length)]
    rules = [Interaction((), (), names[0], "input", weight)]
    for i, (a, b) in enumerate(zip(names, names[1:], strict=False)):
        rules.append(Interaction((a,), (sign if i == length - 2 else 1,), b))
    return SignalingNetwork("chain", tuple(Molecule(n, tau_hours=0.5) for n in names), tuple(rules))


def simulated(networks, conditions, hours=(0.5, 8.0, 60.0), seed=0):
    rngs = [np.random.default_rng([seed, i]) for i in range(len(networks))]
    return simulate_sums(networks, conditions, hours, rngs)


@pytest.fixture
def without_fading(monkeypatch):
    monkeypatch.setattr(saturating_sums, "FADING_SHARE", 0.0)


def test_a_stimulated_input_reaches_the_state_of_its_equation(without_fading):
    conditions = [Condition(), Condition({"m0": 0.4})]
    (states,) = simulated([chain()], [conditions])
    assert states.shape == (2, 3, 3)
    assert states[0] == pytest.approx(np.zeros((3, 3)), abs=1e-6)
    # τ dx/dt = tanh(2 · 0.4) − x, from 0.
    expected = np.tanh(0.8) * (1 - np.exp(-np.array([0.5, 8.0, 60.0]) / 0.5))
    assert states[1, :, 0] == pytest.approx(expected, rel=1e-3)
    assert (np.diff(states[1, :, 2]) >= 0).all()
    assert 0 < states[1, -1, 2] < 1


def test_inhibition_takes_away_what_is_passed_on_and_not_the_state(without_fading):
    stimulus = {"m0": 0.8}
    conditions = [
        Condition(stimulus),
        Condition(stimulus, (Perturbation("m1", "inhibition", 1.0),)),
        Condition(stimulus, (Perturbation("m1", "overexpression", 1.0),)),
    ]
    (states,) = simulated([chain()], [conditions])
    plain, inhibited, raised = states[:, -1]
    assert inhibited[1] == pytest.approx(plain[1])
    assert inhibited[2] == pytest.approx(0, abs=1e-6)
    assert raised[2] > plain[2]


def test_what_lowers_needs_something_to_lower(without_fading):
    conditions = [Condition(), Condition({"m0": 0.9})]
    (states,) = simulated([chain(sign=-1)], [conditions])
    assert states[0, -1, 2] > 0.2
    assert states[1, -1, 2] < states[0, -1, 2] - 0.05


def test_output_fades_while_a_molecule_stays_active(monkeypatch):
    monkeypatch.setattr(saturating_sums, "FADING_SHARE", 1.0)
    conditions = [Condition(), Condition({"m0": 0.9})]
    (states,) = simulated([chain()], [conditions], hours=(0.5, 1, 2, 4, 400))
    assert states[1, -1, 0] == pytest.approx(np.tanh(1.8), rel=1e-3)
    assert states[1, -1, 1] < 0.9 * states[1, :, 1].max()


def test_cells_start_at_rest_in_their_background(without_fading):
    background = Condition({"m0": 0.5})
    (states,) = simulated([chain()], [[background, background]], hours=(0.01, 5))
    assert states[0, 0] == pytest.approx(states[0, 1], abs=1e-3)


def test_who_is_simulated_beside_whom_changes_nothing():
    networks = [chain(3), chain(7, sign=-1), chain(5)]
    conditions = [[Condition({"m0": 0.3 * c}) for c in range(3)] for _ in networks]
    rngs = [np.random.default_rng(i) for i in range(3)]
    together = simulate_sums(networks, conditions, (1, 9), rngs)
    for i, (network, rows) in enumerate(zip(networks, conditions, strict=True)):
        (alone,) = simulate_sums([network], [rows], (1, 9), [np.random.default_rng(i)])
        assert together[i] == pytest.approx(alone, abs=1e-5)
        assert np.isfinite(alone).all()
        assert (alone >= 0).all()
        assert (alone <= 1).all()
