"""`hmlm benchmark real`: what folds show and hide, known answers, and the figures."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from hmlm_fm.benchmarks.real.figures_of_folds import Tally, figures
from hmlm_fm.benchmarks.real.folds import SPLITS, TooFew, folds_of, lines_of_design, shown_few
from hmlm_fm.benchmarks.real.methods import (
    Answer,
    BayesianRidge,
    GaussianProcess,
    Mean,
    Nearest,
    NoChange,
    OtherLines,
    OtherTreatments,
    Ridge,
    Ruler,
)
from hmlm_fm.benchmarks.real.network_methods import OnNetwork, with_shuffled_network
from hmlm_fm.benchmarks.real.real_entries import REAL_ENTRIES, chosen_entries
from hmlm_fm.benchmarks.real.real_table import summarise_sets
from hmlm_fm.cli.main import app
from hmlm_fm.corpora.same_measurements import values_hash
from hmlm_fm.formats.measured.measured_set import LATE, MeasuredSet, Measurement, Scale, Treatment
from hmlm_fm.formats.measured.set_folder import write_measured_set
from hmlm_fm.measurements.responses import NEAR_REPLICATES, REPLICATES, responses_of
from hmlm_fm.measurements.trivial import TrainingMean
from hmlm_fm.model.error_base import HMLMError
from hmlm_fm.model.response_features import ResponseTask, without_names, without_network

STIMULI, INHIBITORS = ("EGF", "TNF", "IL1", "HGF"), ("MEK", "PI3K", "IKK")
LINEAR = Scale()
READOUTS = ("pERK", "pAKT", "pP38")
METHODS = (
    Ruler, NoChange, Mean, Ridge, BayesianRidge, Nearest, GaussianProcess,
)  # fmt: skip


def made_set(name="Lab-A", line="A", seed=0, replicates=1, noise=0.05, shift=0.0):
    """All stimuli with all inhibitors at two times; inhibitors take half of an effect away."""
    rng, given = np.random.default_rng(seed), np.random.default_rng(7)
    effect = given.normal(size=(len(STIMULI), len(READOUTS)))
    conditions: dict[str, tuple[Treatment, ...]] = {}
    measurements = []
    for s in (None, *range(len(STIMULI))):
        for i in (None, *range(len(INHIBITORS))):
            done = [Treatment("stimulus", STIMULI[s])] if s is not None else []
            done += [Treatment("inhibition", INHIBITORS[i], 0.9)] if i is not None else []
            label = f"{s} {i}"
            conditions[label] = tuple(done)
            change = np.zeros(len(READOUTS)) if s is None else effect[s] * (1 + shift)
            if i is not None:
                change = change * np.where(np.arange(len(READOUTS)) == i, 0.3, 1.0)
            for hours in (0.5, 2.0):
                for r in range(replicates):
                    values = 3 + change * hours + noise * rng.normal(size=len(READOUTS))
                    measurements += [
                        Measurement(label, readout, hours, float(v), "phosphoprotein",
                                    replicate=str(r))
                        for readout, v in zip(READOUTS, values, strict=True)
                    ]  # fmt: skip
    return MeasuredSet(name, conditions, tuple(measurements), study="Lab", cell_line=line)


@pytest.fixture(scope="module")
def responses():
    return responses_of(made_set())


def test_responses_are_changes_from_the_control_of_the_same_time(responses):
    assert responses.doses.shape == (19, 7)
    assert set(np.unique(responses.doses)) == {0.0, 1.0}
    assert responses.changes.shape == (19, 6)
    assert responses.has_control.all()
    control = {
        (m.readout, m.time_hours): m.value
        for m in responses.measured.measurements
        if m.condition == "None None"
    }
    first = responses.conditions[0][0]
    for m in responses.measured.measurements:
        if m.condition == first:
            place = [o.readout for o in responses.outputs].index(m.readout)
            place += 3 * (m.time_hours == 2.0)
            expected = m.value - control[m.readout, m.time_hours]
            assert responses.changes[0, place] == pytest.approx(expected)


def test_replicates_and_conditions_of_equal_doses_tell_the_noise():
    noisy = responses_of(made_set(replicates=3, noise=0.4))
    assert noisy.noise_source == REPLICATES
    assert np.sqrt(noisy.noise.mean()) == pytest.approx(0.4, abs=0.05)
    assert (noisy.counts == 3).all()
    whole = made_set(noise=0.4)
    again = {f"{name} again": done for name, done in whole.conditions.items()}
    twice = replace(
        whole,
        conditions={**whole.conditions, **again},
        measurements=whole.measurements + tuple(
            replace(m, condition=f"{m.condition} again", value=m.value + 0.2)
            for m in whole.measurements
        ),
    )  # fmt: skip
    near = responses_of(twice)
    assert near.noise_source == NEAR_REPLICATES
    assert near.doses.shape == (19, 7)
    assert np.isnan(responses_of(made_set()).noise).all()


def test_a_control_of_another_batch_or_time_takes_the_place_of_a_missing_one():
    def of(condition, hours, value, batch="", scale=LINEAR):
        return Measurement(condition, "X", hours, value, "protein", scale=scale, batch=batch)

    given = {"c": (), "e": (Treatment("stimulus", "EGF"),)}
    batches = MeasuredSet(
        "a", given, (of("c", 1, 10, "1"), of("e", 1, 12, "1"), of("c", 1, 20, "2"),
                     of("e", 1, 23, "2"), of("e", 1, 16, "3")),
    )  # fmt: skip
    assert responses_of(batches).changes[0, 0] == pytest.approx((2 + 3 + 1) / 3)
    at_rest = MeasuredSet("b", given, (of("c", 0, 5), of("e", 0, 5), of("e", 2, 9)))
    found = responses_of(at_rest)
    assert [o.hours for o in found.outputs] == [2]
    assert found.changes.tolist() == [[4.0]]
    change = MeasuredSet("c", given, (of("e", LATE, 1.5, scale=Scale("log2", True)),))
    assert responses_of(change).changes.tolist() == [[1.5]]
    without = MeasuredSet("d", {"e": given["e"]}, (of("e", 1, 7),))
    assert not responses_of(without).has_control.any()


def test_conditions_of_one_vector_stay_on_one_side_and_each_is_held_out_once(responses):
    folds = folds_of("conditions", responses)
    assert len(folds) == 12
    for repeat in range(3):
        rows = np.concatenate([f.rows for f in folds if f.repeat == repeat])
        assert sorted(rows) == list(range(19))
    for fold in folds:
        shown = {tuple(v) for v in fold.shown.doses}
        assert not shown & {tuple(v) for v in fold.shown.query_doses}
        assert fold.shown.measured.measurements == ()


def test_combinations_are_held_out_of_what_is_shown_alone(responses):
    (fold,) = folds_of("combinations", responses)
    assert ((fold.shown.doses > 0).sum(1) == 1).all()
    assert len(fold.shown.doses) == 7
    assert ((fold.shown.query_doses > 0).sum(1) == 2).all()
    assert len(fold.rows) == 12


def test_a_treatment_is_held_out_with_all_its_conditions(responses):
    folds = folds_of("treatment", responses)
    assert [f.part for f in folds] == list(responses.labels)
    for fold in folds:
        assert (fold.shown.doses[:, fold.shown.held_out] == 0).all()
        assert (fold.shown.query_doses[:, fold.shown.held_out] > 0).all()


def test_background_is_no_treatment_to_hold_out():
    whole = made_set()
    serum = Treatment("stimulus", "serum")
    with_background = replace(
        whole, conditions={n: (*d, serum) if d else d for n, d in whole.conditions.items()}
    )
    found = responses_of(with_background)
    assert "serum" not in [f.part for f in folds_of("treatment", found)]
    assert len(folds_of("combinations", found)[0].rows) == 12


def test_one_dose_of_three_is_held_out():
    def of(dose):
        return Treatment("drug", "trametinib", dose, unit="nM")

    conditions = {"c": ()} | {f"{s} {d}": ((of(d), Treatment("stimulus", s)) if d else
                                           (Treatment("stimulus", s),))
                              for s in STIMULI for d in (0, 1, 10, 100)}  # fmt: skip
    rng = np.random.default_rng(0)
    values = tuple(Measurement(n, "X", 1, float(rng.normal()), "protein") for n in conditions)
    found = responses_of(MeasuredSet("doses", conditions, values))
    folds = folds_of("dose", found)
    assert [f.part for f in folds] == ["trametinib 0.01", "trametinib 0.1", "trametinib 1"]
    assert all(len(f.rows) == 4 for f in folds)
    with pytest.raises(TooFew, match="no treatment with 3 doses"):
        folds_of("dose", responses_of(made_set()))


def test_other_lines_are_shown_whole_and_of_the_own_nothing_or_a_quarter(responses):
    others = [responses_of(made_set(f"Lab-{n}", n, seed)) for seed, n in enumerate("BC", 1)]
    foreign = responses_of(replace(made_set("Other-D", "D"), study="Other"))
    lines = lines_of_design(responses, [responses, *others, foreign])
    assert [one.measured.cell_line for one in lines] == ["B", "C"]
    (fold,) = folds_of("line", responses, lines)
    assert len(fold.shown.doses) == 2 * 19
    assert set(fold.shown.lines) == {"B", "C"}
    quarter = folds_of("line-quarter", responses, lines)[0]
    assert (quarter.shown.lines == "A").sum() == 5
    assert len(quarter.rows) == 14
    answer = OtherLines().answer(fold.shown)
    mean = (others[0].changes + others[1].changes) / 2
    assert answer.changes == pytest.approx(mean[fold.rows])
    with pytest.raises(TooFew, match="no other line"):
        folds_of("line", responses, [])


def test_too_few_conditions_are_skipped_with_the_reason(responses):
    with pytest.raises(TooFew, match="11 distinct conditions; expected at least 12"):
        folds_of("conditions", responses.subset(np.arange(11)))


@pytest.mark.parametrize("kind", METHODS)
def test_answers_depend_neither_on_other_queries_nor_on_the_truth(responses, kind):
    fold = folds_of("conditions", responses)[0]
    whole = kind().answer(fold.shown)
    assert whole.changes.shape == fold.truth.shape
    assert np.isfinite(whole.changes).all()
    assert whole.sd is None or (whole.sd > 0).all()
    one = replace(
        fold.shown,
        query_doses=fold.shown.query_doses[:1],
        query_conditions=fold.shown.query_conditions[:1],
    )
    assert kind().answer(one).changes[0] == pytest.approx(whole.changes[0], abs=1e-6)


@pytest.mark.parametrize("kind", METHODS)
def test_missing_values_and_outputs_that_were_never_shown(responses, kind):
    fold = folds_of("conditions", responses)[0]
    changes = fold.shown.changes.copy()
    changes[::3, 1] = np.nan
    changes[:, 4] = np.nan
    answer = kind().answer(replace(fold.shown, changes=changes))
    assert np.isfinite(answer.changes).all()
    assert answer.sd is None or np.isfinite(answer.sd).all()


def test_a_time_that_was_never_shown_is_between_those_that_were(responses):
    fold = folds_of("conditions", responses)[0]
    outputs = tuple(
        replace(o, hours={0.5: 1.0, 2.0: 3.0}[o.hours]) for o in fold.shown.outputs
    ) + tuple(replace(o, hours=2.0) for o in fold.shown.outputs[:3])
    nothing = np.full((len(fold.shown.changes), 3), np.nan)
    shown = replace(
        fold.shown, outputs=outputs, changes=np.concatenate([fold.shown.changes, nothing], 1)
    )
    found = Ruler().answer(shown).changes
    assert found[:, 6:] == pytest.approx((found[:, :3] + found[:, 3:6]) / 2)


def test_known_answers_of_the_simplest_methods(responses):
    fold = folds_of("treatment", responses)[0]
    shown = fold.shown
    assert (NoChange().answer(shown).changes == 0).all()
    assert Mean().answer(shown).changes[0] == pytest.approx(shown.changes.mean(0))
    seen = replace(shown, query_doses=shown.doses[:3])
    assert Nearest().answer(seen).changes == pytest.approx(shown.changes[:3])
    # EGF alone: another stimulus in its place.
    alone = int(np.flatnonzero((shown.query_doses > 0).sum(1) == 1)[0])
    others = (shown.doses > 0).sum(1) == 1
    found = OtherTreatments().answer(shown).changes[alone]
    assert found == pytest.approx(shown.changes[others].mean(0))


def test_the_ruler_is_right_where_responses_are_nearly_additive():
    found = responses_of(made_set(noise=0.01))
    tally, ruler = Tally.of(19), Tally.of(19)
    for fold in folds_of("conditions", found):
        tally.add(fold, NoChange().answer(fold.shown))
        ruler.add(fold, Ruler().answer(fold.shown))
    assert ruler.mse < 0.3 * tally.mse
    own = figures(ruler, ruler)
    assert own["ratio"] == own["ratio_low"] == own["ratio_high"] == 1
    assert own["pearson"] > 0.8
    assert figures(tally, ruler)["ratio"] == pytest.approx(tally.mse / ruler.mse)


def test_the_share_that_is_explained_leaves_the_noise_out():
    """A method that knows the truth but for noise explains all that can be."""
    found = responses_of(made_set(replicates=2, noise=0.8))
    clean = responses_of(made_set(noise=0.0))
    tally, ruler = Tally.of(19), Tally.of(19)
    for fold in folds_of("conditions", found):
        truth = clean.changes[fold.rows]
        # The control's noise is in every change, so that a constant of each output is given.
        offset = np.nanmean(fold.truth - truth, 0)
        tally.add(fold, Answer(truth + offset, np.full(truth.shape, 0.8 / math.sqrt(2))))
        ruler.add(fold, Ruler().answer(fold.shown))
    found_figures = figures(tally, ruler)
    assert found_figures["explained"] == pytest.approx(1, abs=0.15)
    assert found_figures["mse"] > 0.01
    assert 0.85 < found_figures["coverage"] < 1


def test_a_network_is_given_to_methods_of_networks(responses, toy_network):
    fold = folds_of("conditions", responses)[0]
    measured = replace(fold.shown.measured, network=toy_network)
    shown = replace(fold.shown, measured=measured)
    for with_network in (True, False):
        answer = OnNetwork(TrainingMean, with_network).answer(shown)
        # The mean of what is shown, there and back through activities.
        free = Mean().answer(shown).changes
        assert answer.changes == pytest.approx(free, abs=1e-6)


def test_summaries_weigh_each_study_once():
    def row(study, ratio):
        return {"split": "conditions", "entry": "e", "label": "E", "study": study, "ratio": ratio,
                "coverage": None}  # fmt: skip

    (found,) = summarise_sets([row("a", 4.0), row("a", 1.0), row("b", 0.5)])
    assert found["ratio"] == pytest.approx(math.sqrt(2.0 * 0.5))
    assert (found["wins"], found["sets"], found["worst_ratio"]) == (1, 3, 4.0)


def test_entries_are_chosen_beside_the_ruler():
    assert [e.id for e in chosen_entries(["ridge"])] == ["ruler", "ridge"]
    assert not any(e.is_fitted for e in chosen_entries([]))
    assert "hmlm-untrained-in-full" in [e.id for e in REAL_ENTRIES]
    with pytest.raises(HMLMError, match="no entry 'rigde'; did you mean 'ridge'"):
        chosen_entries(["rigde"])


@pytest.fixture
def sets(tmp_path):
    for name in "AB":
        folder = tmp_path / "Lab" / name
        folder.mkdir(parents=True)
        write_measured_set(made_set(f"Lab-{name}", name, ord(name)), folder)
    return tmp_path / "Lab"


def test_sets_that_were_trained_on_count_in_no_mean():
    def row(name: str, ratio: float, trained_on: bool):
        return {"split": "conditions", "entry": "e", "label": "E", "study": name, "ratio": ratio,
                "coverage": None, "trained_on": trained_on}  # fmt: skip

    (found,) = summarise_sets([row("a", 0.1, True), row("b", 0.8, False)])
    assert (found["ratio"], found["sets"]) == (pytest.approx(0.8), 1)
    (found,) = summarise_sets([row("a", 0.1, True)])
    assert found["ratio"] == pytest.approx(0.1)


def test_values_know_a_set_under_any_name():
    one = made_set()
    renamed = replace(one, name="other", measurements=one.measurements[::-1])
    changed = replace(one, measurements=one.measurements[1:])
    assert values_hash(one) == values_hash(renamed) != values_hash(changed)


def test_small_contexts_are_within_larger_ones():
    responses = responses_of(made_set())
    small, large = (folds_of(shown_few(count), responses, repeats=2) for count in (4, 8))
    for few, more in zip(small, large, strict=True):
        assert (len(few.shown.doses), len(more.shown.doses)) == (4, 8)
        assert set(few.shown.conditions) < set(more.shown.conditions)
        assert len(few.rows) == len(responses.doses) - 4
        assert not set(few.shown.conditions) & set(few.shown.query_conditions)
    assert set(small[0].shown.conditions) != set(small[1].shown.conditions)


def test_controls_take_from_a_task_what_they_say():
    rng = np.random.default_rng(0)
    task = ResponseTask(
        np.eye(5), rng.normal(size=(5, 7)), np.arange(5) < 3, rng.normal(size=(5, 7)),
        rng.random((5, 7)), np.ones(5), np.ones((5, 2), dtype=int), np.ones((7, 2), dtype=int),
    )  # fmt: skip
    assert not without_network(task).signed.any()
    assert not without_network(task).reach.any()
    assert without_network(task).output_members.all()
    assert not without_names(task).output_members.any()
    assert not without_names(task).treatment_members.any()
    shuffled = with_shuffled_network(task)
    assert sorted(shuffled.signed.ravel()) == sorted(task.signed.ravel())
    assert (shuffled.signed != task.signed).mean() > 0.5
    assert (shuffled.changes == task.changes).all()


def run(*arguments):
    return CliRunner().invoke(app, ["benchmark", "real", *map(str, arguments)])


def test_the_command_writes_every_set_split_and_entry(sets, tmp_path):
    out, table = tmp_path / "r.json", tmp_path / "p.csv"
    figure = tmp_path / "r.png"
    done = run(
        sets, "--entries", "no-change,ridge,other-lines,other-treatments", "--json", out,
        "--predictions", table, "--figure", figure, "--cache", tmp_path / "cache",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    content = json.loads(out.read_text())
    assert content["task"] == "real"
    keys = set(
        "set study split entry mse mse_low mse_high ratio ratio_low ratio_high pearson coverage "
        "width explained seconds".split()
    )
    assert all(keys <= row.keys() for row in content["results"])
    assert {row["set"] for row in content["results"]} == {"Lab-A", "Lab-B"}
    assert {row["split"] for row in content["results"]} == set(SPLITS) - {
        "dose", "shown-16", "shown-32",
    }  # fmt: skip
    summary = {(row["split"], row["entry"]): row for row in content["summary"]}
    assert summary["conditions", "ruler"]["ratio"] == 1
    assert summary["conditions", "no-change"]["ratio"] > 3
    assert ("conditions", "other-lines") not in summary
    assert content["skipped"]["Lab-A, dose"] == "no treatment with 3 doses"
    assert content["skipped"]["Lab-A, shown-32"] == "fewer than 38 distinct conditions"
    assert "environment" in content
    assert figure.stat().st_size > 10_000
    predicted = table.read_text().splitlines()
    assert predicted[0].startswith("set,split,part,repeat,condition,readout,time_hours,entry")
    own = [line for line in predicted if line.startswith("Lab-A,conditions,") and ",ridge," in line]
    assert len(own) == 3 * 19 * 6
    assert "| ridge on treatments |" in done.output


def test_kept_answers_are_used_again(sets, tmp_path):
    arguments = (
        sets / "A", "--entries", "hmlm-in-context-untrained", "--splits", "conditions",
        "--cache", tmp_path / "cache", "--workers", "1",
    )  # fmt: skip
    first, second = (run(*arguments, "--json", tmp_path / f"{i}.json") for i in range(2))
    assert first.exit_code == second.exit_code == 0, first.output
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 1
    found = [json.loads((tmp_path / f"{i}.json").read_text())["results"] for i in range(2)]
    assert found[0] == found[1] or found[0][1] == found[1][1]


def test_what_makes_no_sense_is_said_in_one_line(sets, tmp_path):
    for arguments, words in (
        ((), "no measured sets; expected SET_OR_CORPUS"),
        ((tmp_path / "nowhere",), "there is no such file or folder"),
        ((sets, "--splits", "condition"), "no split 'condition'; did you mean 'conditions'"),
        ((sets, "--seeds", "3"), "--seeds is not for the task real"),
        ((sets / "A", "--splits", "dose"), "no set has enough conditions"),
    ):
        done = run(*arguments, "--entries", "ridge", "--cache", tmp_path / "cache")
        assert done.exit_code == 2, done.output
        assert words in done.output
        assert "Traceback" not in done.output
