"""A search for time constants along a grid of factors, before small steps correct all of a gate.

A molecule that is much slower or faster than the first guess hardly answers to small changes of its
time constant (once a state follows its drive, how fast it does no longer shows), and small steps
would blame its interactions instead. Each molecule's own equation is solved with its time constant
times every factor; the factors are weighed by how well that explains what was seen, of the molecule
and of its whole network, which share a pace. No weight changes.

Travels with checkpoints. Shapes: B batch, F flat molecules, O observations, K factors.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import nn

from .configuration_hmlm import HMLMConfig
from .evidence import Evidence, local_states
from .gates import GateLogits, PresetTable
from .transducer import Transducer
from .wiring import Wiring

# Logarithms of the factors: from an eighth to eight times, symmetric, so that nothing seen is no
# change.
LOG_FACTORS = tuple(math.log(2) * k for k in range(-3, 4))
# What molecules miss is mostly what their inputs miss, which goes on in time: more observations
# than this, of one molecule, say no more.
MOST_COUNTED = 20.0
# Of squared errors, so that a perfect fit does not count for ever.
LEAST_SQUARE, LEAST_SQUARE_OF_ALL = 1e-4, 1e-5


class TimeConstantSearch(nn.Module):
    """Weighs factors of time constants by what they leave unexplained.

    With the noise of unknown size integrated out, n errors of mean square e² have the likelihood
    e^(-n) (Gelman et al., Bayesian Data Analysis, 3rd ed., eq. 3.2 to 3.5, with a flat mean).
    Training learns how much errors of a molecule and of its network count, and how far time
    constants are from the first guess.
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        # Logarithms: of the share of its observations that counts as independent, of the number
        # of them that the network's errors are worth, of the prior precision of the log factor.
        self.prior = PresetTable([[math.log(0.5), math.log(12.0), math.log(0.6)]])

    def forward(
        self, logits: GateLogits, wiring: Wiring, transducer: Transducer, evidence: Evidence
    ) -> GateLogits:
        """The logits with other time constants; where nothing was seen, as they were."""
        counted, worth, precision = self.prior.weight[0].exp()
        log_factor_K1 = evidence.value_O.new_tensor(LOG_FACTORS)[:, None]
        squared_KF, count_F = self._squared(logits, wiring, transducer, evidence)
        prior_KF = (-0.5 * precision * log_factor_K1**2).expand_as(squared_KF)
        mean_KF = squared_KF / count_F.clamp(min=1)
        evidence_KF = (
            -0.5 * counted * count_F.clamp(max=MOST_COUNTED) * (mean_KF + LEAST_SQUARE).log()
        )
        if self.config.has("aggregation") and self.config.has("decomposition"):
            # Ω↑ sums what the molecules of a network miss; Ω↓ tells it to all of them.
            count_B1 = count_F.view(wiring.batch, -1).sum(1, keepdim=True)
            of_all_KB1 = squared_KF.unflatten(1, (wiring.batch, -1)).sum(2, keepdim=True)
            of_all_KB1 = (of_all_KB1 / count_B1.clamp(min=1) + LEAST_SQUARE_OF_ALL).log()
            of_all_KBN = -0.5 * worth * of_all_KB1.expand(-1, -1, wiring.molecules)
            evidence_KF = evidence_KF + of_all_KBN.flatten(1)
        weight_KF = torch.softmax(prior_KF + evidence_KF, dim=0)
        move_F = (weight_KF * log_factor_K1).sum(0)
        # How much of the first guess is left: the variance of the log factor after and before.
        left_F = _variance(weight_KF, log_factor_K1) / _variance(
            torch.softmax(prior_KF, dim=0), log_factor_K1
        )
        log_tau_F = logits.log_tau_F
        guess_F = log_tau_F.detach()
        followed_F = guess_F + left_F.detach().clamp(max=1) * (log_tau_F - guess_F)
        told_F = (evidence_KF != evidence_KF[:1]).any(0)
        return replace(logits, log_tau_F=torch.where(told_F, followed_F + move_F, log_tau_F))

    @staticmethod
    @torch.no_grad()
    def _squared(
        logits: GateLogits, wiring: Wiring, transducer: Transducer, evidence: Evidence
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sums of weighted squared errors by factor and molecule (K, F), and of weights (F)."""
        count_F = torch.zeros_like(logits.log_tau_F)
        count_F = count_F.index_add(0, evidence.molecule_O, evidence.weight_O)
        squared = []
        for log_factor in LOG_FACTORS:
            trial = replace(logits, log_tau_F=logits.log_tau_F + log_factor)
            solved_O = local_states(trial.gates(wiring), wiring, transducer, evidence)
            missed_O = evidence.weight_O * (solved_O - evidence.value_O) ** 2
            squared.append(torch.zeros_like(count_F).index_add(0, evidence.molecule_O, missed_O))
        return torch.stack(squared), count_F


def _variance(weight_KF: torch.Tensor, value_K1: torch.Tensor) -> torch.Tensor:
    """Of a value under weights that sum to 1 (F)."""
    mean_F = (weight_KF * value_K1).sum(0)
    return (weight_KF * (value_K1 - mean_F) ** 2).sum(0)
