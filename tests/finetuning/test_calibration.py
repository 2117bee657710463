"""The 90 % interval of fitted members covers what it should, column by column, group by group."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from hmlm_fm.finetuning.calibration import NORMAL_QUANTILE, HeldOutErrors, calibrate
from hmlm_fm.finetuning.targets import ACTIVITY_SPREAD
from hmlm_fm.model.tissue import variance_of_members

MEMBERS, CONDITIONS, TIMES, MOLECULES = 4, 64, 5, 30
SIZES = np.random.default_rng(1).uniform(0.01, 0.2, (CONDITIONS, 1, MOLECULES))


@dataclass
class Fitted:
    """Predictions of members (M, C, T, N), and true values (C, T, N)."""

    predicted: torch.Tensor
    truth: torch.Tensor
    rest: torch.Tensor

    def errors_held_out(self, perturbed=(), measured=None, unit=1.0):
        conditions = len(self.truth)
        held_out = torch.zeros(MEMBERS, conditions, TIMES, dtype=torch.bool)
        for member in range(MEMBERS):
            held_out[member, member::MEMBERS] = True
        if conditions == 1:
            held_out = torch.eye(MEMBERS, TIMES, dtype=torch.bool)[:, None]
        is_perturbed = np.zeros(conditions, dtype=bool)
        is_perturbed[list(perturbed)] = True
        if measured is None:
            measured = torch.ones_like(self.truth, dtype=torch.bool)
        unit = torch.as_tensor(unit, dtype=self.truth.dtype).expand_as(self.rest)
        return HeldOutErrors(
            unit * self.predicted, held_out, unit * self.truth, measured, unit * self.rest, unit,
            is_perturbed,
        )  # fmt: skip

    def calibrated(self, perturbed=(), **how):
        found = calibrate(self.errors_held_out(perturbed, **how))
        return found.missed, found.factors.tolist()

    def factors(self, perturbed=()):
        return self.calibrated(perturbed)[1]

    def width(self, missed):
        return variance_of_members(self.predicted, missed**2)[0].sqrt() * NORMAL_QUANTILE

    def errors(self):
        return (self.predicted - self.truth).abs()


def drawn(size, seed=0):
    """Members and truth about the same mean, with a standard deviation (C, 1, N)."""
    rng = np.random.default_rng(seed)
    shape = (len(size), TIMES, MOLECULES)
    truth = torch.tensor(0.5 + size * rng.standard_normal(shape))
    predicted = torch.tensor(0.5 + size * rng.standard_normal((MEMBERS, *shape)))
    return Fitted(predicted, truth, torch.full((MOLECULES,), -5.0, dtype=torch.float64))


def agreeing(size, seed=0):
    """Members with one prediction, with errors of a standard deviation (C, 1, N)."""
    rng = np.random.default_rng(seed)
    truth = torch.tensor(0.5 + size * rng.standard_normal((len(size), TIMES, MOLECULES)))
    predicted = torch.full((MEMBERS, *truth.shape), 0.5, dtype=torch.float64)
    return Fitted(predicted, truth, torch.full((MOLECULES,), -5.0, dtype=torch.float64))


def test_held_out_measurements_are_covered():
    missed, (factor, _) = drawn(SIZES).calibrated()
    fresh = drawn(SIZES, seed=2)
    inside = fresh.errors() <= factor * fresh.width(missed)
    assert inside.double().mean() == pytest.approx(0.9, abs=0.03)


def test_every_molecule_is_covered_by_its_own_errors():
    """Not by one width for all, which would cover all of some molecules and little of others."""
    sizes = np.tile(np.geomspace(0.04, 0.3, MOLECULES), (CONDITIONS, 1, 1))
    missed, (factor, _) = agreeing(sizes).calibrated()
    assert missed.numpy() == pytest.approx(sizes[0, 0], rel=0.25)
    fresh = agreeing(sizes, seed=2)
    inside = (fresh.errors() <= factor * fresh.width(missed)).double().mean((0, 1, 2))
    assert (inside > 0.8).all()
    assert (inside < 0.97).all()


def test_where_members_disagree_the_interval_is_wider():
    """In conditions where their errors and differences are ten times as large as in others."""
    sizes = np.where(np.arange(CONDITIONS) % 2, 0.02, 0.2)[:, None, None]
    sizes = np.broadcast_to(sizes, SIZES.shape)
    missed, (factor, _) = drawn(sizes).calibrated()
    width = factor * drawn(sizes, seed=2).width(missed).mean((1, 2))
    assert width[::2].mean() > 1.5 * width[1::2].mean()


def test_a_column_that_was_not_measured_has_the_usual_size_in_its_own_unit():
    sizes = np.full((CONDITIONS, 1, MOLECULES), 0.1)
    fitted = agreeing(sizes)
    measured = torch.ones_like(fitted.truth, dtype=torch.bool)
    measured[..., -1] = False
    unit = [1.0] * (MOLECULES - 2) + [40.0, 40.0]
    missed, _ = fitted.calibrated(measured=measured, unit=unit)
    assert missed[-2:].tolist() == pytest.approx([4.0, 4.0], rel=0.15)
    assert missed[:-2].tolist() == pytest.approx([0.1] * (MOLECULES - 2), rel=0.25)


def test_conditions_are_the_exchangeable_units():
    """Where the molecules of a condition have one error, 16 conditions are 16 errors, however many
    molecules there are: the plain quantile of these covers 15/17 of further ones, under 0.9."""
    rng = np.random.default_rng(5)
    predicted = torch.full((MEMBERS, 16, TIMES, MOLECULES), 0.5, dtype=torch.float64)
    covered = []
    for _ in range(300):
        errors = torch.tensor(rng.standard_normal((16, 1, 1))).expand(predicted.shape[1:])
        fitted = Fitted(predicted, 0.5 + errors, predicted[0, 0, 0] - 9)
        missed, (factor, _) = fitted.calibrated()
        wide = NORMAL_QUANTILE * factor * float(missed[0])
        covered.append((np.abs(rng.standard_normal(100)) <= wide).mean())
    assert 0.9 < np.mean(covered) < 0.98


def test_perturbed_conditions_have_a_factor_of_their_own_where_there_are_enough():
    fitted = drawn(SIZES)
    half = range(CONDITIONS // 2, CONDITIONS)
    worse = fitted.truth.clone()
    worse[list(half)] = 0.5 + 3 * (worse[list(half)] - 0.5)
    without, perturbed = replace(fitted, truth=worse).factors(half)
    assert perturbed > 1.5 * without
    without, perturbed = replace(fitted, truth=worse).factors(half[-3:])
    assert perturbed == pytest.approx(without, rel=0.1)


def test_molecules_at_rest_do_not_count():
    """In a factor; their errors are small, and do not make that of others smaller."""
    fitted = agreeing(SIZES)
    resting = torch.arange(MOLECULES) >= 5
    exact = replace(
        fitted,
        truth=torch.where(resting, fitted.rest + 0.01, fitted.truth),
        predicted=torch.where(resting, fitted.rest + 0.01, fitted.predicted),
    )
    alone = Fitted(fitted.predicted[..., :5], fitted.truth[..., :5], fitted.rest[:5])
    missed, factors = exact.calibrated()
    of_few, factors_of_few = alone.calibrated()
    assert factors == pytest.approx(factors_of_few, rel=0.1)
    assert missed[:5].tolist() == pytest.approx(of_few.tolist(), rel=0.1)
    assert (missed[5:] < 0.5 * missed[:5].min()).all()


def test_of_a_single_time_course_molecules_are_the_exchangeable_units():
    """Where a molecule has one error at all times, 12 molecules are 12 errors: the plain quantile
    of these covers less than 0.9 of further ones, and the largest of a few times nearly all. Of the
    molecules themselves, each has the width of its own errors."""
    rng = np.random.default_rng(5)
    predicted = torch.full((MEMBERS, 1, TIMES, 12), 0.5, dtype=torch.float64)
    sizes = np.geomspace(0.05, 0.5, 12)
    own, covered = [], []
    for _ in range(300):
        errors = torch.tensor(sizes * rng.standard_normal((1, TIMES, 12)))
        missed, (factor, perturbed) = Fitted(
            predicted, 0.5 + errors, predicted[0, 0, 0] - 9
        ).calibrated()
        assert factor == perturbed
        wide = NORMAL_QUANTILE * factor * missed.numpy()
        own.append(wide)
        covered.append((np.abs(sizes * rng.standard_normal(12)) <= wide).mean())
    assert 0.87 < np.mean(covered) < 0.97
    assert np.mean(own, 0)[-1] > 1.8 * np.mean(own, 0)[0]


def test_where_nothing_moved_the_factors_are_one():
    fitted = drawn(SIZES)
    still = replace(fitted, truth=fitted.rest.expand_as(fitted.truth))
    assert still.factors() == [1, 1]


def test_of_few_conditions_the_largest_error_does_not_decide():
    fitted = drawn(SIZES[:6])
    worst = fitted.truth.clone()
    worst[3, 2, 7] += 5
    factor, _ = replace(fitted, truth=worst).factors()
    assert factor == pytest.approx(fitted.factors()[0], rel=0.2)


def test_exact_predictions_have_an_interval():
    fitted = drawn(SIZES)
    exact = replace(fitted, predicted=fitted.truth.expand_as(fitted.predicted))
    missed, factors = exact.calibrated()
    assert (missed > 0).all()
    assert np.isfinite(factors).all()
    assert NORMAL_QUANTILE * max(factors) * float(missed.max()) < 1e-3


def held_out_errors(predicted, truth, held_out, measured=None):
    """Held-out errors as they are given."""
    rest = torch.full((predicted.shape[-1],), -5.0, dtype=predicted.dtype)
    measured = torch.ones_like(truth, dtype=torch.bool) if measured is None else measured
    unperturbed = np.zeros(len(truth), dtype=bool)
    return HeldOutErrors(
        predicted, held_out, truth, measured, rest, torch.ones_like(rest), unperturbed
    )  # fmt: skip


@pytest.mark.parametrize("conditions", [4, 1])
def test_a_single_member_with_one_part_held_out_is_calibrated_by_it(conditions):
    """No other errors are known then."""
    rng = np.random.default_rng(3)
    truth = torch.tensor(0.5 + 0.1 * rng.standard_normal((conditions, TIMES, MOLECULES)))
    held_out = torch.zeros(1, conditions, TIMES, dtype=torch.bool)
    held_out[0, 0] = torch.tensor([False] * (TIMES - 1) + [True]) if conditions == 1 else True
    found = calibrate(held_out_errors(torch.full_like(truth, 0.5)[None], truth, held_out))
    assert found.missed.tolist() == pytest.approx([0.1] * MOLECULES, rel=0.5)
    assert (found.factors < 2).all()


def test_conditions_without_measurements_do_not_count():
    course = agreeing(SIZES[:1])
    alone = course.errors_held_out()
    beside = torch.zeros(3, TIMES, MOLECULES, dtype=torch.bool)
    beside[1] = True
    found = calibrate(
        held_out_errors(
            course.predicted.expand(-1, 3, -1, -1),
            course.truth.expand(3, -1, -1),
            alone.held_out.expand(-1, 3, -1),
            beside,
        )
    )
    expected = calibrate(alone)
    torch.testing.assert_close(found.missed, expected.missed)
    torch.testing.assert_close(found.factors, expected.factors)


def test_no_condition_calibrates_itself():
    """Members that agree have errors of one of 8 conditions that are ten times those of the others:
    the ratio is ten; with its own errors in the scale it would be a third of that."""
    sizes = np.full((8, 1, MOLECULES), 0.02)
    alike, _ = agreeing(sizes).factors()
    sizes[5] = 0.2
    factor, _ = agreeing(sizes).factors()
    assert factor > 3 * alike


def test_without_held_out_measurements_the_interval_is_that_of_states():
    fitted = drawn(SIZES)
    missed, factors = fitted.calibrated(measured=torch.zeros_like(fitted.truth, dtype=torch.bool))
    assert missed.tolist() == pytest.approx([ACTIVITY_SPREAD] * MOLECULES)
    assert factors == [1, 1]


def test_a_single_time_course_is_calibrated_after_its_correction():
    """A correction leaves a tenth of the errors with a hundredth of the scale: a factor of ten."""
    alone = agreeing(SIZES[:1])
    errors = alone.errors_held_out()

    def correct(predicted, scale):
        return errors.values + 0.1 * (predicted - errors.values), 0.01 * scale

    plain, corrected = calibrate(errors), calibrate(replace(errors, correct=correct))
    torch.testing.assert_close(corrected.factors, 10 * plain.factors)
    torch.testing.assert_close(corrected.missed, plain.missed)
    several = agreeing(SIZES).errors_held_out()
    torch.testing.assert_close(
        calibrate(replace(several, correct=correct)).factors, calibrate(several).factors
    )
