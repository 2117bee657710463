"""Discrepancies of gates: found where there is one, and nowhere else."""

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


def unexplained_effect(conditions, hours=HOURS):
    """EGF raises oddity, by 0.4 after two hours and 0.6 after six, with no path between them."""
    residual = np.zeros((len(conditions), len(hours), len(NETWORK.molecules)))
    for row, condition in enumerate(conditions):
        at = np.interp(hours, [0, 2, 6], [0, 0.4, 0.6])
        residual[row, :, INDEX["oddity"]] = condition.stimuli.get("EGF", 0) * at
    return residual


def find(conditions, residual, weight=None, hours=HOURS):
    weight = np.ones(residual.shape) if weight is None else weight.astype(float)
    return find_discrepancy(tensors(conditions), residual, weight, hours)


def corrected(found, conditions, states, hours):
    discrepancy = found.fill(Discrepancy(columns=len(NETWORK.molecules), **found.arguments))
    times = torch.tensor(hours, dtype=torch.float32).expand(1, len(conditions), -1)
    return discrepancy.add_to_states(states, tensors(conditions), times).detach()[0]


def test_effects_of_treatments_are_found_and_predicted():
    found = find(CONDITIONS, unexplained_effect(CONDITIONS))
    assert found.explained > 0.95
    queries = [Condition({"EGF": 0.8}, (CUT,)), Condition({"TGFB1": 0.6}), Condition()]
    hours = [0.0, 1.0, 2.0, 4.0, 6.0, 48.0]
    states = torch.full((1, 3, len(hours), len(NETWORK.molecules)), 0.1)
    predicted = corrected(found, queries, states, hours)
    oddity = predicted[:, :, INDEX["oddity"]]
    expected = 0.1 + 0.8 * torch.tensor([0.0, 0.2, 0.4, 0.5, 0.6, 0.6])
    torch.testing.assert_close(oddity[0], expected, atol=0.05, rtol=0)
    torch.testing.assert_close(oddity[1:], states[0, 1:, :, 0], atol=0.05, rtol=0)
    others = [i for name, i in INDEX.items() if name != "oddity"]
    torch.testing.assert_close(predicted[..., others], states[0][..., others])


@pytest.mark.parametrize(("common", "most"), [(False, 2), (True, 8)])
def test_noise_seldom_has_effects(common, most):
    """Least with independent errors of molecules; with a common one, conditions are 12 numbers."""
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noise = rng.normal(0, 0.2, (len(CONDITIONS), 1, 1 if common else len(NETWORK.names)))
        noise = noise * rng.normal(0, 1, len(NETWORK.names))
        found += find(CONDITIONS, np.repeat(noise, len(HOURS), 1)) is not None
    assert found <= most


def test_residuals_that_are_not_numbers_give_none():
    assert find(CONDITIONS, unexplained_effect(CONDITIONS) * np.nan) is None


def test_none_is_found_without_residuals_or_measurements():
    nothing = np.zeros_like(unexplained_effect(CONDITIONS))
    assert find(CONDITIONS, nothing) is None
    assert find(CONDITIONS, nothing + 0.3, np.zeros(nothing.shape, dtype=bool)) is None
    one = CONDITIONS[-1:]
    assert find(one, unexplained_effect(one)) is None


def test_left_out_conditions_are_predicted_from_the_others_alone():
    rng = np.random.default_rng(1)
    conditions = [*CONDITIONS, CONDITIONS[5]]
    residual = unexplained_effect(conditions) + rng.normal(
        0, 0.05, unexplained_effect(conditions).shape
    )
    measured = rng.random(residual.shape) < 0.8
    measured[..., INDEX["ERK"]] = measured[:, :1, INDEX["ERK"]]
    found = find(conditions, residual, measured)
    x = tensors(conditions).treatment_RX.numpy()
    x = np.concatenate([np.full_like(x[:, :1], ALWAYS), x], 1)

    def without(row, penalty):
        out = (x == x[row]).all(1)
        predicted = np.zeros(residual.shape[1:])
        for t, i in np.ndindex(*predicted.shape):
            rows = measured[:, t, i] & ~out
            kernel = x[rows] @ x[rows].T + penalty * np.eye(rows.sum())
            predicted[t, i] = x[row] @ x[rows].T @ np.linalg.solve(kernel, residual[rows, t, i])
        return predicted

    # Row 5 is there twice, and is left out whole.
    for row in (5, 8):
        predictions = np.array([without(row, penalty) for penalty in PENALTIES])
        off = np.abs(np.where(measured[row], predictions - found.left_out[row], 0)).max((1, 2))
        assert off.min() < 1e-6


def test_uncertain_measurements_count_less():
    wrong = np.random.default_rng(0).random(unexplained_effect(CONDITIONS).shape) < 0.3
    residual = np.where(wrong, 0.9, unexplained_effect(CONDITIONS))
    right = find(CONDITIONS, unexplained_effect(CONDITIONS), ~wrong).weight
    for weight, share in ((0.002, 0.05), (1e-4, 1e-9)):
        predicted = find(CONDITIONS, residual, np.where(wrong, weight, 1.0)).weight
        assert np.abs(predicted - right).max() <= share * np.abs(right).max()


def test_held_states_stay_and_states_keep_their_range():
    found = find(CONDITIONS, 3 * unexplained_effect(CONDITIONS))
    clamp = Perturbation("oddity", "clamp", 0.3, 0.0, 4.0)
    queries = [Condition({"EGF": 1.0}, (clamp,)), Condition({"EGF": 1.0})]
    states = torch.full((1, 2, 2, len(NETWORK.molecules)), 0.3)
    predicted = corrected(found, queries, states, HOURS)[..., INDEX["oddity"]]
    assert predicted[0].tolist() == [pytest.approx(0.3), 1.0]
    assert predicted[1].tolist() == [1.0, 1.0]
    lowered = find(CONDITIONS, -3 * unexplained_effect(CONDITIONS))
    assert corrected(lowered, queries[1:], states[:, 1:], HOURS)[0, 0, INDEX["oddity"]] == 0


def test_held_states_have_no_effects():
    knocked_out = [
        Condition(c.stimuli, (*c.perturbations, Perturbation("oddity"))) for c in CONDITIONS
    ]
    assert find(knocked_out, unexplained_effect(knocked_out)) is None


def test_treatments():
    def treatment(*perturbations):
        return tensors([Condition({"EGF": 1.0}, perturbations)]).treatment_RX[0]

    def expected_row(**of_ras):
        expected = torch.zeros(len(TREATMENTS), len(NETWORK.molecules))
        expected[0, INDEX["EGF"]] = 1.0
        for name, value in of_ras.items():
            expected[TREATMENTS.index(name.replace("_", " ")), INDEX["RAS"]] = value
        return expected.flatten()

    def ras(kind, strength=1.0, *window):
        return Perturbation("RAS", kind, strength, *window)

    torch.testing.assert_close(treatment(), expected_row())
    torch.testing.assert_close(treatment(ras("knockout")), expected_row(lowered=1.0))
    both = ras("knockdown", 0.5), ras("inhibition", 0.5)
    torch.testing.assert_close(treatment(*both), expected_row(lowered=0.75))
    torch.testing.assert_close(treatment(ras("overexpression", 0.5)), expected_row(raised=0.5))
    clamped = {"clamped": 1.0, "clamped_to_its_value": 0.3}
    torch.testing.assert_close(treatment(ras("clamp", 0.3)), expected_row(**clamped))
    torch.testing.assert_close(treatment(ras("clamp", 0.0)), expected_row(clamped=1.0))
    # Perturbations that begin later, or end, are no treatments.
    torch.testing.assert_close(treatment(ras("inhibition", 0.8, 3.0)), expected_row())
    torch.testing.assert_close(treatment(ras("inhibition", 0.8, 0.0, 3.0)), expected_row())


def test_effects_at_times_that_were_not_measured_lie_between():
    hours = np.array([2.0, 4.0, 6.0])
    measured = np.ones((len(CONDITIONS), 3, len(NETWORK.molecules)), dtype=bool)
    measured[:, 1, INDEX["oddity"]] = False
    found = find(CONDITIONS, unexplained_effect(CONDITIONS, hours), measured, hours)
    effects = found.weight[..., INDEX["oddity"]]
    np.testing.assert_allclose(effects[:, 1], (effects[:, 0] + effects[:, 2]) / 2)


def measurements(conditions):
    """Only oddity moves, which no gate explains: its sources are at rest."""
    states = unexplained_effect(conditions, np.array([0.0, *HOURS]))
    hours = np.array([0.0, *HOURS])
    return Measurements(
        NETWORK, tuple(conditions), hours, states, np.zeros(len(NETWORK.molecules)), 0
    )


def test_a_baseline_learns_its_discrepancy():
    training = measurements(CONDITIONS)
    held_out = measurements([Condition({"EGF": 0.7, "TGFB1": 0.2})])
    corrected = WithDiscrepancy(Hold())
    assert mean_squared_error(corrected.fit(training), held_out) < 0.05 * mean_squared_error(
        Hold().fit(training), held_out
    )
    still = Measurements(
        NETWORK,
        training.conditions,
        training.times_hours,
        0 * training.states,
        training.baseline_or_zero,
        0,
    )
    queries = held_out.conditions, held_out.times_hours
    np.testing.assert_array_equal(
        corrected.fit(still).predict(*queries), Hold().fit(still).predict(*queries)
    )


def test_fine_tuning_adds_it_and_keeps_it(model, tmp_path):
    data = measurements(CONDITIONS).clipped()
    settings = FitSettings(members=3, steps=20)
    tuned, _ = fit_gates(*model, data, settings, in_context=False)
    assert tuned.next_state.tissue.discrepancy is not None
    queries = [Condition({"EGF": 0.7}), Condition({"EGF": 0.7}, (Perturbation("oddity"),))]
    context = make_context(model[1], NETWORK, data.baseline)

    def predict(by):
        return predict_states(by, context, NETWORK, queries, [0.0, 2.0, 6.0])

    prediction = predict(tuned)
    oddity = prediction.states[..., INDEX["oddity"]]
    np.testing.assert_allclose(oddity[0], [0, 0.28, 0.42], atol=0.1)
    assert (oddity[1] == 0).all()
    tuned.save_pretrained(tmp_path)
    again = predict(HMLMForSignaling.from_pretrained(tmp_path))
    np.testing.assert_array_equal(again.states, prediction.states)
    np.testing.assert_array_equal(again.scale, prediction.scale)
    table = unexplained_table(tuned, NETWORK)
    first = table[table["molecule"] == "oddity"].iloc[0]
    assert (first["treatment"], first["target"]) == ("stimulated", "EGF")
    assert (first["time_hours"], first["effect"]) == (6.0, pytest.approx(0.6, abs=0.1))
    assert table["effect"].abs().is_monotonic_decreasing
    # Observations of the condition itself correct the remaining error.
    hours = np.array([2.0])
    states = np.full((2, 1, len(NETWORK.molecules)), np.nan)
    states[0, 0, INDEX["oddity"]] = prediction.states[0, 1, INDEX["oddity"]]
    corrected_prediction = predict_states(
        tuned, context, NETWORK, queries, [0.0, 2.0, 6.0], observed=(hours, states)
    )
    np.testing.assert_allclose(corrected_prediction.states, prediction.states, atol=1e-5)
    assert (
        corrected_prediction.scale[0, 1, INDEX["oddity"]] < prediction.scale[0, 1, INDEX["oddity"]]
    )


@pytest.mark.parametrize("with_activities", [False, True])
def test_other_modalities_have_a_discrepancy_of_their_own(model, tmp_path, with_activities):
    activities = measurements(CONDITIONS)
    values = tuple(
        tuple(
            Observation(
                name, hours, 1.0 + 2.0 * float(activities.states[c, t, INDEX[name]]), "protein"
            )
            for t, hours in enumerate(activities.times_hours.tolist())
            for name in ("ERK", "oddity")
        )
        for c in range(len(CONDITIONS))
    )
    data = replace(activities.clipped(), others=values)
    if not with_activities:
        data = replace(data, measured=np.zeros_like(data.measured))
    tuned, _ = fit_gates(*model, data, FitSettings(members=3, steps=20), in_context=False)
    tissue = tuned.next_state.tissue
    assert (tissue.discrepancy is not None) == with_activities
    context = make_context(model[1], NETWORK, data.baseline)

    def predict(by):
        queries = [
            Condition({"EGF": 0.7}),
            Condition({"EGF": 0.7}, (Perturbation("oddity"),)),
            Condition({"EGF": 0.7}, (Perturbation("oddity", "clamp", 0.0),)),
        ]
        return predict_states(by, context, NETWORK, queries, [0.0, 6.0], modality="protein")

    prediction = predict(tuned)
    assert prediction.states[0, 1, INDEX["oddity"]] == pytest.approx(1.0 + 2.0 * 0.42, abs=0.2)
    # Nothing is added to states that a perturbation holds.
    assert (prediction.states[1:, 1, INDEX["oddity"]] < 1.0 + 2.0 * 0.2).all()
    tuned.save_pretrained(tmp_path)
    again = predict(HMLMForSignaling.from_pretrained(tmp_path))
    np.testing.assert_array_equal(again.states, prediction.states)
    np.testing.assert_array_equal(again.scale, prediction.scale)
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
