"""What gates leave unexplained: found where it is there, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toys import toy_network

from hmlm_fm import HMLMForSignaling
from hmlm_fm.benchmarks.baselines.with_discrepancy import WithDiscrepancy
from hmlm_fm.finetuning.gate_fit import fit_gates
from hmlm_fm.fitting.discrepancy import PENALTIES, find_discrepancy
from hmlm_fm.fitting.ensemble import FitSettings
from hmlm_fm.formats.network_loading import load_network
from hmlm_fm.inference.context import make_context
from hmlm_fm.inference.gate_tables import unexplained_table
from hmlm_fm.inference.prediction import predict_states
from hmlm_fm.measurements.baseline import mean_squared_error
from hmlm_fm.measurements.measured import Measurements
from hmlm_fm.measurements.trivial import Hold
from hmlm_fm.model.condition_tensors import ConditionTensors
from hmlm_fm.model.conditions import TREATMENTS, Condition, Observation, Perturbation
from hmlm_fm.model.tissue import ALWAYS, Discrepancy

NETWORK = toy_network()
INDEX = NETWORK.molecule_index
HOURS = np.array([2.0, 6.0])
CUT = Perturbation("RAS", "inhibition", 0.8)
CONDITIONS = [
    Condition({"EGF": egf, "TGFB1": tgfb}, (CUT,) * cut)
    for egf in (0.0, 0.5, 1.0)
    for tgfb in (0.0, 1.0)
    for cut in (False, True)
]


def tensors(conditions):
    return ConditionTensors.from_conditions(conditions, NETWORK)


def hidden_effect(conditions, hours=HOURS):
    """EGF raises oddity, by 0.4 after two hours and 0.6 after six, where nothing says so."""
    residual = np.zeros((len(conditions), len(hours), len(NETWORK.molecules)))
    for row, condition in enumerate(conditions):
        at = np.interp(hours, [0, 2, 6], [0, 0.4, 0.6])
        residual[row, :, INDEX["oddity"]] = condition.stimuli.get("EGF", 0) * at
    return residual


def found_of(conditions, residual, weight=None, hours=HOURS):
    weight = np.ones(residual.shape) if weight is None else weight.astype(float)
    return find_discrepancy(tensors(conditions), residual, weight, hours)


def corrected(found, conditions, states, hours):
    discrepancy = found.fill(Discrepancy(columns=len(NETWORK.molecules), **found.arguments))
    asked = torch.tensor(hours, dtype=torch.float32).expand(1, len(conditions), -1)
    return discrepancy.add_to_states(states, tensors(conditions), asked).detach()[0]


def test_effects_of_what_was_done_are_found_and_carried_over():
    found = found_of(CONDITIONS, hidden_effect(CONDITIONS))
    assert found.explained > 0.95
    asked = [Condition({"EGF": 0.8}, (CUT,)), Condition({"TGFB1": 0.6}), Condition()]
    hours = [0.0, 1.0, 2.0, 4.0, 6.0, 48.0]
    states = torch.full((1, 3, len(hours), len(NETWORK.molecules)), 0.1)
    told = corrected(found, asked, states, hours)
    oddity = told[:, :, INDEX["oddity"]]
    expected = 0.1 + 0.8 * torch.tensor([0.0, 0.2, 0.4, 0.5, 0.6, 0.6])
    torch.testing.assert_close(oddity[0], expected, atol=0.05, rtol=0)
    torch.testing.assert_close(oddity[1:], states[0, 1:, :, 0], atol=0.05, rtol=0)
    others = [i for name, i in INDEX.items() if name != "oddity"]
    torch.testing.assert_close(told[..., others], states[0][..., others])


@pytest.mark.parametrize(("alike", "most"), [(False, 2), (True, 8)])
def test_noise_seldom_has_effects(alike, most):
    """Least where molecules err apart; where all err alike, 12 conditions are 12 numbers."""
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noise = rng.normal(0, 0.2, (len(CONDITIONS), 1, 1 if alike else len(NETWORK.names)))
        noise = noise * rng.normal(0, 1, len(NETWORK.names))
        found += found_of(CONDITIONS, np.repeat(noise, len(HOURS), 1)) is not None
    assert found <= most


def test_what_is_no_number_tells_nothing():
    assert found_of(CONDITIONS, hidden_effect(CONDITIONS) * np.nan) is None


def test_nothing_is_found_where_nothing_was_missed_or_measured():
    nothing = np.zeros_like(hidden_effect(CONDITIONS))
    assert found_of(CONDITIONS, nothing) is None
    assert found_of(CONDITIONS, nothing + 0.3, np.zeros(nothing.shape, dtype=bool)) is None
    one = CONDITIONS[-1:]
    assert found_of(one, hidden_effect(one)) is None


def test_what_is_left_out_is_told_by_the_others_alone():
    rng = np.random.default_rng(1)
    conditions = [*CONDITIONS, CONDITIONS[5]]
    residual = hidden_effect(conditions) + rng.normal(0, 0.05, hidden_effect(conditions).shape)
    measured = rng.random(residual.shape) < 0.8
    measured[..., INDEX["ERK"]] = measured[:, :1, INDEX["ERK"]]
    found = found_of(conditions, residual, measured)
    x = tensors(conditions).treatment_RX.numpy()
    x = np.concatenate([np.full_like(x[:, :1], ALWAYS), x], 1)

    def without(row, penalty):
        out = (x == x[row]).all(1)
        told = np.zeros(residual.shape[1:])
        for t, i in np.ndindex(*told.shape):
            rows = measured[:, t, i] & ~out
            kernel = x[rows] @ x[rows].T + penalty * np.eye(rows.sum())
            told[t, i] = x[row] @ x[rows].T @ np.linalg.solve(kernel, residual[rows, t, i])
        return told

    # Row 5 is there twice, and is left out whole.
    for row in (5, 8):
        of_penalties = np.array([without(row, penalty) for penalty in PENALTIES])
        off = np.abs(np.where(measured[row], of_penalties - found.left_out[row], 0)).max((1, 2))
        assert off.min() < 1e-6


def test_what_is_uncertain_counts_less():
    wrong = np.random.default_rng(0).random(hidden_effect(CONDITIONS).shape) < 0.3
    residual = np.where(wrong, 0.9, hidden_effect(CONDITIONS))
    right = found_of(CONDITIONS, hidden_effect(CONDITIONS), ~wrong).weight
    for weight, share in ((0.002, 0.05), (1e-4, 1e-9)):
        told = found_of(CONDITIONS, residual, np.where(wrong, weight, 1.0)).weight
        assert np.abs(told - right).max() <= share * np.abs(right).max()


def test_what_is_held_stays_and_states_keep_their_range():
    found = found_of(CONDITIONS, 3 * hidden_effect(CONDITIONS))
    clamp = Perturbation("oddity", "clamp", 0.3, 0.0, 4.0)
    asked = [Condition({"EGF": 1.0}, (clamp,)), Condition({"EGF": 1.0})]
    states = torch.full((1, 2, 2, len(NETWORK.molecules)), 0.3)
    told = corrected(found, asked, states, HOURS)[..., INDEX["oddity"]]
    assert told[0].tolist() == [pytest.approx(0.3), 1.0]
    assert told[1].tolist() == [1.0, 1.0]
    lowered = found_of(CONDITIONS, -3 * hidden_effect(CONDITIONS))
    assert corrected(lowered, asked[1:], states[:, 1:], HOURS)[0, 0, INDEX["oddity"]] == 0


def test_what_is_held_says_nothing_of_effects():
    knocked_out = [
        Condition(c.stimuli, (*c.perturbations, Perturbation("oddity"))) for c in CONDITIONS
    ]
    assert found_of(knocked_out, hidden_effect(knocked_out)) is None


def test_what_counts_as_done():
    def done(*perturbations):
        return tensors([Condition({"EGF": 1.0}, perturbations)]).treatment_RX[0]

    def row(**of_ras):
        expected = torch.zeros(len(TREATMENTS), len(NETWORK.molecules))
        expected[0, INDEX["EGF"]] = 1.0
        for name, value in of_ras.items():
            expected[TREATMENTS.index(name.replace("_", " ")), INDEX["RAS"]] = value
        return expected.flatten()

    def ras(kind, strength=1.0, *window):
        return Perturbation("RAS", kind, strength, *window)

    torch.testing.assert_close(done(), row())
    torch.testing.assert_close(done(ras("knockout")), row(lowered=1.0))
    both = ras("knockdown", 0.5), ras("inhibition", 0.5)
    torch.testing.assert_close(done(*both), row(lowered=0.75))
    torch.testing.assert_close(done(ras("overexpression", 0.5)), row(raised=0.5))
    clamped = {"clamped": 1.0, "clamped_to_its_value": 0.3}
    torch.testing.assert_close(done(ras("clamp", 0.3)), row(**clamped))
    torch.testing.assert_close(done(ras("clamp", 0.0)), row(clamped=1.0))
    # What begins later, or ends, is another thing.
    torch.testing.assert_close(done(ras("inhibition", 0.8, 3.0)), row())
    torch.testing.assert_close(done(ras("inhibition", 0.8, 0.0, 3.0)), row())


def test_effects_at_times_that_were_not_measured_lie_between():
    hours = np.array([2.0, 4.0, 6.0])
    measured = np.ones((len(CONDITIONS), 3, len(NETWORK.molecules)), dtype=bool)
    measured[:, 1, INDEX["oddity"]] = False
    found = found_of(CONDITIONS, hidden_effect(CONDITIONS, hours), measured, hours)
    effects = found.weight[..., INDEX["oddity"]]
    np.testing.assert_allclose(effects[:, 1], (effects[:, 0] + effects[:, 2]) / 2)


def measurements(conditions):
    """Nothing moves but oddity, which no gate explains: its sources are at rest."""
    states = hidden_effect(conditions, np.array([0.0, *HOURS]))
    hours = np.array([0.0, *HOURS])
    return Measurements(
        NETWORK, tuple(conditions), hours, states, np.zeros(len(NETWORK.molecules)), 0
    )


def test_a_baseline_learns_what_it_leaves_unexplained():
    seen = measurements(CONDITIONS)
    unseen = measurements([Condition({"EGF": 0.7, "TGFB1": 0.2})])
    corrected = WithDiscrepancy(Hold())
    assert mean_squared_error(corrected.fit(seen), unseen) < 0.05 * mean_squared_error(
        Hold().fit(seen), unseen
    )
    still = Measurements(
        NETWORK, seen.conditions, seen.times_hours, 0 * seen.states, seen.baseline_or_zero, 0
    )
    asked = unseen.conditions, unseen.times_hours
    np.testing.assert_array_equal(
        corrected.fit(still).predict(*asked), Hold().fit(still).predict(*asked)
    )


def test_fine_tuning_adds_it_and_keeps_it(model, tmp_path):
    data = measurements(CONDITIONS).clipped()
    settings = FitSettings(members=3, steps=20)
    tuned, _ = fit_gates(*model, data, settings, in_context=False)
    assert tuned.next_state.tissue.discrepancy is not None
    asked = [Condition({"EGF": 0.7}), Condition({"EGF": 0.7}, (Perturbation("oddity"),))]
    context = make_context(model[1], NETWORK, data.baseline)

    def told(by):
        return predict_states(by, context, NETWORK, asked, [0.0, 2.0, 6.0])

    answer = told(tuned)
    oddity = answer.states[..., INDEX["oddity"]]
    np.testing.assert_allclose(oddity[0], [0, 0.28, 0.42], atol=0.1)
    assert (oddity[1] == 0).all()
    tuned.save_pretrained(tmp_path)
    again = told(HMLMForSignaling.from_pretrained(tmp_path))
    np.testing.assert_array_equal(again.states, answer.states)
    np.testing.assert_array_equal(again.scale, answer.scale)
    table = unexplained_table(tuned, NETWORK)
    first = table[table["molecule"] == "oddity"].iloc[0]
    assert (first["treatment"], first["target"]) == ("stimulated", "EGF")
    assert (first["time_hours"], first["effect"]) == (6.0, pytest.approx(0.6, abs=0.1))
    assert table["effect"].abs().is_monotonic_decreasing
    # What was seen of the condition itself corrects what is left.
    hours = np.array([2.0])
    seen = np.full((2, 1, len(NETWORK.molecules)), np.nan)
    seen[0, 0, INDEX["oddity"]] = answer.states[0, 1, INDEX["oddity"]]
    watched = predict_states(
        tuned, context, NETWORK, asked, [0.0, 2.0, 6.0], observed=(hours, seen)
    )
    np.testing.assert_allclose(watched.states, answer.states, atol=1e-5)
    assert watched.scale[0, 1, INDEX["oddity"]] < answer.scale[0, 1, INDEX["oddity"]]


@pytest.mark.parametrize("with_activities", [False, True])
def test_what_is_shown_in_other_modalities_has_its_own(model, tmp_path, with_activities):
    seen = measurements(CONDITIONS)
    shown = tuple(
        tuple(
            Observation(name, hours, 1.0 + 2.0 * float(seen.states[c, t, INDEX[name]]), "protein")
            for t, hours in enumerate(seen.times_hours.tolist())
            for name in ("ERK", "oddity")
        )
        for c in range(len(CONDITIONS))
    )
    data = replace(seen.clipped(), others=shown)
    if not with_activities:
        data = replace(data, measured=np.zeros_like(data.measured))
    tuned, _ = fit_gates(*model, data, FitSettings(members=3, steps=20), in_context=False)
    tissue = tuned.next_state.tissue
    assert (tissue.discrepancy is not None) == with_activities
    context = make_context(model[1], NETWORK, data.baseline)

    def told(by):
        asked = [
            Condition({"EGF": 0.7}),
            Condition({"EGF": 0.7}, (Perturbation("oddity"),)),
            Condition({"EGF": 0.7}, (Perturbation("oddity", "clamp", 0.0),)),
        ]
        return predict_states(by, context, NETWORK, asked, [0.0, 6.0], modality="protein")

    answer = told(tuned)
    assert answer.states[0, 1, INDEX["oddity"]] == pytest.approx(1.0 + 2.0 * 0.42, abs=0.2)
    # Nothing is added to what a perturbation holds.
    assert (answer.states[1:, 1, INDEX["oddity"]] < 1.0 + 2.0 * 0.2).all()
    tuned.save_pretrained(tmp_path)
    again = told(HMLMForSignaling.from_pretrained(tmp_path))
    np.testing.assert_array_equal(again.states, answer.states)
    np.testing.assert_array_equal(again.scale, answer.scale)
    table = unexplained_table(tuned, NETWORK)
    assert set(table["modality"]) == {"protein", "activity"} if with_activities else {"protein"}


def test_it_can_be_left_out(model):
    data = measurements(CONDITIONS).clipped()
    settings = FitSettings(members=2, steps=5)
    tuned, _ = fit_gates(*model, data, settings, in_context=False, discrepancy=False)
    assert tuned.next_state.tissue.discrepancy is None
    assert not len(unexplained_table(tuned, NETWORK))
    with pytest.raises(ValueError, match="network of 6 molecules; found 109"):
        unexplained_table(tuned, load_network("cardiac-fibroblast"))
