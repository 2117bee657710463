"""The 90 % interval of fitted members covers what it should, and is no wider than it must be."""

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

    def spread(self, share):
        return (share * self.scale.square().mean(0) + self.found.var(0, correction=0)).sqrt()

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
    factor, _, share = drawn(SIZES).calibrated()
    fresh = drawn(SIZES, seed=2)
    inside = fresh.errors() <= NORMAL_QUANTILE * factor * fresh.spread(share)
    assert inside.double().mean() == pytest.approx(0.9, abs=0.03)


def test_a_scale_that_foretells_nothing_has_a_small_share():
    fitted = drawn(SIZES)
    factor, _, share = fitted.calibrated()
    width = NORMAL_QUANTILE * factor * fitted.spread(share).mean()
    of_all_alike = fitted.errors().quantile(0.9)
    assert share < 0.1
    assert width < of_all_alike


def test_a_scale_that_foretells_errors_has_a_large_share():
    """Members err alike, and differ most where they err least."""
    fitted = drawn(SIZES)
    size = torch.tensor(SIZES)
    noise = np.random.default_rng(3).standard_normal(fitted.truth.shape)
    misled = fitted.truth + size * torch.tensor(noise)
    differing = torch.linspace(-0.1, 0.1, MEMBERS).view(-1, 1, 1, 1) * (0.2 - size)
    scale = size.expand_as(fitted.found)
    assert replace(fitted, found=misled + differing, scale=scale).calibrated()[2] > 0.1


def test_perturbed_conditions_have_a_factor_of_their_own_where_there_are_enough():
    fitted = drawn(SIZES)
    half = range(CONDITIONS // 2, CONDITIONS)
    worse = fitted.truth.clone()
    worse[list(half)] = 0.5 + 3 * (worse[list(half)] - 0.5)
    without, perturbed, _ = replace(fitted, truth=worse).calibrated(half)
    assert perturbed > 1.5 * without
    without, perturbed, _ = replace(fitted, truth=worse).calibrated(half[-3:])
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


def test_a_single_time_course_is_calibrated_by_its_times():
    without, perturbed, _ = drawn(SIZES[:1]).calibrated()
    assert without == perturbed > 0


def test_where_nothing_moved_the_factors_are_one():
    fitted = drawn(SIZES)
    still = replace(fitted, truth=fitted.baseline.expand_as(fitted.truth))
    assert still.calibrated()[:2] == [1, 1]
