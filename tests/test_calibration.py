"""The 90 % interval of fitted members covers what it should, group by group."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from hmlm_fm.calibration import NORMAL_QUANTILE, calibrate

MEMBERS, CONDITIONS, TIMES, MOLECULES = 4, 64, 5, 30
SIZES = np.random.default_rng(1).uniform(0.01, 0.2, (CONDITIONS, 1, MOLECULES))


@dataclass
class Fitted:
    """What members foretell (M, C, T, N), and what was so (C, T, N)."""

    found: torch.Tensor
    scale: torch.Tensor
    truth: torch.Tensor
    baseline: torch.Tensor

    def calibrated(self, perturbed=()):
        conditions = len(self.truth)
        held_out = torch.zeros(MEMBERS, conditions, TIMES, dtype=torch.bool)
        for member in range(MEMBERS):
            held_out[member, member::MEMBERS] = True
        if conditions == 1:
            held_out = torch.eye(MEMBERS, TIMES, dtype=torch.bool)[:, None]
        of_group = np.zeros(conditions, dtype=bool)
        of_group[list(perturbed)] = True
        return calibrate(
            lambda chosen: (self.found[:, chosen], self.scale[:, chosen]),
            held_out,
            self.truth,
            torch.ones_like(self.truth, dtype=torch.bool),
            self.baseline,
            of_group,
        ).tolist()

    def spread(self):
        return (self.scale.square().mean(0) + self.found.var(0, correction=0)).sqrt()

    def errors(self):
        return (self.found - self.truth).abs()


def drawn(size, foretold=0.3, seed=0):
    """Members and truth about the same mean, apart by a standard deviation (C, 1, N)."""
    rng = np.random.default_rng(seed)
    shape = (len(size), TIMES, MOLECULES)
    truth = torch.tensor(0.5 + size * rng.standard_normal(shape))
    found = torch.tensor(0.5 + size * rng.standard_normal((MEMBERS, *shape)))
    baseline = torch.full((MOLECULES,), -5.0, dtype=torch.float64)
    return Fitted(found, torch.full_like(found, foretold), truth, baseline)


def test_what_members_held_out_is_covered():
    factor, _ = drawn(SIZES).calibrated()
    fresh = drawn(SIZES, seed=2)
    inside = fresh.errors() <= NORMAL_QUANTILE * factor * fresh.spread()
    assert inside.double().mean() == pytest.approx(0.9, abs=0.03)


def test_conditions_are_what_is_exchangeable():
    """Where the molecules of a condition err alike, 16 conditions are 16 errors, however many
    molecules there are: the plain quantile of these covers 15/17 of further ones, under 0.9."""
    rng = np.random.default_rng(5)
    found = torch.full((MEMBERS, 16, TIMES, MOLECULES), 0.5, dtype=torch.float64)
    covered = []
    for _ in range(300):
        errors = torch.tensor(rng.standard_normal((16, 1, 1))).expand(found.shape[1:])
        fitted = Fitted(found, torch.ones_like(found), 0.5 + errors, found[0, 0, 0] - 9)
        factor, _ = fitted.calibrated()
        covered.append((np.abs(rng.standard_normal(100)) <= NORMAL_QUANTILE * factor).mean())
    assert 0.9 < np.mean(covered) < 0.96


def test_perturbed_conditions_have_a_factor_of_their_own_where_there_are_enough():
    fitted = drawn(SIZES)
    half = range(CONDITIONS // 2, CONDITIONS)
    worse = fitted.truth.clone()
    worse[list(half)] = 0.5 + 3 * (worse[list(half)] - 0.5)
    without, perturbed = replace(fitted, truth=worse).calibrated(half)
    assert perturbed > 1.5 * without
    without, perturbed = replace(fitted, truth=worse).calibrated(half[-3:])
    assert perturbed == pytest.approx(without, rel=0.1)


def test_molecules_at_rest_do_not_count():
    fitted = drawn(SIZES)
    resting = torch.arange(MOLECULES) >= 5
    exact = replace(
        fitted,
        truth=torch.where(resting, fitted.baseline + 0.01, fitted.truth),
        found=torch.where(resting, fitted.baseline + 0.01, fitted.found),
    )
    alone = Fitted(
        fitted.found[..., :5], fitted.scale[..., :5], fitted.truth[..., :5], fitted.baseline[:5]
    )
    assert exact.calibrated() == pytest.approx(alone.calibrated())


def test_of_a_single_time_course_molecules_are_what_is_exchangeable():
    """Where a molecule errs alike at all times, 12 molecules are 12 errors: the plain quantile of
    these covers less than 0.9 of further ones, and the largest of a few times nearly all."""
    rng = np.random.default_rng(5)
    found = torch.full((MEMBERS, 1, TIMES, 12), 0.5, dtype=torch.float64)
    covered = []
    for _ in range(300):
        errors = torch.tensor(rng.standard_normal((1, 1, 12))).expand(found.shape[1:])
        fitted = Fitted(found, torch.ones_like(found), 0.5 + errors, found[0, 0, 0] - 9)
        factor, perturbed = fitted.calibrated()
        assert factor == perturbed
        covered.append((np.abs(rng.standard_normal(100)) <= NORMAL_QUANTILE * factor).mean())
    assert 0.87 < np.mean(covered) < 0.96


def test_where_nothing_moved_the_factors_are_one():
    fitted = drawn(SIZES)
    still = replace(fitted, truth=fitted.baseline.expand_as(fitted.truth))
    assert still.calibrated() == [1, 1]


def test_of_few_conditions_the_worst_error_of_all_does_not_decide():
    fitted = drawn(SIZES[:6])
    worst = fitted.truth.clone()
    worst[3, 2, 7] += 50
    factor, _ = replace(fitted, truth=worst).calibrated()
    assert factor == pytest.approx(fitted.calibrated()[0], rel=0.2)
