"""The head for measured sets: what it is before training, and what changes no answer."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hmlm_fm import HMLMConfig, HMLMForSignaling
from hmlm_fm.inference.response_prediction import predict_responses
from hmlm_fm.model.error_base import HMLMError
from hmlm_fm.model.influence import influence_of
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork
from hmlm_fm.model.response_batch import batch_of, context_first
from hmlm_fm.model.response_features import RESPONSE_PARTS, ResponseTask, features_of
from hmlm_fm.model.ruler import ruler


def head(trained: bool) -> HMLMForSignaling:
    """A small model; with weights that say something where it is to be trained."""
    torch.manual_seed(3)
    config = HMLMConfig(
        vocab_size=50, num_hidden_layers=1, hidden_size=16, embedding_size=9, response_size=16,
        response_layers=2, response_heads=2, response_names=5,
    )  # fmt: skip
    model = HMLMForSignaling(config).eval()
    if trained:
        for parameter in model.responses.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
    return model


@pytest.fixture(scope="module")
def trained():
    return head(trained=True)


@pytest.fixture
def task() -> ResponseTask:
    rng = np.random.default_rng(0)
    doses = (rng.random((17, 5)) < 0.4).astype(float)
    changes = doses @ rng.normal(size=(5, 7)) + 0.1 * rng.normal(size=(17, 7))
    changes[2, 3] = np.nan
    shown = np.arange(17) < 12
    return ResponseTask(
        doses, np.where(shown[:, None], changes, np.nan), shown,
        rng.uniform(-1, 1, (5, 7)), rng.random((5, 7)), np.array([1.0, 1, -1, -1, 1]),
        rng.integers(0, 50, (5, 2)), rng.integers(0, 50, (7, 3)),
    )  # fmt: skip


def answered(model, task, seed=1):
    """Means and standard deviations (S, M) of all conditions, in the unit of the context."""
    return side_by_side(model, [task], seed)[0]


def side_by_side(model, tasks, seed=1):
    features = [features_of(task) for task in tasks]
    batch = batch_of(tasks, features, [np.random.default_rng(seed) for _ in tasks])
    with torch.no_grad():
        mean, sd = (x.numpy() for x in model.responses(batch))
    found = []
    for i, (task, own) in enumerate(zip(tasks, features, strict=True)):
        count, outputs = task.changes.shape
        back = np.argsort(context_first(task))
        found.append(tuple(x[i, :count, :outputs][back] * own.unit for x in (mean, sd)))
    return found


def test_untrained_it_is_the_ruler(task):
    changes, sd = predict_responses(head(trained=False), task)
    found = ruler(task.doses[task.shown], task.changes[task.shown], task.doses[~task.shown])
    assert changes == pytest.approx(found.changes, abs=1e-5)
    assert sd == pytest.approx(np.broadcast_to(found.sd, sd.shape), rel=1e-4)


def test_trained_weights_say_something_else(task, trained):
    changes, sd = predict_responses(trained, task)
    found = ruler(task.doses[task.shown], task.changes[task.shown], task.doses[~task.shown])
    assert np.abs(changes - found.changes).max() > 0.05
    assert (sd > 0).all()


def test_an_answer_does_not_depend_on_what_else_is_asked(task, trained):
    whole, whole_sd = answered(trained, task)
    kept = np.r_[np.arange(12), 14]
    alone = replace(
        task, doses=task.doses[kept], changes=task.changes[kept], shown=task.shown[kept]
    )
    mean, sd = answered(trained, alone)
    assert mean[-1] == pytest.approx(whole[14], abs=1e-5)
    assert sd[-1] == pytest.approx(whole_sd[14], rel=1e-5)
    large = replace(task, doses=np.where(np.arange(17)[:, None] == 16, 40.0, task.doses))
    assert answered(trained, large)[0][14] == pytest.approx(whole[14], abs=1e-5)


def test_a_batch_answers_as_its_tasks_do_alone(task, trained):
    kept = np.r_[2:9, 12:15]
    smaller = replace(
        task,
        doses=task.doses[kept][:, :4],
        changes=task.changes[kept][:, :3],
        shown=task.shown[kept],
        signed=task.signed[:4, :3],
        reach=task.reach[:4, :3],
        direction=task.direction[:4],
        treatment_members=task.treatment_members[:4],
        output_members=task.output_members[:3],
    )
    nothing_shown = replace(smaller, shown=np.zeros(len(kept), dtype=bool))
    tasks = [smaller, task, nothing_shown]
    for (mean, sd), own in zip(side_by_side(trained, tasks), tasks, strict=True):
        alone, alone_sd = answered(trained, own)
        assert np.isfinite(mean).all()
        assert mean == pytest.approx(alone, abs=1e-5)
        assert sd == pytest.approx(alone_sd, rel=1e-4)


def test_with_nothing_shown_names_and_network_answer(task, trained):
    blind = replace(task, shown=np.zeros(17, dtype=bool))
    mean, sd = predict_responses(trained, blind)
    assert mean.shape == (17, 7)
    assert np.abs(mean).max() > 0.01
    assert (sd > 0).all()
    untrained, untrained_sd = predict_responses(head(trained=False), blind)
    assert (untrained == 0).all()
    assert untrained_sd == pytest.approx(np.ones((17, 7)))


def test_values_of_what_is_asked_are_never_read(task, trained):
    told = replace(task, changes=np.where(task.shown[:, None], task.changes, 99.0))
    assert answered(trained, told)[0] == pytest.approx(answered(trained, task)[0])


def test_order_and_units_change_nothing(task, trained):
    whole, _ = answered(trained, task)
    rng = np.random.default_rng(4)
    rows, outputs = rng.permutation(17), rng.permutation(7)
    moved = replace(
        task,
        doses=task.doses[rows],
        changes=task.changes[rows][:, outputs],
        shown=task.shown[rows],
        signed=task.signed[:, outputs],
        reach=task.reach[:, outputs],
        output_members=task.output_members[outputs],
    )
    assert answered(trained, moved)[0] == pytest.approx(whole[rows][:, outputs], abs=1e-4)
    scaled = replace(task, changes=task.changes * 30, doses=task.doses * [1, 10, 2, 5, 0.1])
    assert answered(trained, scaled)[0] == pytest.approx(whole * 30, abs=1e-2)


@pytest.mark.parametrize("what", ["signed", "reach", "output_members", "treatment_members"])
def test_network_and_names_are_heard_and_may_be_missing(task, trained, what):
    without = replace(task, **{what: np.zeros_like(getattr(task, what))})
    assert np.abs(answered(trained, without)[0] - answered(trained, task)[0]).max() > 1e-4


@pytest.mark.parametrize("part", RESPONSE_PARTS)
def test_parts_that_are_switched_off_say_nothing(task, trained, part):
    config = HMLMConfig.from_dict(trained.config.to_dict() | {"disabled_response_parts": [part]})
    without = HMLMForSignaling(config).eval()
    without.load_state_dict(trained.state_dict())
    whole, less = answered(trained, task)[0], answered(without, task)[0]
    assert np.abs(whole - less).max() > 1e-4
    unheard = {
        "names": {"output_members": task.output_members * 0},
        "network": {"signed": task.signed * 0, "reach": task.reach * 0},
    }.get(part)
    if unheard:
        assert answered(without, replace(task, **unheard))[0] == pytest.approx(less, abs=1e-6)


def test_parts_that_there_are_not_are_refused():
    with pytest.raises(HMLMError, match="unknown parts \\['name'\\]; expected some of names"):
        HMLMConfig(vocab_size=50, disabled_response_parts=["name"])


def test_what_raises_and_what_lowers_are_told_apart(task, trained):
    turned = replace(task, direction=-task.direction)
    assert np.abs(answered(trained, turned)[0] - answered(trained, task)[0]).max() > 1e-4


def test_hostile_contexts_give_finite_answers(task, trained):
    for changes in (
        np.zeros_like(task.changes),
        np.where(task.shown[:, None], 1e6, np.nan * task.changes),
        np.where(np.arange(17)[:, None] == 3, 1e5, 0.0 * task.changes),
        np.full_like(task.changes, np.nan),
    ):
        mean, sd = predict_responses(trained, replace(task, changes=changes))
        assert np.isfinite(mean).all()
        assert np.isfinite(sd).all()


def test_a_saved_model_answers_the_same(task, trained, tmp_path):
    trained.save_pretrained(tmp_path)
    again = HMLMForSignaling.from_pretrained(tmp_path).eval()
    assert answered(again, task)[0] == pytest.approx(answered(trained, task)[0], abs=1e-6)


def test_a_checkpoint_without_the_head_says_so(task):
    config = HMLMConfig(vocab_size=50, num_hidden_layers=1, hidden_size=16, embedding_size=9)
    with pytest.raises(HMLMError, match="no head for measured sets"):
        predict_responses(HMLMForSignaling(config), task)


def test_influence_follows_signed_paths():
    names = "abcd"
    network = SignalingNetwork(
        "chain",
        tuple(Molecule(n) for n in names),
        (
            Interaction((), (), "a", "input"),
            Interaction(("a",), (1,), "b"),
            Interaction(("b",), (-1,), "c"),
            Interaction(("a",), (1,), "c"),
            Interaction(("d",), (0,), "a"),
        ),
    )
    signed, reach = influence_of(network)
    assert signed[0, 1] == pytest.approx(np.tanh(0.8))
    assert signed[0, 2] == pytest.approx(np.tanh(0.8 - 0.64))  # the paths contradict each other
    assert reach[0, 2] == pytest.approx(np.tanh(0.8 + 0.64))
    assert signed[2, 0] == reach[2, 0] == 0  # nothing runs back
    assert signed[3, 0] == pytest.approx(np.tanh(0.8 * 0.6))


def test_features_are_in_units_of_the_context(task):
    found = features_of(task)
    assert found.tokens.shape[:2] == (17, 7)
    assert found.alike.shape == (17, 12)
    assert np.nanstd(task.changes[task.shown]) == pytest.approx(found.unit)
    assert (found.tokens[~task.shown, :, 0] == 0).all()
    assert found.together == pytest.approx(found.together.T)
    assert (np.abs(found.together) < 1).all()


def test_how_new_a_condition_is(task):
    doses = np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 1, 3], [0, 0, 0]])
    changes = np.ones((5, 2))
    shown = np.array([True, True, True, False, False])
    small = ResponseTask(
        doses, changes, shown, np.zeros((3, 2)), np.zeros((3, 2)), np.ones(3),
        np.zeros((3, 1), dtype=int), np.zeros((2, 1), dtype=int),
    )  # fmt: skip
    new = features_of(small).tokens[:, 0, -1]
    assert new == pytest.approx([0, 0, 0, 0.75, 0])
    alone = replace(small, shown=np.array([True, True, False, False, False]))
    assert features_of(alone).tokens[:, 0, -1] == pytest.approx([1, 1, 0, 0.75, 0])
