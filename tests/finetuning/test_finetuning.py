"""Fine-tuning: the fit, the tissue in the model, the folder, and baselines on the same loop."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from hmlm_fm import HMLMForSignaling
from hmlm_fm.benchmarks.baselines.fitted_logic_ode import FORMS, DefaultLogicODE, FittedLogicODE
from hmlm_fm.benchmarks.baselines.gate_model import GateModel
from hmlm_fm.benchmarks.baselines.hmlm import FineTuned, InContext
from hmlm_fm.finetuning import assemble
from hmlm_fm.finetuning.adapt import AdaptSettings, adapt
from hmlm_fm.finetuning.calibration import calibrate
from hmlm_fm.finetuning.gate_fit import GATE_PARTS, OBSERVATION, fit_gates
from hmlm_fm.fitting.ensemble import MANY_CONDITIONS, FitSettings, fit_members, held_out_parts
from hmlm_fm.inference.context import make_context, measured_context
from hmlm_fm.inference.gate_tables import gate_tables
from hmlm_fm.inference.loading import untrained_model
from hmlm_fm.inference.pipeline import SignalingPipeline
from hmlm_fm.inference.prediction import predict_states
from hmlm_fm.measurements.baseline import Baseline, mean_squared_error
from hmlm_fm.measurements.metrics import interval, score
from hmlm_fm.measurements.simulated import Budget, SimulatedTask, simulate_task
from hmlm_fm.measurements.time_scale import USUAL_HOURS, scale_condition, time_scale_for
from hmlm_fm.measurements.trivial import Hold, TrainingMean
from hmlm_fm.model.conditions import Condition, Observation, Perturbation
from hmlm_fm.model.gate_inference import INFERRED
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork
from hmlm_fm.model.tissue import APART

FEW = FitSettings(members=3, steps=40, patience=40, learning_rate=0.15)


@pytest.fixture(scope="module")
def cascade() -> SignalingNetwork:
    """A, B, C and D are inputs; A AND B -> E, C -> F, E OR F -> G, D -| G."""

    def rule(sources, target, weight=0.8, n=2.4, ec50=0.65):
        names = tuple(s.lstrip("!") for s in sources)
        signs = tuple(-1 if s.startswith("!") else 1 for s in sources)
        return Interaction(names, signs, target, "activation", weight, n, ec50)

    inputs = tuple(Interaction((), (), name, "input", 0.1) for name in "ABCD")
    rules = (rule("AB", "E"), rule("C", "F"), rule(("E", "!D"), "G"), rule(("F", "!D"), "G"))
    tau = dict(zip("ABCDEFG", (0.5, 0.5, 0.5, 0.5, 4.0, 9.0, 15.0), strict=True))
    molecules = tuple(Molecule(name, members=(name,), tau_hours=t) for name, t in tau.items())
    return SignalingNetwork("cascade", molecules, (*inputs, *rules), logic_known=True)


@pytest.fixture(scope="module")
def task(cascade):
    return simulate_task(cascade, Budget(16, 4), seed=1)


@pytest.fixture(scope="module")
def tuned(model, task):
    """From the wiring alone, so that few steps of the fit have an effect."""
    return fit_gates(*model, task.training.clipped(), FEW, in_context=False)


def predict(tuned, tokenizer, task, conditions, hours=(0, 6, 24, 48)):
    context = make_context(tokenizer, task.training.network, task.training.baseline_or_zero)
    return predict_states(tuned, context, task.training.network, conditions, np.array(hours))


def test_members_find_what_they_are_fitted_to():
    hours = torch.linspace(0.5, 8, 6)
    rates = torch.tensor([0.3, 1.2])
    levels = torch.linspace(0.2, 1, 10)
    truth = levels[:, None, None] * -torch.expm1(-hours[:, None] * rates)

    def predict(parameters, chosen):
        rate = parameters["log_rate"].exp()[:, None, None, :]
        return levels[chosen][:, None, None] * -torch.expm1(-hours[:, None] * rate)

    start = {"log_rate": torch.zeros(4, 2)}
    settings = FitSettings(members=4, steps=200, hold=0.0)
    fit = fit_members(predict, start, {"log_rate": 0.6}, truth, settings)
    assert torch.allclose(fit.parameters["log_rate"].exp(), rates.expand(4, 2), rtol=0.02)
    assert (fit.held_out_error < 1e-4).all()
    by_condition = fit.held_out.all(2)
    assert (by_condition == fit.held_out.any(2)).all()
    assert (by_condition.sum(1) >= 1).all()
    # What a member holds out, others are fitted to.
    assert (by_condition.sum(0) == 1).all()
    held = fit_members(predict, start, {"log_rate": 0.6}, truth, replace(settings, hold=1e3))
    assert held.parameters["log_rate"].abs().max() < 0.1


def test_of_a_single_time_course_times_are_held_out():
    hours = torch.linspace(0.5, 8, 6)
    truth = -torch.expm1(-hours[None, :, None] * torch.tensor([0.3, 1.2]))

    def predict(parameters, chosen):
        assert chosen.tolist() == [0]
        return -torch.expm1(-hours[:, None] * parameters["log_rate"].exp()[:, None, None, :])

    start = {"log_rate": torch.zeros(3, 2)}
    fit = fit_members(
        predict, start, {"log_rate": 0.6}, truth, FitSettings(members=3, steps=200, hold=0.0)
    )
    assert (fit.held_out[:, 0].sum(1) == 2).all()
    assert (fit.held_out[:, 0].sum(0) == 1).all()
    assert (fit.held_out_error < 1e-3).all()
    with pytest.raises(ValueError, match="at least 2 conditions, or one at 2 times"):
        fit_members(predict, start, {"log_rate": 0.6}, truth[:, :1], FEW)


def test_states_that_were_not_measured_do_not_count():
    truth = torch.rand(6, 3, 2)
    measured = torch.ones(6, 3, 2, dtype=torch.bool)
    measured[:, 1] = False

    def predict(parameters, chosen):
        return parameters["level"][:, None, None, :].expand(-1, len(chosen), 3, -1)

    def fitted(states):
        start = {"level": torch.zeros(2, 2)}
        settings = FitSettings(members=2, steps=20)
        return fit_members(predict, start, {"level": 1.0}, states, settings, weight=measured)

    other = torch.where(measured, truth, 55.0)
    assert torch.equal(fitted(truth).parameters["level"], fitted(other).parameters["level"])
    with pytest.raises(ValueError, match="0 conditions at 0 times"):
        fit_members(
            predict, {"level": torch.zeros(2, 2)}, {"level": 1.0}, truth, FEW,
            weight=torch.zeros_like(measured),
        )  # fmt: skip


def test_fine_tuning_is_better_than_its_start_and_baselines(model, tuned, task):
    _, fit = tuned
    assert float(fit.held_out_error.mean()) < 0.5 * float(fit.error_at_start.mean())
    entry = FineTuned(*model, settings=FEW, in_context=False)
    unfitted = InContext(*model).fit(task.training.subset(np.array([], dtype=int)))
    others = (Hold().fit(task.training), TrainingMean().fit(task.training), unfitted)
    errors = [on_all_splits(b, task) for b in (entry.fit(task.training), *others)]
    assert errors[0] < 0.5 * min(errors[1:])


def test_a_context_does_not_correct_a_fine_tuned_model(tuned, model, task):
    measured = [(Condition({"TGFB": 0.8}), [Observation("smad3", 6, 0.4)])]
    with pytest.raises(ValueError, match="it is fine-tuned, and predicts with the gates"):
        SignalingPipeline(tuned[0], model[1], task.training.network, measured=measured)


def test_parts_that_are_not_tuned_stay_as_they_were_inferred(model, tuned, task):
    still = replace(FEW, steps=0)
    data = task.training.clipped()
    _, start = fit_gates(*model, data, still, in_context=False)
    chosen, fit = fit_gates(*model, data, FEW, in_context=False, tunable=("tau", "ec50"))
    for name, value in fit.parameters.items():
        moved = not torch.equal(value, start.parameters[name])
        assert moved == (name in ("log_tau_F", "ec50_J")), name
    every, some = tuned[1].held_out_error.mean(), fit.held_out_error.mean()
    assert every < some < fit.error_at_start.mean()
    truth = task.queries["pairs"]
    states = predict(chosen, model[1], task, truth.conditions).states
    assert np.isfinite(states).all()
    # By default all inferred parts are fitted.
    assert set(GATE_PARTS.values()) == {*INFERRED, OBSERVATION}
    for nothing in ((), ("instruments",)):
        with pytest.raises(ValueError, match="there is nothing to tune in"):
            fit_gates(*model, data, still, tunable=nothing)


def test_an_unknown_state_at_rest_is_that_of_the_fitted_gates(model, task):
    """Of some molecules, or of all: without treatment states stand still, near the true ones."""
    names, baseline = task.training.network.names, task.training.baseline_or_zero
    for unknown in ("FG", "ABCDEFG"):
        blank = [name in unknown for name in names]
        data = replace(task.training.clipped(), baseline=np.where(blank, np.nan, baseline))
        # A discrepancy may move a condition without treatment.
        chosen, _ = fit_gates(*model, data, FEW, discrepancy=False)
        found = predict_states(
            chosen,
            measured_context(model[1], data, []),
            data.network,
            [Condition()],
            np.array([0, 6, 48]),
        )
        assert np.ptp(found.states[0], axis=0).max() < 0.01
        assert np.abs(found.states[0, 0] - baseline).max() < 0.05
        assert (found.scale[0, 0][blank] > 0.001).all()


def test_measurements_of_half_an_hour_are_fitted_like_those_of_a_day(model, task):
    data = task.training.clipped()
    held = (Perturbation("E", "clamp", 0.4, 12.0, 30.0),)
    data = replace(data, conditions=(Condition({"A": 0.9}, held), *data.conditions[1:]))
    day, minutes = (data.in_model_hours(USUAL_HOURS / 48 / faster) for faster in (1, 48))
    assert time_scale_for(day.times_hours) == 1
    assert time_scale_for(minutes.times_hours) == pytest.approx(48)
    queries = [Condition({"B": 0.8}, held), Condition({"C": 0.5})]
    predictions, tables = [], []
    for data_of_scale, faster in ((day, 1), (minutes, 48)):
        chosen, fit = fit_gates(*model, data_of_scale, replace(FEW, steps=10))
        assert fit.steps == 10
        hours = np.array([0, 6, 13, 24]) / faster
        conditions = [scale_condition(condition, 1 / faster) for condition in queries]
        context = measured_context(model[1], data_of_scale, [])
        predictions.append(predict_states(chosen, context, data.network, conditions, hours))
        tables.append(gate_tables(chosen, model[1], data_of_scale)[0])
    assert np.allclose(predictions[0].states, predictions[1].states, atol=1e-4)
    assert np.allclose(predictions[0].scale, predictions[1].scale, atol=1e-3)
    assert np.allclose(tables[0]["tau_hours"], 48 * tables[1]["tau_hours"], rtol=1e-3)
    with pytest.raises(ValueError, match=r"expected times from 0 to 208\.333"):
        predict_states(chosen, context, data.network, queries, [400.0])


def test_inference_in_context_learns_without_a_gradient_step(model, task):
    with_context, without = (
        InContext(*model).fit(training)
        for training in (task.training, task.training.subset(np.array([], dtype=int)))
    )
    assert on_all_splits(with_context, task) < 0.5 * on_all_splits(without, task)


def on_all_splits(method: Baseline, task: SimulatedTask) -> float:
    return sum(mean_squared_error(method, truth) for truth in task.queries.values())


def test_a_member_starts_from_what_it_does_not_hold_out(model, task):
    """Measurements that others hold out change its start; those that it holds out itself do not."""
    data = task.training.clipped()
    still = replace(FEW, steps=0)
    part = held_out_parts(torch.ones(16, 3), FEW.members, 0).measurements[0, :, 0].numpy()
    other = int(np.flatnonzero(~part)[0])
    starts = []
    for changed in (None, part, other):
        states = data.states.copy()
        if changed is not None:
            states[changed, 1:] = 0.5
        _, fit = fit_gates(*model, replace(data, states=states), still)
        starts.append(fit.parameters["ec50_J"][0])
    assert torch.equal(starts[0], starts[1])
    assert not torch.allclose(starts[0], starts[2], atol=1e-3)


def test_of_many_conditions_every_second_member_starts_untrained(model, cascade):
    data = simulate_task(cascade, Budget(MANY_CONDITIONS, 4), splits=["pairs"]).training.clipped()
    _, fit = fit_gates(*model, data, FitSettings(members=2, steps=0))
    for member, start in enumerate((model[0], untrained_model(model[0].config, seed=0))):
        training = data.after_start().without(fit.held_out[member].numpy())
        logits, _ = start.infer_gates(**measured_context(model[1], training))
        assert torch.allclose(fit.parameters["ec50_J"][member], logits.ec50_J, atol=1e-5)
        assert not torch.allclose(fit.parameters["ec50_J"][1 - member], logits.ec50_J, atol=1e-2)


def test_intervals_cover_held_out_conditions(tuned, model, task):
    covered = []
    for truth in task.queries.values():
        found = predict(tuned[0], model[1], task, truth.conditions, truth.times_hours)
        covered.append(score(found.states, found.scale, truth)["coverage"])
    assert 0.85 <= np.mean(covered) <= 0.99


def test_of_a_single_time_course_members_are_corrected_by_what_each_was_fitted_to(
    model, task, monkeypatch
):
    """And not by what it held out, which its errors are measured on."""
    captured = []
    monkeypatch.setattr(assemble, "calibrate", lambda e: captured.append(e) or calibrate(e))
    lone = task.training.subset(np.array([0]))
    for moved in (0.0, 0.1):
        last = lone.states.copy()
        last[:, -1] += moved
        fit_gates(*model, replace(lone, states=last).clipped(), replace(FEW, steps=1))
    errors, others = captured
    scale = torch.full_like(errors.predicted, 0.1)
    corrected, left = errors.correct(errors.predicted, scale)
    after, _ = others.correct(errors.predicted, scale)
    fitted_at = ~errors.held_out[:, 0]
    assert fitted_at.any(1).all()
    assert not fitted_at.all(1).any()
    for member, uses_last in enumerate(fitted_at[:, -1]):
        assert (
            left[member, 0, fitted_at[member]].mean() < left[member, 0, ~fitted_at[member]].mean()
        )
        assert torch.equal(corrected[member], after[member]) != uses_last


def test_a_tissue_is_saved_and_loaded(tuned, model, task, tmp_path):
    queries = [Condition({"A": 0.8, "B": 0.9}), Condition({"C": 1.0})]
    before = predict(tuned[0], model[1], task, queries)
    tuned[0].save_pretrained(tmp_path)
    again = HMLMForSignaling.from_pretrained(tmp_path).eval()
    after = predict(again, model[1], task, queries)
    assert np.array_equal(before.states, after.states)
    assert np.array_equal(before.scale, after.scale)
    tissue = again.next_state.tissue
    assert (tissue.log_calibration.weight != 0).all()
    assert (tissue.log_missed.weight != 0).all()


def test_a_tissue_predicts_its_network_alone(tuned, model, task):
    other = replace(
        task.training.network, molecules=(*task.training.network.molecules, Molecule("Z"))
    )
    context = make_context(model[1], other, None)
    with pytest.raises(ValueError, match="fine-tuned to one network"):
        predict_states(tuned[0], context, other, [Condition()], np.array([1.0]))


def test_different_knockouts_differ_and_hold(tuned, model, task):
    both = {"A": 0.9, "B": 0.9, "C": 0.9}
    queries = [Condition(both, (Perturbation(name, "knockout"),)) for name in "EF"]
    states = predict(tuned[0], model[1], task, [Condition(both), *queries]).states
    index = task.training.network.molecule_index
    assert (states[1, :, index["E"]] == 0).all()
    assert (states[2, :, index["F"]] == 0).all()
    assert np.abs(states[1] - states[2]).max() > 0.05
    assert states[0, -1, index["G"]] > states[1, -1, index["G"]]


def test_conditions_with_a_perturbation_have_a_scale_of_their_own(tuned, model, task):
    """A knock-down by nothing changes no state, but its scale has the other factor."""
    stimuli = {"A": 0.7}
    nothing = Perturbation("E", "knockdown", 0.0)
    changed = copy.deepcopy(tuned[0])
    with torch.no_grad():
        changed.next_state.tissue.log_calibration.weight.copy_(torch.tensor([[0.2, 0.7]]))
    found = predict(changed, model[1], task, [Condition(stimuli), Condition(stimuli, (nothing,))])
    assert np.allclose(found.states[0], found.states[1], atol=1e-6)
    later = found.scale[:, 1:]  # at time 0 all is known
    assert np.allclose(later[1] / later[0], math.exp(0.5), rtol=1e-4)


def test_the_prediction_is_that_of_all_members(tuned, model, task):
    """The mean of the members, each rolled out alone; their spread widens the scale."""
    queries = [Condition({"A": 0.7})]
    together = predict(tuned[0], model[1], task, queries)
    alone = []
    tables = tuned[0].next_state.tissue.tables
    kept = {name: table.weight.detach().clone() for name, table in tables.items()}
    for member in range(FEW.members):
        with torch.no_grad():
            for name, table in tables.items():
                table.weight.copy_(kept[name][member].expand_as(table.weight))
        alone.append(predict(tuned[0], model[1], task, queries))
    with torch.no_grad():
        for name, table in tables.items():
            table.weight.copy_(kept[name])
    assert np.allclose(np.mean([p.states for p in alone], 0), together.states, atol=1e-5)
    without = tuned[0].next_state.tissue.log_calibration.weight[0, 0].exp().item()
    variance = np.mean([p.scale**2 for p in alone], 0) / without**2
    variance = variance + APART**2 * np.var([p.states for p in alone], 0)
    assert np.allclose(without * np.sqrt(variance), together.scale, atol=1e-4)


def test_time_constants_can_be_read(model, cascade):
    """Of 4, 9 and 15 h behind inputs of half an hour; the last one hardly moves."""
    data = simulate_task(cascade, Budget(16, 9), seed=1).training.clipped()
    molecules, gates = gate_tables(fit_gates(*model, data, FEW)[0], model[1], data)
    assert molecules["molecule"].tolist() == list(cascade.names)
    slow = molecules.set_index("molecule")["tau_hours"]
    inputs = slow[list("ABCD")].max()
    assert slow["F"] > 3 * inputs
    assert min(slow["E"], slow["G"]) > 1.3 * inputs
    assert set(gates.columns) == {"target", "source", "sign", "weight", "n", "ec50"}
    assert gates["ec50"].between(0, 1).all()


def test_gates_of_a_model_that_is_not_fine_tuned_are_refused(model, cascade):
    data = simulate_task(cascade, Budget(16, 9), seed=1).training.clipped()
    with pytest.raises(ValueError, match="expected a fine-tuned one: fine-tune it"):
        gate_tables(*model, data)


def test_the_fitted_logic_ode_finds_the_truth(cascade):
    """In track logic the fitted ODE is the truth's own form, and comes close to it."""
    task = simulate_task(cascade, Budget(24, 8), track="logic", seed=1)
    fitted = FittedLogicODE(FitSettings(members=2, steps=60, learning_rate=0.2)).fit(task.training)
    default = DefaultLogicODE().fit(task.training)
    errors = [
        sum(mean_squared_error(ode, truth) for truth in task.queries.values())
        for ode in (fitted, default)
    ]
    assert errors[0] < 5e-3
    assert errors[0] < 0.6 * errors[1]


def test_forms_of_unknown_logic(task):
    joined = FORMS["AND"](task.training.network)
    assert [i.rule for i in joined.interactions if not i.is_input] == [
        "A & B => E",
        "C => F",
        "E & !D & F => G",
    ]
    held = FORMS["activators held back"](task.training.network)
    assert {i.rule for i in held.interactions if i.target == "G"} == {
        "E & !D => G",
        "F & !D => G",
    }


def test_rolled_out_gates_learn(task):
    fitted = GateModel(FEW).fit(task.training)
    again = GateModel(FEW).fit(task.training)
    for truth in task.queries.values():
        assert mean_squared_error(fitted, truth) < 0.5 * mean_squared_error(
            Hold().fit(task.training), truth
        )
        states = fitted.predict(truth.conditions, truth.times_hours)
        assert np.array_equal(states, again.predict(truth.conditions, truth.times_hours))


def test_metrics_have_their_definitions(task):
    truth = task.queries["pairs"]
    perfect = score(truth.states, np.full(truth.states.shape, 1e-3), truth)
    assert perfect["mse"] == 0
    assert perfect["coverage"] == perfect["direction"] == 1
    assert perfect["pearson"] == pytest.approx(1)
    rng = np.random.default_rng(0)
    noisy = truth.states + 0.05 * rng.standard_normal(truth.states.shape)
    found = score(noisy, np.full(truth.states.shape, 0.05), truth)
    assert found["coverage"] == pytest.approx(0.9, abs=0.01)
    assert found["width"] == pytest.approx(2 * 1.645 * 0.05, rel=1e-3)
    # The mean of |X| and of |X - X'| / 2 of a normal distribution.
    assert found["crps"] == pytest.approx(0.05 / math.sqrt(math.pi), rel=0.02)
    assert json.dumps(found)


def test_intervals():
    mean, low, high = interval([[1.0] * 5, [2.0] * 5, [3.0] * 5])
    assert mean == 2
    assert low == 0
    assert high == pytest.approx(2 + 4.3027 / math.sqrt(3), rel=1e-3)
    mean, low, high = interval([np.random.default_rng(0).normal(5, 1, 400).tolist()])
    assert low < mean < high
    assert high - low == pytest.approx(4 * 1 / 20, rel=0.15)


def test_adapted_weights_predict_held_out_conditions_no_worse(model, task):
    data = task.training.clipped()
    before = {name: value.clone() for name, value in model[0].state_dict().items()}
    errors: list[float] = []
    adapted = adapt(
        *model,
        data,
        AdaptSettings(steps=10, queries=4),
        progress=lambda _, error: errors.append(error),
    )
    assert errors[-1] < errors[0]
    changed = adapted.state_dict()
    assert all(torch.equal(value, model[0].state_dict()[name]) for name, value in before.items())
    assert any(not torch.equal(changed[name], value) for name, value in before.items())
    tuned, _ = fit_gates(adapted, model[1], data, FEW)
    with pytest.raises(ValueError, match="it is fine-tuned, and predicts with the gates"):
        adapt(tuned, model[1], data)


def test_members_hold_out_measured_conditions():
    count = torch.ones(10, 3)
    count[4] = 0
    for members, most in ((3, 3), (1, 2)):
        parts = held_out_parts(count, members, 0)
        by_condition = parts.measurements.any(2)
        assert not by_condition[:, 4].any()
        assert by_condition.sum(1).min() >= 1
        assert by_condition.sum(1).max() <= most
    assert held_out_parts(count, 3, 0).measurements.any(2).sum() == 9
    alone = held_out_parts(count * (torch.arange(10) == 7)[:, None], 2, 0).measurements
    assert alone[:, 7].sum() == 3
    assert alone.sum() == 3
    with pytest.raises(ValueError, match="at least 2 conditions, or one at 2 times"):
        held_out_parts(torch.zeros(5, 3), 2, 0)
