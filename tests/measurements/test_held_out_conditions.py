"""The protocol of held-out conditions, and of what a method is given."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hmlm_fm import load_network
from hmlm_fm.benchmarks.baselines.controls import shuffled
from hmlm_fm.dynamics.simulator import simulate
from hmlm_fm.measurements.simulated import SPLITS, Budget, simulate_task, visible_network

RESULTS = Path(__file__).parents[2] / "docs" / "results"


@pytest.fixture(scope="module")
def task():
    return simulate_task(load_network("cardiac-fibroblast"), Budget(40, 4), seed=3)


def test_budgets_read_as_written():
    assert Budget.parse("16x4") == Budget.parse("16×4") == Budget(16, 4)
    assert str(Budget(64, 8)) == "64x8"
    assert Budget(64, 8).times_hours[[0, -1]].tolist() == [0, 48]
    for wrong in ("16", "axb", "16x4x2"):
        with pytest.raises(ValueError, match="expected"):
            Budget.parse(wrong)
    for small in (Budget(2, 4), Budget(16, 1)):
        with pytest.raises(ValueError, match="expected at least 4 conditions at 2 times"):
            simulate_task(load_network("cardiac-fibroblast"), small)


def test_queries_are_no_training_conditions(task):
    def knocked_out(conditions):
        return {p.target for c in conditions for p in c.perturbations}

    training = task.training.conditions
    pairs = {frozenset(c.stimuli) for c in training if len(c.stimuli) == 2}
    assert pairs.isdisjoint(frozenset(c.stimuli) for c in task.queries["pairs"].conditions)
    queried = knocked_out(task.queries["knockouts"].conditions)
    assert len(queried) == 25
    assert knocked_out(training).isdisjoint(queried)
    assert {len(c.stimuli) for c in task.queries["triples"].conditions} == {3}
    levels = [level for c in training for level in c.stimuli.values()]
    assert 0.4 <= min(levels) <= max(levels) <= 1
    assert 0.2 < np.mean([bool(c.perturbations) for c in training]) < 0.8


def test_every_condition_starts_at_rest(task):
    quiet = task.training.network.inputs
    at_rest = task.training.baseline_or_zero[
        [task.training.network.molecule_index[n] for n in quiet]
    ]
    assert at_rest.min() >= 0.1 - 1e-3
    for split in SPLITS:
        states = task.queries[split].states
        assert states.shape == (64, 49, len(task.training.baseline_or_zero))
        first = states[:, 0]
        held = np.zeros_like(first, dtype=bool)
        for row, condition in enumerate(task.queries[split].conditions):
            for p in condition.perturbations:
                held[row, task.training.network.molecule_index[p.target]] = True
        assert np.allclose(
            np.where(held, task.training.baseline_or_zero, first), task.training.baseline_or_zero
        )
        assert (states[:, :, :][np.repeat(held[:, None], 49, axis=1)] == 0).all()


def test_states_are_those_of_the_simulator(task):
    network = load_network("cardiac-fibroblast")
    quiet = replace(
        network,
        interactions=tuple(
            replace(i, weight=0.1) if i.is_input else i for i in network.interactions
        ),
    )
    queries = task.queries["triples"]
    states = simulate(quiet, queries.conditions[:2], [0, 7, 48], task.training.baseline_or_zero)
    assert np.allclose(states.numpy(), queries.states[:2, [0, 7, 48]], atol=1e-3)


def test_no_method_is_given_kinetics():
    network = load_network("cardiac-fibroblast")
    other = replace(
        network,
        molecules=tuple(replace(m, tau_hours=9.0, ymax=0.5, y0=0.2) for m in network.molecules),
        interactions=tuple(replace(i, weight=0.33, n=2.2, ec50=0.3) for i in network.interactions),
    )
    for track in ("signs", "logic"):
        assert visible_network(network, track) == visible_network(other, track)
    assert all(len(i.sources) <= 1 for i in visible_network(network, "signs").interactions)
    with pytest.raises(ValueError, match="track"):
        visible_network(network, "secret")


def test_the_seed_decides(task):
    again = simulate_task(load_network("cardiac-fibroblast"), Budget(40, 4), seed=3)
    other = simulate_task(load_network("cardiac-fibroblast"), Budget(4, 2), seed=4)
    assert again.training.conditions == task.training.conditions
    assert np.array_equal(again.training.states, task.training.states)
    assert other.training.conditions != task.training.conditions[:4]


def test_a_shuffled_graph_keeps_all_but_the_wiring():
    network = load_network("cardiac-fibroblast")
    dealt = shuffled(visible_network(network, "signs"), 0)
    before, after = visible_network(network, "signs").interactions, dealt.interactions
    assert [(i.target, i.signs) for i in before] == [(i.target, i.signs) for i in after]
    assert sorted(i.sources for i in before) == sorted(i.sources for i in after)
    moved = [a.sources != b.sources for a, b in zip(before, after, strict=True) if a.sources]
    assert np.mean(moved) > 0.9


def test_too_few_inputs_are_refused():
    network = load_network("cardiac-fibroblast")
    few = replace(
        network, interactions=tuple(i for i in network.interactions if not i.is_input)[:20]
    )
    with pytest.raises(ValueError, match="at least 3"):
        simulate_task(few, Budget(16, 4))


def test_splits_are_those_that_are_committed():
    stated = json.loads((RESULTS / "cardiac_fibroblast_splits.json").read_text())
    assert list(stated) == ["0", "1", "2", "3", "4"]
    for seed in (0, 4):
        drawn = simulate_task(load_network("cardiac-fibroblast"), Budget(4, 2), seed=seed)
        pairs = {tuple(sorted(c.stimuli)) for c in drawn.queries["pairs"].conditions}
        knockouts = {
            p.target for c in drawn.queries["knockouts"].conditions for p in c.perturbations
        }
        assert [list(pair) for pair in sorted(pairs)] == stated[str(seed)]["pairs"]
        assert sorted(knockouts) == stated[str(seed)]["knockouts"]
