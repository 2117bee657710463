"""Drawn worlds: what is shown of them, what is true, and that a seed makes the same one again."""

from itertools import islice

import numpy as np
import pytest

from hmlm_fm.dynamics.worlds import CONDITIONS, KEPT_HOURS, corrupted, draw_many_worlds, draw_worlds
from hmlm_fm.formats.network_loading import load_core, load_network
from hmlm_fm.model.error_base import HMLMError
from hmlm_fm.model.network import Molecule, SignalingNetwork
from hmlm_fm.pretraining.response_tasks import task_of_set, task_of_world


@pytest.fixture(scope="module")
def worlds():
    return draw_worlds(load_core(), range(8))


def test_a_world_is_a_measured_set(worlds):
    assert len(worlds) >= 6
    for world in worlds:
        conditions, treatments = world.doses.shape
        assert conditions == CONDITIONS - 1
        assert world.changes.shape[:2] == (conditions, len(KEPT_HOURS))
        assert (world.doses[:treatments] > 0).sum(1).tolist() == [1] * treatments  # each alone
        assert set(np.unique(world.doses)) <= {0.0, 0.5, 1.0}
        assert (np.abs(world.changes) <= 1.01).all()
        assert world.signed.shape == world.reach.shape == (treatments, world.changes.shape[2])
        assert (np.abs(world.signed) <= world.reach + 1e-9).all()
        # What is hit is known, and which way.
        hit = world.signed[np.arange(treatments), world.treated]
        assert (np.sign(hit) == world.direction).mean() > 0.8
        assert set(world.direction) <= {-1, 1}


def test_a_seed_makes_the_same_world_again(worlds):
    again = draw_worlds(load_core(), range(8))
    for one, other in zip(worlds, again, strict=True):
        assert one.doses.tolist() == other.doses.tolist()
        assert one.changes == pytest.approx(other.changes, abs=1e-4)
    first = list(islice(draw_many_worlds(load_core(), 0), 3))
    assert [w.doses.tolist() for w in first] == [w.doses.tolist() for w in worlds[:3]]


def test_networks_of_which_no_world_is_drawn_end_with_an_error():
    lone = SignalingNetwork("lone", (Molecule("A"), Molecule("B")), ())
    with pytest.raises(HMLMError, match="no world could be drawn; expected networks of at most"):
        next(draw_many_worlds([lone], 0))


def test_treatments_move_what_they_reach_more_than_what_they_do_not():
    found = draw_worlds(load_core(), range(100, 116))
    reached, beyond = [], []
    for world in (w for w in found if w.wrong == 0):
        alone = np.arange(world.doses.shape[1])
        moved = np.abs(world.changes[alone]).max(1)
        reached += moved[world.reach > 0.3].tolist()
        beyond += moved[world.reach == 0].tolist()
    assert np.mean(beyond) < 0.02 < np.mean(reached)


def test_shown_networks_are_wrong_by_about_a_share():
    network = load_network("cardiac-fibroblast")
    rules = {i.rule for i in network.interactions}
    for share in (0.0, 0.2, 0.4):
        true = {i.rule for i in corrupted(network, np.random.default_rng(1), share).interactions}
        assert len(rules - true) / len(rules) == pytest.approx(0.75 * share, abs=0.12)
        assert len(true - rules) / len(rules) == pytest.approx(0.75 * share, abs=0.12)


def test_tasks_show_some_conditions_and_ask_others(worlds):
    rng = np.random.default_rng(0)
    tasks = [task_of_world(worlds[i % len(worlds)].row(), rng) for i in range(200)]
    tasks = [task for task in tasks if task is not None]
    assert len(tasks) > 120
    without_network = new = named = blind = 0
    for task in tasks:
        count, outputs = task.changes.shape
        blind += not task.shown.any()
        assert task.shown.sum() < count
        assert task.shown.sum() >= 4 or not task.shown.any()
        assert task.doses.shape == (count, len(task.direction))
        assert task.signed.shape == task.reach.shape == (len(task.direction), outputs)
        assert len(task.output_members) == outputs
        without_network += not task.reach.any()
        named += task.output_members.any()
        never_shown = (task.doses[task.shown] == 0).all(0) & (task.doses > 0).any(0)
        new += task.shown.any() and never_shown.any()
    assert 0.2 < without_network / len(tasks) < 0.65
    assert 0.25 < named / len(tasks) < 0.75
    assert new / len(tasks) > 0.15


def test_tasks_of_sets_turn_all_signs_together(worlds):
    rng = np.random.default_rng(0)
    whole = next(t for t in (task_of_world(worlds[0].row(), rng) for _ in range(50)) if t)
    drawn = [task for task in (task_of_set(whole, rng) for _ in range(60)) if task is not None]
    assert drawn
    assert any((task.direction == -1).sum() != (task.direction == 1).sum() for task in drawn)
    for task in drawn:
        assert task.changes.shape == (len(task.doses), task.signed.shape[1])
