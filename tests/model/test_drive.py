"""Drives, beside the equation written out molecule by molecule."""

import math

import pytest
import torch

from hmlm_fm import HMLMTokenizer
from hmlm_fm.model.fields import Fields
from hmlm_fm.model.gates import Gates
from hmlm_fm.model.graph import Wiring
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork
from hmlm_fm.model.transducer import STILL, Drive, baseline_shift, state_at_rest

NAMES = "ABCDE"


@pytest.fixture(scope="module")
def wiring() -> Wiring:
    """A and B are inputs, A acts on B; A and B, by unknown logic, on C; C with an unknown
    sign on D; C AND NOT D on E, which has an input too."""
    rules = (
        Interaction((), (), "A", "input"),
        Interaction((), (), "B", "input"),
        Interaction((), (), "E", "input"),
        Interaction(("A",), (1,), "B", "activation"),
        Interaction(("A",), (1,), "C", "activation"),
        Interaction(("B",), (-1,), "C", "inhibition"),
        Interaction(("C",), (0,), "D", "unknown"),
        Interaction(("C", "D"), (1, -1), "E", "activation"),
    )
    molecules = tuple(Molecule(name, members=(name,)) for name in NAMES)
    network = SignalingNetwork("toy", molecules, rules, logic_known=False)
    fields = HMLMTokenizer()(network, return_tensors="pt", warn_unknown=False)
    return Wiring.from_fields(Fields(fields))


@pytest.fixture(scope="module")
def gates(wiring) -> Gates:
    draw = torch.Generator().manual_seed(3)

    def some(size: int, low: float = 0.2, high: float = 0.9) -> torch.Tensor:
        return low + (high - low) * torch.rand(size, generator=draw, dtype=torch.float64)

    literals, n = len(wiring.sign_J), some(len(wiring.sign_J), 1.0, 3.0)
    known = wiring.sign_J != 0
    has_input = torch.tensor([name in "ABE" for name in NAMES])
    return Gates(
        tau_hours_F=some(5),
        input_F=some(5) * has_input,
        resting_F=some(5),
        trust_F=some(5),
        weight_I=some(len(wiring.target_I)),
        n_J=n,
        c_J=some(literals) ** n,
        activates_J=torch.where(known, (wiring.sign_J > 0).double(), some(literals)),
        partner_X=some(len(wiring.left_X)),
        scale_F4=torch.ones(5, 4, dtype=torch.float64),
        observation_FY4=torch.zeros(5, 5, 4, dtype=torch.float64),
        smoothing_F2=torch.zeros(5, 2, dtype=torch.float64),
    )


def missed_by_regulators(gates: Gates, wiring: Wiring, state: list[float]) -> list[float]:
    """∏ (1 - w·∏ f) over the interactions on each molecule."""

    def factor(j: int) -> float:
        n, c = float(gates.n_J[j]), float(gates.c_J[j])
        power = state[int(wiring.source_J[j])] ** n
        # B·xⁿ/(Kⁿ + xⁿ) with B = (c - 1)/(2c - 1), Kⁿ = B - 1 and c = EC50ⁿ.
        height = (c - 1) / (2 * c - 1)
        hill = height * power / (height - 1 + power)
        activates = float(gates.activates_J[j])
        return activates * hill + (1 - activates) * (1 - hill)

    missed = [1.0] * len(NAMES)
    for i, target in enumerate(wiring.target_I.tolist()):
        own = [j for j in range(len(wiring.sign_J)) if int(wiring.interaction_J[j]) == i]
        reached = float(gates.weight_I[i]) if own else 0.0
        for j in own:
            reached *= factor(j)
            for x, left in enumerate(wiring.left_X.tolist()):
                if left == j:
                    share = float(gates.partner_X[x])
                    reached *= 1 - share * (1 - factor(int(wiring.right_X[x])))
        missed[target] *= 1 - reached
    return missed


STATE = [0.3, 0.6, 0.45, 0.8, 0.2]


def test_without_a_known_state_at_rest(gates, wiring):
    drive = Drive(gates, wiring, gates.input_F[:, None])(
        torch.tensor(STATE, dtype=torch.float64)[:, None]
    )
    assert len(wiring.left_X)
    for i, missed in enumerate(missed_by_regulators(gates, wiring, STATE)):
        assert float(drive[i, 0]) == pytest.approx(1 - (1 - float(gates.input_F[i])) * missed)


def test_a_known_state_at_rest_shifts_drives_and_stimuli_take_the_place_of_inputs(gates, wiring):
    rest = torch.tensor([0.25, 0.5, 0.4, 0.7, 0.35], dtype=torch.float64)
    known = torch.tensor([True, True, False, True, True])
    shift = baseline_shift(gates, wiring, rest, known)
    stimulated = torch.tensor([True, True, False, False, False])[:, None]
    level = 0.95
    inputs = torch.where(stimulated, level, gates.input_F[:, None])
    state = torch.tensor(STATE, dtype=torch.float64)[:, None]
    drive = Drive(gates, wiring, inputs, shift, stimulated)(state)

    def logit(x: float) -> float:
        return math.log(x / (1 - x))

    from_rest = missed_by_regulators(gates, wiring, rest.tolist())
    now = missed_by_regulators(gates, wiring, STATE)
    for i, name in enumerate(NAMES):
        own = 1 - float(gates.input_F[i])
        moved = 0.0
        if known[i]:
            moved = float(gates.trust_F[i]) * (
                logit(float(rest[i])) - logit(1 - own * from_rest[i])
            )
        assert float(shift[i]) == pytest.approx(moved)
        corrected = 1 / (1 + math.exp(-logit(1 - own * now[i]) - moved))
        expected = corrected
        if name == "A":
            # Nothing acts on A: the stimulus is all there is.
            expected = level
        elif name == "B":
            expected = 1 - (1 - level) * min((1 - corrected) / own, 1)
        assert float(drive[i, 0]) == pytest.approx(expected), name


def test_unknown_states_at_rest_are_where_gates_stand_still(gates, wiring):
    known = torch.tensor([False, True, False, False, False])
    guess = torch.tensor([0.9, 0.7, 0.9, 0.9, 0.9], dtype=torch.float64)
    rest = state_at_rest(gates, wiring, guess, known)
    assert rest[1] == 0.7
    missed = missed_by_regulators(gates, wiring, rest.tolist())
    for i in (0, 2, 3, 4):
        drive = 1 - (1 - float(gates.input_F[i])) * missed[i]
        assert float(rest[i]) == pytest.approx(drive, abs=4 * STILL)
    # With all states known nothing is searched for; otherwise the result does not depend on the
    # guess.
    assert torch.equal(state_at_rest(gates, wiring, guess, known | True), guess)
    other = torch.where(known, guess, 1 - guess)
    assert torch.allclose(rest, state_at_rest(gates, wiring, other, known), atol=4 * STILL)
