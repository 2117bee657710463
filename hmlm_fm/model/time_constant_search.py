"""A search for time constants along a grid of factors, before small steps correct all of a gate.

A molecule that is much slower or faster than the first guess hardly answers to small changes of its
time constant (once a state follows its drive, how fast it does no longer shows), and small steps
would blame its interactions instead. Each molecule's own equation is solved with its time constant
times every factor; the factors are weighed by how well that explains what was seen, of the molecule
and of its whole network, which share a pace. How far they may be from the first guess is found of
each network: where states were seen long after they came to rest, nearly all faster time constants
explain them alike, and only a network whose molecules do differ has them leave the guess. No weight
changes.

Travels with checkpoints. Shapes: B batch, F flat molecules, O observations, K factors that are
tried, X those and factors in between, P precisions.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import nn

from .configuration_hmlm import HMLMConfig
from .evidence import Evidence, local_states
from .gates import GateLogits, PresetTable
from .wiring import Wiring

# Factors from an eighth to eight times; what is in between is interpolated, so that what is found
# hardly depends on where the grid lies.
DOUBLINGS, BETWEEN = 3, 8
# Times the prior precision: a network's time constants may be closer to the guess than in most.
CLOSER = (1.0, 4.0, 16.0, 64.0)
# What molecules miss is mostly what their inputs miss, which goes on in time: more observations
# than this, of one molecule, say no more.
MOST_COUNTED = 20.0
# Of squared errors, so that a perfect fit does not count for ever.
LEAST_SQUARE, LEAST_SQUARE_OF_ALL = 1e-4, 1e-5


class TimeConstantSearch(nn.Module):
    """Weighs factors of time constants by what they leave unexplained.

    With the noise of unknown size integrated out, n errors of mean square e² have the likelihood
    e^(-n) (Gelman et al., Bayesian Data Analysis, 3rd ed., section 3.2).
    Training learns how much errors of a molecule and of its network count, and how far time
    constants are from the first guess; in a network they may be closer, each precision counting by
    its marginal likelihood there (a hierarchical model: Gelman et al., chapter 5).
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        # Logarithms: of the share of its observations that counts as independent, of the number
        # of them that the network's errors are worth, of the prior precision of the log factor.
        self.prior = PresetTable([[math.log(0.5), math.log(12.0), math.log(0.6)]])

    def forward(
        self,
        logits: GateLogits,
        wiring: Wiring,
        evidence: Evidence,
        guess_F: torch.Tensor,
    ) -> GateLogits:
        """The logits with other time constants; where nothing was seen, as they were.

        Args:
            guess_F: logarithms of the time constants before anything was seen.
        """
        counted, worth, precision = self.prior.weight[0].exp()
        squared_KF, count_F = self._squared(logits, wiring, evidence)
        mean_KF = squared_KF / count_F.clamp(min=1)
        own_KF = -0.5 * counted * count_F.clamp(max=MOST_COUNTED) * (mean_KF + LEAST_SQUARE).log()
        doubling_X, between_XK = _interpolation()
        between_XK = between_XK.to(own_KF)
        log_factor_X1 = math.log(2) * doubling_X.to(own_KF)[:, None]
        off_F = (logits.log_tau_F - guess_F).detach()
        closer_P11 = own_KF.new_tensor(CLOSER)[:, None, None]
        evidence_KF = own_KF
        if self.config.has("aggregation") and self.config.has("decomposition"):
            # Ω↑ sums what the molecules of a network miss; Ω↓ tells it to all of them.
            count_B1 = count_F.view(wiring.batch, -1).sum(1, keepdim=True)
            of_all_KB1 = squared_KF.unflatten(1, (wiring.batch, -1)).sum(2, keepdim=True)
            of_all_KB1 = (of_all_KB1 / count_B1.clamp(min=1) + LEAST_SQUARE_OF_ALL).log()
            # A few observations are not worth more than they are.
            worth_B1 = torch.minimum(worth, counted * count_B1)
            of_all_KBN = -0.5 * worth_B1 * of_all_KB1.expand(-1, -1, wiring.molecules)
            evidence_KF = own_KF + of_all_KBN.flatten(1)
        else:
            # Then nothing is found of a network as a whole.
            closer_P11 = closer_P11[:1]
        seen_F, told_F = ((of != of[:1]).any(0) for of in (own_KF, evidence_KF))
        prior_PXF = -0.5 * precision * closer_P11 * (log_factor_X1 + off_F) ** 2
        # The marginal likelihood of each precision: of a molecule, and of its network. What a prior
        # holds beyond the grid, where nothing is tried, counts against it: where all factors
        # explain what was seen alike, time constants stay near the guess.
        likely_PF = torch.logsumexp(prior_PXF + between_XK @ own_KF, dim=1)
        likely_PF = torch.where(seen_F, likely_PF + 0.5 * closer_P11[:, 0].log(), 0.0)
        likely_PB = likely_PF.unflatten(1, (wiring.batch, -1)).sum(2)
        share_P1F = torch.softmax(likely_PB, dim=0).repeat_interleave(wiring.molecules, 1)[:, None]
        weight_PXF = torch.softmax(prior_PXF + between_XK @ evidence_KF, dim=1)
        weight_XF = (share_P1F * weight_PXF).sum(0)
        move_F = (weight_XF * log_factor_X1).sum(0)
        # How much of the first guess is left: the variance of the log factor after and before.
        before_XF = (share_P1F * torch.softmax(prior_PXF, dim=1)).sum(0)
        before_F = _variance(before_XF, log_factor_X1)
        left_F = (_variance(weight_XF, log_factor_X1) / before_F).detach().clamp(max=1)
        now_F = logits.log_tau_F.detach()
        followed_F = now_F + left_F * (logits.log_tau_F - now_F)
        found_F = torch.where(told_F, followed_F + move_F, logits.log_tau_F)
        return replace(logits, log_tau_F=found_F)

    @staticmethod
    @torch.no_grad()
    def _squared(
        logits: GateLogits, wiring: Wiring, evidence: Evidence
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sums of weighted squared errors by factor and molecule (K, F), and of weights (F)."""
        squared = []
        for doubling in range(-DOUBLINGS, DOUBLINGS + 1):
            longer = doubling * math.log(2)
            trial = replace(logits, log_tau_F=logits.log_tau_F + longer)
            solved_O = local_states(trial.gates(wiring), wiring, evidence)
            missed_O = evidence.weight_O * (solved_O - evidence.value_O) ** 2
            squared.append(evidence.by_molecule(missed_O))
        return torch.stack(squared), evidence.by_molecule(evidence.weight_O)


def _interpolation() -> tuple[torch.Tensor, torch.Tensor]:
    """Doublings (X) on a finer grid, and the weights (X, K) of those that were tried: a cubic
    through two neighbours with the slopes that theirs give (Catmull and Rom, 1974)."""
    values = torch.eye(2 * DOUBLINGS + 1)
    slopes = torch.stack(torch.gradient(values, dim=0))[0]
    step = torch.arange(2 * DOUBLINGS * BETWEEN + 1)
    left = (step // BETWEEN).clamp(max=2 * DOUBLINGS - 1)
    t = (step / BETWEEN - left)[:, None]
    weights = (
        (2 * t**3 - 3 * t**2 + 1) * values[left]
        + (t**3 - 2 * t**2 + t) * slopes[left]
        + (3 * t**2 - 2 * t**3) * values[left + 1]
        + (t**3 - t**2) * slopes[left + 1]
    )
    return step / BETWEEN - DOUBLINGS, weights


def _variance(weight_XF: torch.Tensor, value_X1: torch.Tensor) -> torch.Tensor:
    """Of a value under weights that sum to 1 (F)."""
    mean_F = (weight_XF * value_X1).sum(0)
    return (weight_XF * (value_X1 - mean_F) ** 2).sum(0)
