"""Targets of a fit: weights by standard deviations, and modalities other than activity."""

from dataclasses import replace

import numpy as np
import pytest

from hmlm_fm import HMLMForSignaling
from hmlm_fm.finetuning import assemble
from hmlm_fm.finetuning.calibration import calibrate
from hmlm_fm.finetuning.gate_fit import fit_gates
from hmlm_fm.finetuning.targets import ROLL_OUT_ERROR, Targets
from hmlm_fm.fitting.discrepancy import Unexplained
from hmlm_fm.fitting.ensemble import FitSettings
from hmlm_fm.inference.context import make_context
from hmlm_fm.inference.prediction import predict_states
from hmlm_fm.measurements.measured import Measurements
from hmlm_fm.measurements.metrics import LEAST_CHANGE
from hmlm_fm.measurements.simulated import Budget, simulate_task
from hmlm_fm.measurements.trivial import Hold
from hmlm_fm.model.conditions import Observation
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork
from hmlm_fm.model.next_state_head import NORMAL_QUANTILE

FEW = FitSettings(members=2, steps=80, patience=80, learning_rate=0.15)
GAIN, OFFSET, HALF = 3.0, 0.4, 2.0


@pytest.fixture(scope="module")
def network() -> SignalingNetwork:
    """Three inputs; A OR B -> D -> E -> F, C -| E; slow, steep gates that are no defaults."""
    inputs = tuple(Interaction((), (), name, "input", 0.1) for name in "ABC")
    rules = tuple(
        Interaction((source,), (sign,), target, "activation", 0.7, 2.5, 0.65)
        for source, sign, target in (
            ("A", 1, "D"),
            ("B", 1, "D"),
            ("D", 1, "E"),
            ("C", -1, "E"),
            ("E", 1, "F"),
        )
    )
    tau = dict(zip("ABCDEF", (0.5, 0.5, 0.5, 6.0, 12.0, 3.0), strict=True))
    molecules = tuple(Molecule(name, members=(name,), tau_hours=t) for name, t in tau.items())
    return SignalingNetwork("small", molecules, (*inputs, *rules), logic_known=True)


@pytest.fixture(scope="module")
def task(network):
    return simulate_task(network, Budget(16, 5), seed=2)


def error(model, task, tuned) -> float:
    """Mean squared error of states under held-out pairs of stimuli."""
    truth = task.queries["pairs"]
    context = make_context(model[1], task.training.network, task.training.baseline_or_zero)
    found = predict_states(
        tuned, context, task.training.network, truth.conditions, truth.times_hours
    )
    return float(np.mean((found.states - truth.states) ** 2))


def instrument(states: np.ndarray) -> np.ndarray:
    return OFFSET + GAIN * states * (1 + HALF) / (states + HALF)


def measured_as(modality: str, data: Measurements, sd: float | None = None) -> Measurements:
    """The same states, measured by an instrument and not as activities."""
    names, read = data.network.names, instrument(data.states)
    others = tuple(
        tuple(
            Observation(names[i], hours, float(read[c, t, i]), modality, sd)
            for t, hours in enumerate(data.times_hours.tolist())
            for i in range(len(names))
        )
        for c in range(len(read))
    )
    return replace(data, measured=np.zeros_like(data.measured), others=others)


def test_measurements_count_by_their_standard_deviations(task):
    data = task.training.clipped().after_start()
    assert (Targets.from_measurements(data).weight == 1).all()
    sd = np.full(data.states.shape, np.nan)
    sd[0], sd[1], sd[2] = ROLL_OUT_ERROR, 2 * ROLL_OUT_ERROR, 10.0
    weight = Targets.from_measurements(replace(data, sd=sd)).weight
    assert weight[0].numpy() == pytest.approx(1 / 2)
    assert weight[1].numpy() == pytest.approx(1 / 5)
    assert (weight[2] < 1e-4).all()
    # Without a stated one, a measurement has the median.
    assert weight[3].numpy() == pytest.approx(1 / 5)


def test_columns_of_other_modalities(task):
    data = task.training.clipped().after_start()
    observations = (
        Observation("E", 12.0, 2.0, "mRNA"),
        Observation("D", 12.0, 4.0, "protein", 0.1),
        Observation("D", 24.0, 6.0, "protein", 0.3),
        Observation("D", 0.0, 9.0, "protein"),
    )
    targets = Targets.from_measurements(
        replace(data, others=(observations, *[()] * (len(data.conditions) - 1)))
    )
    assert targets.molecule_V.tolist() == [4, 3]
    assert targets.modality_V.tolist() == [2, 3]
    molecules = len(data.network.molecules)
    assert targets.values[0, :2, molecules:].tolist() == [[2.0, 4.0], [0.0, 6.0]]
    assert (targets.weight[0, :2, molecules:] > 0).tolist() == [[True, True], [False, True]]
    assert not targets.weight[1:, :, molecules:].any()
    # 6 is known three times less well than 4, in units in which the two differ by half of one.
    exact, rough = targets.weight[0, :2, molecules + 1].tolist()
    unit = 1.0 / 0.25
    spread = ROLL_OUT_ERROR**2
    ratio = (spread + (0.3 / unit) ** 2) / (spread + (0.1 / unit) ** 2)
    assert exact / rough == pytest.approx(ratio)


def test_uncertain_measurements_mislead_less(model, task):
    data = task.training.clipped()
    rng = np.random.default_rng(0)
    wrong = rng.random(data.states.shape) < 0.3
    wrong[:, 0] = False
    states = np.where(wrong, 0.95, data.states)
    misled = replace(data, states=states)
    with_sd = replace(misled, sd=np.where(wrong, 1.0, 0.01))
    errors = [
        error(model, task, fit_gates(*model, of, FEW, in_context=False)[0])
        for of in (misled, with_sd)
    ]
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("modality", ["phosphoprotein", "imaging feature"])
def test_states_are_learned_from_other_modalities(model, task, modality):
    data = measured_as(modality, task.training.clipped())
    tuned, fit = fit_gates(*model, data, FEW, in_context=False)
    untuned = error(model, task, model[0])
    hold = Hold().fit(task.training)
    truth = task.queries["pairs"]
    held = float(np.mean((hold.predict(truth.conditions, truth.times_hours) - truth.states) ** 2))
    found = error(model, task, tuned)
    assert found < 0.4 * untuned
    assert found < 0.2 * held
    assert float(fit.held_out_error.mean()) < 0.3 * float(fit.error_at_start.mean())


def test_intervals_of_other_modalities_cover_held_out_conditions(model, network, task):
    """They are in the modality's own unit, from held-out errors in it."""
    data = measured_as("protein", task.training.clipped())
    tuned, _ = fit_gates(*model, data, replace(FEW, members=6))
    # Further conditions of the same kind.
    truth = simulate_task(network, Budget(48, 5), seed=3, splits=()).training
    context = make_context(model[1], task.training.network, task.training.baseline_or_zero)
    found = predict_states(
        tuned,
        context,
        task.training.network,
        truth.conditions,
        truth.times_hours,
        modality="protein",
    )
    moves = np.abs(truth.states - truth.baseline_or_zero) > LEAST_CHANGE
    moves[:, 0] = False
    wide = NORMAL_QUANTILE * found.scale
    inside = np.abs(found.states - instrument(truth.states)) <= wide
    assert 0.8 <= inside[moves].mean() <= 0.99
    assert 2 * wide[moves].mean() < 0.3 * GAIN


def test_intervals_are_calibrated_with_the_discrepancy_of_other_conditions(
    model, task, monkeypatch
):
    """Not with one that was fitted to the same condition; nor on states that are held."""
    captured = []
    monkeypatch.setattr(assemble, "calibrate", lambda e: captured.append(e) or calibrate(e))
    still = replace(FEW, steps=0)
    activities = task.training.clipped()
    names = activities.network.names
    for data, columns in (
        (activities, slice(None)),
        (measured_as("protein", activities), slice(6, 12)),
    ):
        hours = data.times_hours[1:]
        shape = (len(data.conditions), len(hours), len(names))
        of_others = Unexplained(
            [], hours.tolist(), np.zeros((1, *shape[1:])), np.full(shape, 0.3),
            np.full(shape, 0.05), 0.5,
        )  # fmt: skip
        of_states = columns == slice(None)
        found = (of_others, None) if of_states else (None, of_others)
        monkeypatch.setattr(assemble, "find_unexplained", lambda *_, found=found: found)
        fit_gates(*model, data, still, discrepancy=False)
        fit_gates(*model, data, still)
        without, with_others = captured[-2:]
        moved = (with_others.predicted - without.predicted)[..., columns]
        knocked_out = [
            (c, names.index(p.target))
            for c, condition in enumerate(data.conditions)
            for p in condition.perturbations
        ]
        assert knocked_out
        for c, i in knocked_out:
            assert of_states is bool((moved[:, c, :, i] == 0).all())
            assert not without.measured[c, :, i].any()
        inside = (moved != 0) & ((without.predicted[..., columns] < 0.9) | (not of_states))
        assert (moved[inside] - 0.05).abs().max() < 1e-5
        assert inside.double().mean() > 0.5


def test_instruments_travel_with_the_tissue(model, task, tmp_path):
    data = measured_as("protein", task.training.clipped())
    tuned, _ = fit_gates(*model, data, replace(FEW, steps=5), in_context=True)
    tuned.save_pretrained(tmp_path)
    again = HMLMForSignaling.from_pretrained(tmp_path).eval()
    gates = again.next_state.tissue.tables["observation_FY4"].weight
    assert gates.shape[0] == FEW.members
    gain = gates.view(FEW.members, len(data.network.molecules), -1, 4)[..., 3, 1].exp()
    assert ((gain > 0.7 * GAIN) & (gain < 1.4 * GAIN)).all()
    assert error(model, task, again) == error(model, task, tuned)


def test_fine_tuned_models_are_not_fine_tuned_again(model, task):
    data = task.training.clipped()
    tuned, _ = fit_gates(*model, data, replace(FEW, steps=0), in_context=False)
    with pytest.raises(ValueError, match="it is fine-tuned, and predicts with the gates"):
        fit_gates(tuned, model[1], data, FEW)


def test_fits_do_not_depend_on_what_all_measurements_have_in_common(model, task):
    """A standard deviation that all share, or the unit of a modality, does not change states."""
    few = replace(FEW, steps=20)
    data = task.training.clipped()
    equal_sd = replace(data, sd=np.full(data.states.shape, 2.0))
    _, plain = fit_gates(*model, data, few, in_context=False)
    _, rough = fit_gates(*model, equal_sd, few, in_context=False)
    at_start = float(plain.error_at_start.mean())
    assert float(rough.error_at_start.mean()) == pytest.approx(at_start, rel=1e-4)
    assert float(rough.held_out_error.mean()) == pytest.approx(
        float(plain.held_out_error.mean()), rel=1e-2
    )

    proteins = measured_as("protein", data)
    others = tuple(tuple(replace(o, value=5 * o.value) for o in of) for of in proteins.others)
    in_other_units = replace(proteins, others=others)
    errors = []
    for of in (proteins, in_other_units):
        tuned, fit = fit_gates(*model, of, few, in_context=False)
        errors.append((error(model, task, tuned), float(fit.held_out_error.mean())))
    assert errors[1] == pytest.approx(errors[0], rel=0.25)
