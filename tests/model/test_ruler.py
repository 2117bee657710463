"""The ruler: known answers, and what its predictions must not depend on."""

import math

import numpy as np
import pytest

from hmlm_fm.model.ruler import LINEAR, PENALTIES, kernels, ruler, rulers, scaled_doses


@pytest.fixture
def design():
    rng = np.random.default_rng(5)
    doses = (rng.random((20, 5)) < 0.4).astype(float)
    weights = rng.normal(size=(5, 7))
    return doses, doses @ weights, np.eye(5), weights


def test_an_additive_response_is_found(design):
    doses, changes, queries, weights = design
    found = ruler(doses, changes, queries)
    assert found.known.all()
    assert np.abs(found.changes - weights).max() < 0.15 * changes.std()
    assert np.abs(ruler(doses, changes, np.zeros((1, 5))).changes).max() < 0.15 * changes.std()


def test_left_out_predictions_are_those_of_a_fit_without_the_condition(design):
    doses, changes, _, _ = design
    linear = slice(0, 1)
    # The set's unit is part of the fit, so that it is given.
    for penalty in PENALTIES:
        whole = ruler(doses, changes, doses, linear, (penalty,))
        for c in (0, 7, 19):
            rest = np.delete(np.arange(20), c)
            kernel, cross = kernels(*scaled_doses(doses, doses[[c]]))
            inner = kernel[0][np.ix_(rest, rest)]
            dual = np.linalg.solve(inner + penalty * np.eye(19), changes[rest])
            assert whole.left_out[c] == pytest.approx(cross[0, 0, rest] @ dual, abs=1e-9)


def test_conditions_of_equal_vectors_change_nothing_about_the_algebra(design):
    """Replicates are solved by their distinct vectors; the answer is that of the whole matrix."""
    doses, changes, queries, _ = design
    rng = np.random.default_rng(1)
    doses, changes = np.repeat(doses, 3, 0), np.repeat(changes, 3, 0)
    changes = changes + rng.normal(size=changes.shape)
    for penalty in (0.03, 1.0):
        found = ruler(doses, changes, queries, slice(4, 5), (penalty,))
        inner, cross = kernels(doses, queries)
        inverse = np.linalg.inv(inner[4] + penalty * np.eye(len(doses)))
        assert found.changes == pytest.approx(cross[4] @ inverse @ changes, abs=1e-8)
        left_out = changes - (inverse @ changes) / np.diag(inverse)[:, None]
        assert found.left_out == pytest.approx(left_out, abs=1e-8)


def test_other_queries_change_nothing(design):
    doses, changes, queries, _ = design
    many = np.concatenate([queries, 50 * np.ones((30, 5))])
    alone, among = ruler(doses, changes, queries), ruler(doses, changes, many)
    assert among.changes[:5] == pytest.approx(alone.changes, abs=1e-12)


def test_units_and_the_order_of_conditions_treatments_and_outputs_change_nothing(design):
    doses, changes, queries, _ = design
    found = ruler(doses, changes, queries)
    scaled = ruler(doses * [1, 10, 0.1, 3, 1000], changes * 40, queries * [1, 10, 0.1, 3, 1000])
    assert scaled.changes == pytest.approx(found.changes * 40, rel=1e-6)
    assert scaled.sd == pytest.approx(found.sd * 40, rel=1e-6)
    rng = np.random.default_rng(2)
    rows, treatments, outputs = (rng.permutation(n) for n in (20, 5, 7))
    moved = ruler(doses[rows][:, treatments], changes[rows][:, outputs], queries[:, treatments])
    assert moved.changes == pytest.approx(found.changes[:, outputs], abs=1e-9)


def test_missing_values_are_masked(design):
    doses, changes, queries, _ = design
    missing = changes.copy()
    missing[[2, 5], 3] = np.nan
    missing[:, 6] = np.nan
    found = ruler(doses, missing, queries)
    assert np.isfinite(found.changes).all()
    assert found.known.tolist() == [True] * 6 + [False]
    assert (found.changes[:, 6] == 0).all()
    assert np.isnan(found.left_out[[2, 5], 3]).all()
    # What was not measured says nothing, whatever stood there.
    also = np.where(np.isfinite(missing), missing, np.nan)
    assert ruler(doses, also, queries).changes == pytest.approx(found.changes)


def test_the_best_fit_alone_is_among_those_that_are_averaged(design):
    doses, changes, queries, _ = design
    changes = changes + np.random.default_rng(0).normal(0, 0.5, changes.shape)
    best = ruler(doses, changes, queries, slice(0, 1), PENALTIES, math.inf)
    each = [ruler(doses, changes, queries, slice(0, 1), (p,)).changes for p in PENALTIES]
    distance = np.min([np.abs(best.changes - one) for one in each], 0)
    assert distance.max() < 1e-9


def test_intervals_cover_new_conditions():
    rng = np.random.default_rng(3)
    weights, inside = rng.normal(size=(8, 30)), []
    for _ in range(20):
        doses, queries = (rng.random((n, 8)) < 0.3 for n in (40, 40))
        noise = rng.normal(0, 0.5, (80, 30))
        changes = np.concatenate([doses, queries]).astype(float) @ weights + noise
        found = ruler(doses.astype(float), changes[:40], queries.astype(float))
        inside.append((np.abs(found.changes - changes[40:]) <= 1.645 * found.sd).mean())
    assert 0.85 < np.mean(inside) < 0.95


def test_a_context_without_anything_gives_no_change():
    nothing = ruler(np.zeros((0, 3)), np.zeros((0, 2)), np.ones((2, 3)))
    assert (nothing.changes == 0).all()
    assert not nothing.known.any()
    same = ruler(np.eye(3), np.zeros((3, 2)), np.ones((2, 3)))
    assert np.abs(same.changes).max() < 1e-12
    assert np.isfinite(same.sd).all()


def test_several_choices_of_kernels_are_each_as_if_alone():
    rng = np.random.default_rng(0)
    doses, queries = (rng.random((n, 5)) < 0.4 for n in (14, 6))
    changes = doses @ rng.normal(size=(5, 8)) + 0.1 * rng.normal(size=(14, 8))
    changes[3, 2] = np.nan
    together = rulers(doses * 1.0, changes, queries * 1.0, (slice(None), LINEAR))
    for chosen, found in zip((slice(None), LINEAR), together, strict=True):
        alone = ruler(doses * 1.0, changes, queries * 1.0, chosen)
        assert found.changes == pytest.approx(alone.changes)
        assert found.left_out == pytest.approx(alone.left_out, nan_ok=True)
        assert found.sd == pytest.approx(alone.sd)
