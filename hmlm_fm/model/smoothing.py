"""What residuals of a roll-out at observed times say about its error at others.

Travels with checkpoints. Shapes: B batch, Q asked conditions, N molecules, U query times, S
observed times, K = B · Q · N cells (a molecule under a condition), P patterns of cells, R cells of
a pattern.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from .graph import rank_within

# The correction averages over lengths and noises about those that the network infers, and over
# what a molecule alone and all molecules together say of them.
LENGTH_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
NOISE_FACTORS = (0.002, 0.05, 1.0, 20.0)
POOLED_MOLECULES = 8.0
LEAST_RESIDUAL = 1e-3
# Variances that residuals leave are not below this share.
LEAST_LEFT = 1e-6
# How much larger than all cells their table by patterns may be.
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
    """What residuals at observed times say about the states at others, on both sides.

    The roll-out's error is taken for a smooth process in time; its mean given the residuals is that
    of Gaussian-process regression with a Matérn 5/2 covariance (Rasmussen and Williams 2006, eq.
    2.25 and 4.17). Lengths and noises are those that the network infers per molecule, times factors
    that are weighed by the marginal likelihood of the residuals (eq. 5.8, the amplitude integrated
    out), of the molecule and on average of all of the condition. Where the state is known exactly,
    at time 0 or when a perturbation lets go of it, the process is conditioned on an error of 0;
    nothing is carried across a time at which a state was held.

    Args:
        residual_BQSN: what was observed less the roll-out.
        observed_BQSN: where anything was, that no perturbation held.
        observed_hours_BQSN: when; every molecule has times of its own.
        observed_since_BQSN: when the state was last let go before it; 0 if it was never held.
        anchored_BQN: where the state at time 0 is known, so that nothing corrects it.
        hours_BQU, since_BQUN: the times that are asked, and when states were last let go.
        smoothing_F2: log length and log noise, as in `Gates`.
        scale_BQUN: standard deviation of the error, as long as nothing was seen.

    Returns:
        The correction (B, Q, U, N), and the standard deviation of the error that it leaves, of the
        same shape, where `scale_BQUN` is given: of the mixture over lengths and noises, each of
        which leaves a share of the variance (eq. 2.26). Residuals do not change `scale_BQUN`, and
        where there are few they hardly tell lengths, so that a little too much is taken away.
    """
    batch, asked, _, molecules = residual_BQSN.shape
    cells = (batch, asked, molecules)

    def of_cells(values_BQXN: torch.Tensor) -> torch.Tensor:
        # Smooth processes leave Gram matrices that single precision cannot factor.
        return values_BQXN.double().transpose(2, 3).flatten(0, 2)

    seen_KS = of_cells(observed_BQSN)
    residual_KS = of_cells(residual_BQSN) * seen_KS
    every_hour = hours_BQU.unsqueeze(-1).expand(-1, -1, -1, molecules)
    times = _Times(
        seen_KS,
        # Of an unobserved time nothing is told, so that it is the same whenever it was.
        of_cells(observed_hours_BQSN) * seen_KS,
        of_cells(observed_since_BQSN) * seen_KS,
        of_cells(every_hour),
        of_cells(since_BQUN),
        anchored_BQN.bool().flatten()[:, None],
    )
    flat = torch.arange(batch * molecules, device=seen_KS.device).view(batch, 1, molecules)
    molecule_K = flat.expand(cells).flatten()
    alike = _Alike.of(torch.cat([molecule_K[:, None].double(), *times.columns()], dim=1))
    times = times.of(alike.first_P)
    parameters_P2 = smoothing_F2.double()[molecule_K[alike.first_P]]
    inferred_length = 8.0 * torch.exp(parameters_P2[:, :1].clamp(-3, 3))
    inferred_noise = 0.05 * torch.exp(parameters_P2[:, 1:].clamp(-5, 5))

    residual_PSR = alike.table(residual_KS)
    unit = torch.eye(seen_KS.shape[1], device=seen_KS.device, dtype=seen_KS.dtype)
    count_K = seen_KS.sum(-1)
    means, evidences, left = [], [], []
    for length_factor in LENGTH_FACTORS:
        length_P1 = inferred_length * length_factor
        gram_PSS, across_PUS = times.covariances(length_P1)
        before_PU = times.variance(length_P1) if scale_BQUN is not None else None
        for noise_factor in NOISE_FACTORS:
            noise_P1 = inferred_noise * noise_factor + 1e-6
            factor = torch.linalg.cholesky(gram_PSS + unit * (noise_P1 * times.seen)[..., None])
            solved = torch.cholesky_solve(residual_PSR, factor)
            means.append(alike.cells_of(across_PUS @ solved))
            if before_PU is not None:
                told = (across_PUS.mT * torch.cholesky_solve(across_PUS.mT, factor)).sum(-2)
                # Where the state is known nothing is left before either.
                left.append(1 - told / before_PU.clamp(min=1e-12))
            size_K = alike.cells_of((residual_PSR * solved).sum(-2, keepdim=True))[:, 0]
            evidence = -0.5 * (count_K + 1) * torch.log(size_K + LEAST_RESIDUAL**2)
            determinant_P = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
            evidence = evidence - determinant_P[alike.pattern_K]
            evidences.append(torch.where(count_K > 0, evidence, 0.0))
    evidence = torch.stack(evidences).unflatten(1, cells)
    informed = (count_K > 0).view(cells).sum(-1, keepdim=True).clamp(min=1)
    pooled = evidence.sum(-1, keepdim=True) / informed
    weight = torch.softmax(evidence + POOLED_MOLECULES * pooled, dim=0).flatten(1)[..., None]
    each = torch.stack(means)
    mean = (weight * each).sum(0)

    def of_states(values_KU: torch.Tensor) -> torch.Tensor:
        return values_KU.unflatten(0, cells).transpose(2, 3).to(residual_BQSN)

    if scale_BQUN is None:
        return of_states(mean), None
    share = (weight * torch.stack(left)[:, alike.pattern_K]).sum(0).clamp(LEAST_LEFT, 1.0)
    apart = (weight * (each - mean) ** 2).sum(0)
    return of_states(mean), (scale_BQUN**2 * of_states(share) + of_states(apart)).sqrt()


@dataclass(frozen=True)
class _Times:
    """When cells were seen, and when they are asked for; of K cells, or of one of each pattern.

    Attributes:
        seen: 1 where anything was observed, 0 elsewhere (K, S).
        hours, since: when, and when the state was last let go before (K, S).
        asked_hours, asked_since: the same of the asked times (K, U).
        anchored: whether the state at time 0 is known (K, 1).
    """

    seen: torch.Tensor
    hours: torch.Tensor
    since: torch.Tensor
    asked_hours: torch.Tensor
    asked_since: torch.Tensor
    anchored: torch.Tensor

    def columns(self) -> list[torch.Tensor]:
        """All that is told of a cell, in double precision, each (K, …)."""
        told = (self.seen, self.hours, self.since, self.asked_hours, self.asked_since)
        return [*told, self.anchored.double()]

    def of(self, cells: torch.Tensor) -> _Times:
        """Of some cells."""
        return _Times(
            self.seen[cells],
            self.hours[cells],
            self.since[cells],
            self.asked_hours[cells],
            self.asked_since[cells],
            self.anchored[cells],
        )

    def covariances(self, length: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the error at observed times (K, S, S), and of asked times with these (K, U, S)."""
        # An unobserved time is cut off from the others and has no residual, so it says nothing.
        both = self.seen[..., :, None] * self.seen[..., None, :]
        own = torch.diag_embed(1 - self.seen)
        gram = self._covariance(self.hours, self.since, length) * both + own
        across = self._covariance(self.asked_hours, self.asked_since, length)
        return gram, across * self.seen[..., None, :]

    def variance(self, length: torch.Tensor) -> torch.Tensor:
        """Of the error at asked times, as long as nothing was seen (K, U)."""
        alone = matern(self.asked_hours - self.asked_since, length) ** 2
        return torch.where(self.anchored | (self.asked_since > 0), 1 - alone, 1.0)

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
    """The Matérn 5/2 correlation of a smooth process at times that are so far apart."""
    scaled = math.sqrt(5) * hours.abs() / length
    return (1 + scaled + scaled**2 / 3) * torch.exp(-scaled)


@dataclass(frozen=True)
class _Alike:
    """Cells of one pattern share their Gram matrix, which is factored once for all of them.

    Attributes:
        first_P: one cell of each pattern.
        pattern_K, place_K: the pattern of each cell, and its place in it.
        most: cells of one pattern, at most.
    """

    first_P: torch.Tensor
    pattern_K: torch.Tensor
    place_K: torch.Tensor
    most: int

    @classmethod
    def of(cls, key_KX: torch.Tensor) -> _Alike:
        """From all that makes cells differ; patterns are told from sums, as rows are long."""
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
        """Values of cells in a column for each, pattern by pattern (P, S, R); 0 where none is."""
        shape = (len(self.first_P), self.most, values_KS.shape[1])
        return values_KS.new_zeros(shape).index_put((self.pattern_K, self.place_K), values_KS).mT

    def cells_of(self, table_PXR: torch.Tensor) -> torch.Tensor:
        """The columns of cells (K, X)."""
        return table_PXR.mT[self.pattern_K, self.place_K]
