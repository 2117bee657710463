"""From conditions to tables of states, and queries that are refused."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from toys import toy_network

from hmlm_fm import load_network
from hmlm_fm.formats.json_format import write_json
from hmlm_fm.inference.loading import load_pretrained
from hmlm_fm.inference.pipeline import BASELINE_FILE, NETWORK_FILE, SignalingPipeline
from hmlm_fm.measurements.time_scale import scale_condition, scale_observation
from hmlm_fm.model.conditions import Condition, Observation, Perturbation
from hmlm_fm.model.error_base import HMLMError
from hmlm_fm.model.network import NetworkError


def test_observations_correct_their_query_condition(model):
    pipeline = SignalingPipeline(*model, toy_network())
    queries = {"watched": Condition({"EGF": 0.9}), "not watched": Condition({"TGFB1": 0.6})}
    observations = [
        Observation("ERK", 4.0, 0.8),
        Observation("ERK", 4.0, 0.9),
        Observation("ERK", 8.0, 0.85),
    ]

    def table(**further: object) -> pd.DataFrame:
        found = pipeline.predict(queries, hours=[0, 4, 6, 8], **further)
        return found.set_index(["condition", "molecule", "time_hours"])

    plain, corrected = table(), table(observed={"watched": observations})
    rows = [("watched", "ERK", hours) for hours in (4, 6, 8)]
    assert (corrected.loc[rows, "state"] - 0.85).abs().max() < 0.1
    error = (plain.loc[rows, "state"] - 0.85).abs()
    assert ((corrected.loc[rows, "state"] - 0.85).abs() < error).all()
    assert (corrected.loc[rows, "sd"] < plain.loc[rows, "sd"]).all()
    elsewhere = plain.index.difference(rows + [("watched", "ERK", 0)])
    assert np.allclose(corrected.loc[elsewhere], plain.loc[elsewhere], atol=1e-6)
    assert table(observed={}).equals(plain)


@pytest.mark.parametrize(
    ("observed", "error", "message"),
    [
        ({"other": []}, ValueError, "condition 'other' was observed and is no query"),
        ({"one": [Observation("Z", 1.0, 0.5)]}, NetworkError, "'Z'"),
        ({"one": [Observation("ERK", -1.0, 0.5)]}, ValueError, "a time from 0 to 10000 h"),
        ({"one": [Observation("ERK", 1.0, math.nan)]}, ValueError, "finite"),
        ({"one": [Observation("ERK", 1.0, 0.5, "mRNA")]}, ValueError, "expected 'activity'"),
    ],
)
def test_impossible_observations_are_refused(observed, error, message, model):
    pipeline = SignalingPipeline(*model, toy_network())
    with pytest.raises(error, match=message):
        pipeline.predict({"one": Condition({"EGF": 1.0})}, [1.0], observed=observed)


def test_what_is_known_exactly_has_no_width(model):
    pipeline = SignalingPipeline(*model, toy_network(), baseline={"ERK": 0.2})
    gone = Condition({"EGF": 0.9}, (Perturbation("RAS", "knockout", 1.0, 2.0, 6.0),))
    found = pipeline.predict({"gone": gone}, hours=[0, 1, 2, 4, 6, 8])
    sd = found.set_index(["molecule", "time_hours"])["sd"]
    least = sd.min()
    assert least < 2e-3
    exact = {("RAS", 2.0), ("RAS", 4.0), ("ERK", 0.0)}
    assert {place for place, value in sd.items() if value < 1.5 * least} == exact


def test_observations_of_a_known_start_change_nothing(model):
    """Or else the noise of a measurement at rest would pass for what later ones are worth."""
    pipeline = SignalingPipeline(*model, toy_network(), baseline={"ERK": 0.2})
    queries = {"watched": Condition({"EGF": 0.9})}
    later = [Observation("ERK", 4.0, 0.8), Observation("ERK", 8.0, 0.85)]
    tables = [
        pipeline.predict(queries, [0, 4, 6, 8], observed={"watched": [*at_start, *later]})
        for at_start in ([], [Observation("ERK", 0.0, 0.2)], [Observation("ERK", 0.0, 0.3)])
    ]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0])


@pytest.mark.parametrize(
    ("hours", "message"),
    [
        ([0, -5], "expected times from 0 to 10000"),
        ([math.nan], "expected times from 0 to 10000"),
        ([1e9], "expected times from 0 to 10000"),
        (6, "expected a list of times"),
    ],
)
def test_impossible_query_times_are_refused(hours, message, model):
    pipeline = SignalingPipeline(*model, toy_network())
    with pytest.raises(ValueError, match=message):
        pipeline.predict({"control": Condition()}, hours)


@pytest.mark.parametrize("queries", [[Condition()], Condition(), {"one": {"EGF": 1.0}}])
def test_conditions_are_given_by_name(queries, model):
    pipeline = SignalingPipeline(*model, toy_network())
    with pytest.raises(ValueError, match="expected conditions by their names"):
        pipeline.predict(queries, [1.0])


ERK = Observation("ERK", 4.0, 0.8)


@pytest.mark.parametrize(
    ("observed", "message"),
    [
        ([ERK], "expected observations by the names of their conditions"),
        ((ERK,), "expected observations by the names of their conditions"),
        ({"one": [("ERK", 4.0, 0.8)]}, "expected one such as Observation"),
        ({"one": "ERK"}, "'E' is no observation"),
        ({"one": 0.8}, "0.8 is no observation"),
    ],
)
def test_observations_are_given_by_name(observed, message, model):
    pipeline = SignalingPipeline(*model, toy_network())
    with pytest.raises(ValueError, match=message):
        pipeline.predict({"one": Condition()}, [1.0], observed=observed)


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        ({"one": [ERK]}, "expected conditions, each with its observations"),
        ([Condition()], "expected conditions, each with its observations"),
        ([("one", [ERK])], "expected conditions, each with its observations"),
        ([(Condition(), [0.8])], "0.8 is no observation"),
    ],
)
def test_measured_conditions_are_given_in_pairs(measured, message, model):
    with pytest.raises(ValueError, match=message):
        SignalingPipeline(*model, toy_network(), measured=measured)


def test_deviations_of_observations_are_not_used_and_a_warning_states_so(model):
    exact = replace(ERK, sd_value=0.01)
    with pytest.warns(UserWarning, match="sd_value of observations is not used") as caught:
        pipeline = SignalingPipeline(*model, toy_network(), measured=[(Condition(), [exact])])
    with pytest.warns(UserWarning, match="sd_value of observations is not used") as again:
        pipeline.predict({"one": Condition({"EGF": 1.0})}, [1.0], observed={"one": [exact]})
    assert {w.filename for w in (*caught, *again)} == {__file__}


def test_hours_may_be_any_that_can_be_counted_out(model):
    pipeline = SignalingPipeline(*model, toy_network())
    found = [
        pipeline.predict({"control": Condition()}, hours)
        for hours in ([0, 6], (h for h in (0, 6)), {0: "", 6: ""}, np.array([0, 6]), range(0, 7, 6))
    ]
    for table in found[1:]:
        pd.testing.assert_frame_equal(table, found[0])


def test_no_queries_give_an_empty_table(model):
    pipeline = SignalingPipeline(*model, toy_network())
    columns = list(pipeline.predict({"control": Condition()}, [1.0]).columns)
    for conditions, hours in (({}, [0, 6]), ({"control": Condition()}, [])):
        found = pipeline.predict(conditions, hours)
        assert list(found.columns) == columns
        assert found.empty


def test_measurements_of_minutes_are_scaled(model):
    """The same course, sixty times as fast: queries and corrections have the context's scale."""
    queries = {
        "cut": Condition({"EGF": 0.9}, (Perturbation("RAS", "knockout", 1.0, 6.0, 9.0),)),
        "plain": Condition({"TGFB1": 0.6}),
    }
    observations = [Observation("ERK", 8.0, 0.7), Observation("RAS", 24.0, 0.6)]
    tables = []
    for faster in (1, 60):
        measured = [
            (Condition({"EGF": 0.5}), [scale_observation(o, 1 / faster) for o in observations])
        ]
        pipeline = SignalingPipeline(*model, toy_network(), measured=measured)
        found = pipeline.predict(
            {name: scale_condition(condition, 1 / faster) for name, condition in queries.items()},
            np.array([0, 2, 7, 24]) / faster,
            observed={"plain": [scale_observation(Observation("ERK", 12.0, 0.4), 1 / faster)]},
        )
        tables.append(found)
    assert np.allclose(tables[0]["state"], tables[1]["state"], atol=1e-5)
    assert np.allclose(tables[0]["sd"], tables[1]["sd"], atol=1e-5)
    assert np.allclose(tables[0]["time_hours"], 60 * tables[1]["time_hours"])


@pytest.mark.parametrize("name", ["foxo", "dna-damage", "cardiac-fibroblast"])
def test_where_nothing_is_done_nothing_happens(name):
    """Of networks with feedback, whose state at rest is not given."""
    model, tokenizer = load_pretrained("hmlm-small")
    found = SignalingPipeline(model, tokenizer, load_network(name)).predict(
        {"control": Condition()}, [0, 6, 48, 200]
    )
    states = found.pivot(index="time_hours", columns="molecule", values="state")
    assert np.ptp(states.to_numpy(), axis=0).max() < 2e-4
    assert (states.to_numpy() > 0.05).any()


@pytest.mark.parametrize(
    ("baseline", "error"),
    [({"XX": 0.5}, NetworkError), ({"ERK": 5}, ValueError), ({"ERK": "0.3"}, ValueError)],
)
def test_states_at_rest_that_cannot_be(baseline, error, model):
    with pytest.raises(error):
        SignalingPipeline(*model, toy_network(), baseline=baseline)


def test_a_folder_that_is_not_fine_tuned_is_refused(model, tmp_path):
    model[0].save_pretrained(tmp_path)
    with pytest.raises(HMLMError, match="or the folder of a fine-tuned model"):
        SignalingPipeline.from_pretrained(tmp_path)


def test_folders_of_before_load(model, tmp_path):
    """They hold states at rest as they were measured; and a molecule may be called NA."""
    network = toy_network()
    molecules = tuple(replace(m, name="NA") if m.name == "oddity" else m for m in network.molecules)
    rules = tuple(
        replace(i, target="NA") if i.target == "oddity" else i for i in network.interactions
    )
    model[0].save_pretrained(tmp_path)
    model[1].save_pretrained(tmp_path)
    write_json(replace(network, molecules=molecules, interactions=rules), tmp_path / NETWORK_FILE)
    (tmp_path / BASELINE_FILE).write_text("molecule,state\nERK,-0.02\nNA,0.3\n")
    found = SignalingPipeline.from_pretrained(tmp_path).predict({"control": Condition()}, [0])
    at_rest = found.set_index("molecule")["state"]
    assert at_rest["ERK"] == 0
    assert at_rest["NA"] == pytest.approx(0.3)
