"""Residuals of a roll-out at observed times correct its error at others.

Travels with checkpoints. Shapes: B batch, Q query conditions, N molecules, U query times, S
observed times, K = B · Q · N courses (of a molecule under a condition), P patterns of courses, R
courses of a pattern, X pairs of a length and a noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from .graph import rank_within

# The correction averages over lengths and noises about those that the network infers, and over
# the evidence of a molecule alone and of all molecules together.
LENGTH_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
NOISE_FACTORS = (0.002, 0.05, 1.0, 20.0)
POOLED_MOLECULES = 8.0
LEAST_RESIDUAL = 1e-3
# Variances that residuals leave are not below this share.
LEAST_LEFT = 1e-6
# How much larger than all courses their table by patterns may be.
MOST_PADDING = 4


def smoothing_correction(
    residual_BQSN: torch.Tensor,
    observed_BQSN: torch.Tensor,
    observed_hours_BQSN: torch.Tensor,
    observed_since_BQSN: torch.Tensor,
    anchored_BQN: torch.Tensor,
    hours_BQU: torch.Tensor,
    since_BQUN: torch.Tensor,
    smoothing_F2: torch.Tensor,
    scale_BQUN: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Corrections of states by residuals at observed times, on both sides of these.

    The roll-out's error is taken for a smooth process in time; its mean given the residuals is that
    of Gaussian-process regression with a Matérn 5/2 covariance (Rasmussen and Williams 2006, eq.
    2.25 and 4.17). Lengths and noises are those that the network infers per molecule, times factors
    that are weighed by the marginal likelihood of the residuals (eq. 5.8, the amplitude integrated
    out), of the molecule and on average over those of the condition. Where the state is known
    exactly, at time 0 or when a perturbation releases it, the process is conditioned on an error of
    0; no correction is carried across a time at which a state was held.

    Args:
        residual_BQSN: observations less the roll-out.
        observed_BQSN: where there is an observation of a state that no perturbation held.
        observed_hours_BQSN: when; every molecule has times of its own.
        observed_since_BQSN: when the state was last released before it; 0 if it was never held.
        anchored_BQN: where the state at time 0 is known, so that nothing corrects it.
        hours_BQU, since_BQUN: the query times, and when states were last released.
        smoothing_F2: log length and log noise, as in `Gates`.
        scale_BQUN: standard deviation of the error without observations.

    Returns:
        The correction (B, Q, U, N), and the standard deviation of the error that it leaves, of the
        same shape, where `scale_BQUN` is given: of the mixture over lengths and noises, each of
        which leaves a share of the variance (eq. 2.26). Residuals do not change `scale_BQUN`, and
        few of them hardly determine lengths, so that the result is a little too small then.
    """
    batch, queries, _, molecules = residual_BQSN.shape
    shape = (batch, queries, molecules)
    observed_KS = _by_course(observed_BQSN)
    residual_KS = _by_course(residual_BQSN) * observed_KS
    times = _Times.from_states(
        observed_BQSN, observed_hours_BQSN, observed_since_BQSN, hours_BQU, since_BQUN, anchored_BQN
    )
    flat = torch.arange(batch * molecules, device=observed_KS.device).view(batch, 1, molecules)
    fits = _fits(
        times, residual_KS, smoothing_F2, flat.expand(shape).flatten(), scale_BQUN is not None
    )
    weight = _weights(fits, observed_KS.any(-1), shape)[..., None]
    mean = (weight * fits.mean_XKU).sum(0)

    def by_state(values_KU: torch.Tensor) -> torch.Tensor:
        return values_KU.unflatten(0, shape).transpose(2, 3).to(residual_BQSN)

    if scale_BQUN is None or fits.left_XKU is None:
        return by_state(mean), None
    share = (weight * fits.left_XKU).sum(0).clamp(LEAST_LEFT, 1.0)
    spread = (weight * (fits.mean_XKU - mean) ** 2).sum(0)
    return by_state(mean), (scale_BQUN**2 * by_state(share) + by_state(spread)).sqrt()


def _weights(fits: _Fits, observed_K: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    """Weights of lengths and noises (X, K), by the evidence of each course and on average of all
    observed courses of its condition; `shape` is (B, Q, N)."""
    evidence = torch.where(observed_K, fits.evidence_XK, 0.0).unflatten(1, shape)
    informed = observed_K.view(shape).sum(-1, keepdim=True).clamp(min=1)
    pooled = evidence.sum(-1, keepdim=True) / informed
    return torch.softmax(evidence + POOLED_MOLECULES * pooled, dim=0).flatten(1)


def _by_course(values_BQXN: torch.Tensor) -> torch.Tensor:
    """Values course by course (K, X), in double precision: smooth processes leave Gram matrices
    that single precision cannot factor."""
    return values_BQXN.double().transpose(2, 3).flatten(0, 2)


@dataclass(frozen=True)
class _Fits:
    """Gaussian-process regressions of all courses with X pairs of a length and a noise.

    Attributes:
        mean_XKU: of the error at the query times.
        left_XKU: the share of its variance that is left; None where it is not computed.
        evidence_XK: logarithm of the marginal likelihood, but for a constant.
    """

    mean_XKU: torch.Tensor
    left_XKU: torch.Tensor | None
    evidence_XK: torch.Tensor


def _fits(
    times: _Times,
    residual_KS: torch.Tensor,
    smoothing_F2: torch.Tensor,
    molecule_K: torch.Tensor,
    with_variance: bool,
) -> _Fits:
    """Regressions with every length and noise about those that the network infers.

    Args:
        times: of K courses.
        residual_KS: observations less the roll-out, 0 where there is none.
        smoothing_F2: as in `Gates`; `molecule_K`: the flat molecule of each course.
    """
    count_K = times.observed.sum(-1)
    patterns = _Patterns.from_keys(
        torch.cat([molecule_K[:, None].double(), *times.columns()], dim=1)
    )
    times = times.subset(patterns.first_P)
    parameters_P2 = smoothing_F2.double()[molecule_K[patterns.first_P]]
    inferred_length = 8.0 * torch.exp(parameters_P2[:, :1].clamp(-3, 3))
    inferred_noise = 0.05 * torch.exp(parameters_P2[:, 1:].clamp(-5, 5))
    residual_PSR = patterns.table(residual_KS)
    unit = torch.eye(residual_KS.shape[1], device=residual_KS.device, dtype=residual_KS.dtype)
    means, left, evidences = [], [], []
    for length_factor in LENGTH_FACTORS:
        length_P1 = inferred_length * length_factor
        gram_PSS, across_PUS = times.covariances(length_P1)
        before_PU = times.variance(length_P1) if with_variance else None
        for noise_factor in NOISE_FACTORS:
            noise_P1 = inferred_noise * noise_factor + 1e-6
            noisy = gram_PSS + unit * (noise_P1 * times.observed)[..., None]
            factor = torch.linalg.cholesky(noisy)
            solved = torch.cholesky_solve(residual_PSR, factor)
            means.append(patterns.to_courses(across_PUS @ solved))
            if before_PU is not None:
                explained = (across_PUS.mT * torch.cholesky_solve(across_PUS.mT, factor)).sum(-2)
                # Where the state is known, the variance is 0 with and without observations.
                left.append((1 - explained / before_PU.clamp(min=1e-12))[patterns.pattern_K])
            size_K = patterns.to_courses((residual_PSR * solved).sum(-2, keepdim=True))[:, 0]
            evidence = -0.5 * (count_K + 1) * torch.log(size_K + LEAST_RESIDUAL**2)
            determinant_P = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
            evidences.append(evidence - determinant_P[patterns.pattern_K])
    return _Fits(torch.stack(means), torch.stack(left) if left else None, torch.stack(evidences))


@dataclass(frozen=True)
class _Times:
    """When courses were observed, and when they are queried; of K, or of one of each pattern.

    Attributes:
        observed: 1 where anything was observed, 0 elsewhere (K, S).
        hours, since: when, and when the state was last released before (K, S).
        query_hours, query_since: the same of the query times (K, U).
        anchored: whether the state at time 0 is known (K, 1).
    """

    observed: torch.Tensor
    hours: torch.Tensor
    since: torch.Tensor
    query_hours: torch.Tensor
    query_since: torch.Tensor
    anchored: torch.Tensor

    @classmethod
    def from_states(
        cls,
        observed_BQSN: torch.Tensor,
        observed_hours_BQSN: torch.Tensor,
        observed_since_BQSN: torch.Tensor,
        hours_BQU: torch.Tensor,
        since_BQUN: torch.Tensor,
        anchored_BQN: torch.Tensor,
    ) -> _Times:
        """Of the arguments of `smoothing_correction`."""
        observed_KS, molecules = _by_course(observed_BQSN), observed_BQSN.shape[-1]
        return cls(
            observed_KS,
            # An unobserved time carries no information, so that it is the same whenever it was.
            _by_course(observed_hours_BQSN) * observed_KS,
            _by_course(observed_since_BQSN) * observed_KS,
            _by_course(hours_BQU.unsqueeze(-1).expand(-1, -1, -1, molecules)),
            _by_course(since_BQUN),
            anchored_BQN.bool().flatten()[:, None],
        )

    def columns(self) -> list[torch.Tensor]:
        """All fields of a course, in double precision, each (K, …)."""
        columns = (self.observed, self.hours, self.since, self.query_hours, self.query_since)
        return [*columns, self.anchored.double()]

    def subset(self, courses: torch.Tensor) -> _Times:
        """Of some courses."""
        return _Times(
            self.observed[courses],
            self.hours[courses],
            self.since[courses],
            self.query_hours[courses],
            self.query_since[courses],
            self.anchored[courses],
        )

    def covariances(self, length: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the error at observed times (K, S, S), and of query times with these (K, U, S)."""
        # An unobserved time is cut off from the others and has no residual, so it has no influence.
        both = self.observed[..., :, None] * self.observed[..., None, :]
        own = torch.diag_embed(1 - self.observed)
        gram = self._covariance(self.hours, self.since, length) * both + own
        across = self._covariance(self.query_hours, self.query_since, length)
        return gram, across * self.observed[..., None, :]

    def variance(self, length: torch.Tensor) -> torch.Tensor:
        """Of the error at query times, without observations (K, U)."""
        alone = matern(self.query_hours - self.query_since, length) ** 2
        return torch.where(self.anchored | (self.query_since > 0), 1 - alone, 1.0)

    def _covariance(
        self, hours: torch.Tensor, since: torch.Tensor, length: torch.Tensor
    ) -> torch.Tensor:
        """With observed times (K, T, S), given an error of 0 at the anchors."""
        free = matern(hours[..., :, None] - self.hours[..., None, :], length[..., None])
        known = matern(hours - since, length)[..., :, None]
        known = known * matern(self.hours - self.since, length)[..., None, :]
        anchored = self.anchored[..., None] | (since > 0)[..., :, None]
        together = since[..., :, None] == self.since[..., None, :]
        return torch.where(anchored, free - known, free) * together


def matern(hours: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """The Matérn 5/2 correlation of a smooth process at times that differ by `hours`."""
    scaled = math.sqrt(5) * hours.abs() / length
    return (1 + scaled + scaled**2 / 3) * torch.exp(-scaled)


@dataclass(frozen=True)
class _Patterns:
    """Courses of one pattern share their Gram matrix, which is factored once for all of them.

    Attributes:
        first_P: one course of each pattern.
        pattern_K, place_K: the pattern of each course, and its place in it.
        most: courses of one pattern, at most.
    """

    first_P: torch.Tensor
    pattern_K: torch.Tensor
    place_K: torch.Tensor
    most: int

    @classmethod
    def from_keys(cls, key_KX: torch.Tensor) -> _Patterns:
        """From all that makes courses differ; patterns are found by sums, as rows are long."""
        every = torch.arange(len(key_KX), device=key_KX.device)
        weights = torch.arange(1, key_KX.shape[1] + 1, device=key_KX.device).double().sqrt()
        _, pattern = (key_KX * weights).sum(-1).unique(return_inverse=True)
        patterns = int(pattern.max()) + 1 if len(every) else 0
        first = every.new_full((patterns,), len(every)).scatter_reduce(0, pattern, every, "amin")
        most = int(pattern.bincount().max()) if patterns else 0
        alone = cls(every, every, torch.zeros_like(every), 1)
        if patterns * most > MOST_PADDING * len(every):
            return alone
        if not torch.equal(key_KX, key_KX[first[pattern]]):
            return alone
        return cls(first, pattern, rank_within(pattern), most)

    def table(self, values_KS: torch.Tensor) -> torch.Tensor:
        """Values of courses in a column each, pattern by pattern (P, S, R); 0 where none is."""
        shape = (len(self.first_P), self.most, values_KS.shape[1])
        return values_KS.new_zeros(shape).index_put((self.pattern_K, self.place_K), values_KS).mT

    def to_courses(self, table_PXR: torch.Tensor) -> torch.Tensor:
        """The columns of courses (K, X)."""
        return table_PXR.mT[self.pattern_K, self.place_K]
