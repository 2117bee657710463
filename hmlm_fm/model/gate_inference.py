"""Inference of gates from a context: observations of a molecule correct its own gate.

Each molecule's own equation is solved with its inputs as observed (`evidence.py`): where the
solution differs from an observation, the error is of this molecule's gate and time constant, and
not of those upstream. Errors and sensitivities of this local solution are the evidence; damped
steps, whose rates, prior variances and damping pretraining learns, turn them into corrections of
the logits, a few times over (iterative amortized inference: Marino, Yue and Mandt, ICML 2018). What
the molecules of a network have in common, such as how steep its responses are, is corrected for all
at once, also for those that were not observed. No weight changes.

Travels with checkpoints. Shapes: B batch, F flat molecules, O observations, L logits of all
inferred fields end to end, K kinds of logits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TypeVar

import torch
from torch import nn

from .configuration_hmlm import HMLMConfig
from .evidence import Evidence, local_states
from .gates import GateLogits, PresetTable
from .graph import Wiring

# Factors from an eighth to eight; those in between are interpolated, so that the result hardly
# depends on where the grid lies.
DOUBLINGS, BETWEEN = 3, 8
# Factors on the prior precision: a network's time constants may be closer to the guess than in most
# networks.
CLOSER = (1.0, 4.0, 16.0, 64.0)
# Errors of a molecule are mostly those of its inputs, which last over time: more observations of
# one molecule than this carry no further information.
MOST_COUNTED = 20.0
# Added to mean squared errors, so that the likelihood of a perfect fit is finite.
LEAST_MEAN_SQUARE, LEAST_NETWORK_SQUARE = 1e-4, 1e-5


class TimeConstantSearch(nn.Module):
    """Weighs factors on time constants by how well they explain the observations, before small
    steps correct all logits of a gate.

    Where a molecule is much slower or faster than the first guess, its error hardly depends on
    small changes of its time constant (a state that follows its drive closely does not depend on
    how fast it does), and small steps would change its interactions instead. Each molecule's own
    equation is solved with its time constant times every factor; the factors are weighed by how
    well that explains the observations, of the molecule and of its whole network. How far they may
    be from the first guess is found for each network: where states were observed long after they
    came to rest, nearly all faster time constants explain them equally well, and time constants
    leave the guess only in a network where many molecules do differ. No weight changes. K factors
    are tried, X are those and factors in between, P are precisions.

    With the noise of unknown size integrated out, n errors of mean square e² have the likelihood
    e^(-n) (Gelman et al., Bayesian Data Analysis, 3rd ed., section 3.2).
    Training learns how much errors of a molecule and of its network count, and how far time
    constants are from the first guess; in a network they may be closer, each precision counting by
    its marginal likelihood there (a hierarchical model: Gelman et al., chapter 5).
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        # Logarithms: of the share of a molecule's observations that counts as independent, of the
        # number of observations that the network's errors count as, of the prior precision of the
        # log factor.
        self.prior = PresetTable([[math.log(0.5), math.log(12.0), math.log(0.6)]])

    def forward(
        self,
        logits: GateLogits,
        wiring: Wiring,
        evidence: Evidence,
        guess_F: torch.Tensor,
    ) -> GateLogits:
        """The logits with other time constants; unchanged where nothing was observed.

        Args:
            guess_F: logarithms of the time constants before any inference.
        """
        counted, network_count, precision = self.prior.weight[0].exp()
        squared_KF, count_F = self._squared(logits, wiring, evidence)
        mean_KF = squared_KF / count_F.clamp(min=1)
        own_KF = (
            -0.5 * counted * count_F.clamp(max=MOST_COUNTED) * (mean_KF + LEAST_MEAN_SQUARE).log()
        )
        doubling_X, between_XK = _interpolation()
        between_XK = between_XK.to(own_KF)
        log_factor_X1 = math.log(2) * doubling_X.to(own_KF)[:, None]
        off_F = (logits.log_tau_F - guess_F).detach()
        closer_P11 = own_KF.new_tensor(CLOSER)[:, None, None]
        evidence_KF = own_KF
        if self.config.has("aggregation") and self.config.has("decomposition"):
            # Ω↑ sums the errors of a network's molecules; Ω↓ passes the sum to all of them.
            count_B1 = count_F.view(wiring.batch, -1).sum(1, keepdim=True)
            network_KB1 = squared_KF.unflatten(1, (wiring.batch, -1)).sum(2, keepdim=True)
            network_KB1 = (network_KB1 / count_B1.clamp(min=1) + LEAST_NETWORK_SQUARE).log()
            # With few observations, the network's errors count as no more than these.
            network_count_B1 = torch.minimum(network_count, counted * count_B1)
            network_KBN = -0.5 * network_count_B1 * network_KB1.expand(-1, -1, wiring.molecules)
            evidence_KF = own_KF + network_KBN.flatten(1)
        else:
            # Without these operators nothing is inferred of a network as a whole.
            closer_P11 = closer_P11[:1]
        observed_F, informed_F = ((x != x[:1]).any(0) for x in (own_KF, evidence_KF))
        prior_PXF = -0.5 * precision * closer_P11 * (log_factor_X1 + off_F) ** 2
        # The marginal likelihood of each precision: of a molecule, and of its network. The prior
        # mass outside the grid, where nothing is tried, counts against a precision: where all
        # factors explain the observations equally well, time constants stay near the guess.
        likely_PF = torch.logsumexp(prior_PXF + between_XK @ own_KF, dim=1)
        likely_PF = torch.where(observed_F, likely_PF + 0.5 * closer_P11[:, 0].log(), 0.0)
        likely_PB = likely_PF.unflatten(1, (wiring.batch, -1)).sum(2)
        share_P1F = torch.softmax(likely_PB, dim=0).repeat_interleave(wiring.molecules, 1)[:, None]
        weight_PXF = torch.softmax(prior_PXF + between_XK @ evidence_KF, dim=1)
        weight_XF = (share_P1F * weight_PXF).sum(0)
        move_F = (weight_XF * log_factor_X1).sum(0)
        # The weight of the first guess: the variance of the log factor after, over that before.
        before_XF = (share_P1F * torch.softmax(prior_PXF, dim=1)).sum(0)
        before_F = _variance(before_XF, log_factor_X1)
        left_F = (_variance(weight_XF, log_factor_X1) / before_F).detach().clamp(max=1)
        now_F = logits.log_tau_F.detach()
        followed_F = now_F + left_F * (logits.log_tau_F - now_F)
        found_F = torch.where(informed_F, followed_F + move_F, logits.log_tau_F)
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
            squared_O = evidence.weight_O * (solved_O - evidence.value_O) ** 2
            squared.append(evidence.by_molecule(squared_O))
        return torch.stack(squared), evidence.by_molecule(evidence.weight_O)


def _interpolation() -> tuple[torch.Tensor, torch.Tensor]:
    """Doublings (X) on a finer grid, and the weights (X, K) of those that were tried: a cubic
    through two neighbours with slopes from their own neighbours (Catmull and Rom, 1974)."""
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


# The longest step of a single logit, and of all logits of a kind in a network.
LONGEST_STEP, LONGEST_SHARED_STEP = 1.5, 0.7
# Least denominators, where a molecule was not observed.
LEAST_COUNT, LEAST_SQUARE = 1e-3, 1e-8

INFERRED = {
    "log_tau_F": 0.6,
    "input_F": 0.5,
    "trust_F": 0.5,
    "weight_I": 1.0,
    "log_n_J": 0.25,
    "ec50_J": 0.4,
    "activates_J": 1.5,
    "partner_X": 1.5,
}
"""Fields of `GateLogits` that a context corrects, with their prior standard deviations before
training."""


Holder = TypeVar("Holder")


def _tracked(holder: Holder) -> Holder:
    """A copy of a dataclass whose tensors autograd accepts, though made in inference mode."""
    with torch.inference_mode(False):
        copies = {
            f.name: value.clone() if isinstance(value, torch.Tensor) else _tracked(value)
            for f in fields(holder)  # type: ignore[arg-type]
            if isinstance(value := getattr(holder, f.name), torch.Tensor) or is_dataclass(value)
        }
        return replace(holder, **copies)  # type: ignore[type-var]


@dataclass
class LogitLayout:
    """The network, molecule and kind of every inferred logit, all fields end to end.

    Attributes:
        network_L, target_L, kind_L: network, flat molecule and kind of each logit; the molecule is
            the one whose gate the logit belongs to.
        networks, molecules: how many networks and flat molecules there are.
    """

    network_L: torch.Tensor
    networks: int
    target_L: torch.Tensor
    molecules: int
    kind_L: torch.Tensor

    def by_molecule(self, values_L: torch.Tensor) -> torch.Tensor:
        """Sums over the logits of each molecule (F)."""
        return values_L.new_zeros(self.molecules).index_add(0, self.target_L, values_L)

    def by_molecule_and_kind(self, values_L: torch.Tensor) -> torch.Tensor:
        """Sums over the logits of each molecule and kind (B, F / B, K)."""
        kinds = len(INFERRED)
        table = values_L.new_zeros(self.molecules * kinds)
        table = table.index_add(0, self.target_L * kinds + self.kind_L, values_L)
        return table.view(self.networks, -1, kinds)


class CellScale(nn.Module):
    """Ω↑ and Ω↓ between molecules and the cell: corrections that a whole network has in common.

    Ω↑ sums the evidence of its molecules on each kind of logit; Ω↓ passes the damped least-squares
    step to every logit of that kind.
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        # Logarithms: of the rate and the prior variance by kind of logit, and of the damping.
        self.prior = PresetTable([[0.0, 2 * math.log(off)] for off in INFERRED.values()])
        self.damping = PresetTable([[math.log(0.02)]])

    def forward(
        self,
        layout: LogitLayout,
        error_L: torch.Tensor,
        sensitivity_L: torch.Tensor,
        squared_F: torch.Tensor,
    ) -> torch.Tensor:
        """The move of every logit (L).

        Args:
            layout: where each logit belongs.
            error_L: mean over a molecule's observations of error · sensitivity.
            sensitivity_L: mean of the sensitivity.
            squared_F: mean of the squared error.
        """
        rate_K, variance_K = self.prior.weight.exp().unbind(-1)
        error_BNK = layout.by_molecule_and_kind(error_L)
        # Sensitivities of both signs cancel in their mean s, and a step by s² would leap. By Cauchy
        # and Schwarz the mean of their squares is at least (mean of e·s)² / (mean of e²), a ratio
        # of small numbers whose gradient would be noise.
        squared_BN1 = squared_F.view(len(error_BNK), -1, 1).clamp(min=LEAST_SQUARE)
        power_BNK = torch.maximum(
            layout.by_molecule_and_kind(sensitivity_L) ** 2, error_BNK.detach() ** 2 / squared_BN1
        )
        error_BK, power_BK = error_BNK.sum(1), power_BNK.sum(1)
        damped_B = (variance_K * power_BK).sum(-1, keepdim=True) + self.damping.weight.exp()
        move_BK = -rate_K * variance_K * error_BK / damped_B
        move_BK = LONGEST_SHARED_STEP * torch.tanh(move_BK / LONGEST_SHARED_STEP)
        return move_BK[layout.network_L, layout.kind_L]


class GateInference(nn.Module):
    """Corrects the logits of gates by the errors and sensitivities of local solutions.

    A step is that of a damped, normalized least-mean-squares update, divided among the logits of
    one molecule's gate by their sensitivities. Training learns its rates and its damping.
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        # Logarithms: of the rate and the prior variance by kind of logit; of the variance of
        # an observation, and of the share of it that does not shrink with their number.
        self.prior = PresetTable([[-0.5, 2 * math.log(off)] for off in INFERRED.values()])
        self.damping = PresetTable([[math.log(0.02), math.log(0.1)]])
        self.cell_scale = CellScale(config)

    def forward(self, logits: GateLogits, wiring: Wiring, evidence: Evidence) -> GateLogits:
        """The logits, corrected; unchanged for a network without observations."""
        if torch.is_inference_mode_enabled() or evidence.value_O.is_inference():
            logits, wiring, evidence = _tracked(logits), _tracked(wiring), _tracked(evidence)
        size = len(evidence.state_FCG)
        # How many observations each molecule has, weighted; an activity counts as 1.
        count = evidence.by_molecule(evidence.weight_O)
        target = torch.cat([_targets(name, wiring) for name in INFERRED])
        sizes = [len(getattr(logits, name)) for name in INFERRED]
        kinds = torch.arange(len(sizes), device=target.device)
        kind = kinds.repeat_interleave(torch.tensor(sizes, device=target.device))
        current = torch.cat([getattr(logits, name) for name in INFERRED])
        rate, variance = self.prior(kind).exp().unbind(-1)
        damping = self.damping.weight[0].exp()
        n = count[target].clamp(min=LEAST_COUNT)
        observed = count[target] > 0
        layout = LogitLayout(target // wiring.molecules, wiring.batch, target, size, kind)
        for _ in range(self.config.num_inference_steps):
            error, sensitivity, spread = self._evidence(
                logits, current.detach().split(sizes), wiring, evidence
            )
            error, sensitivity = error / n, sensitivity / n
            squared = spread / count.clamp(min=LEAST_COUNT)
            # Errors carry no gradient of their own. To first order they follow the logits, so that
            # training does not correct in the first guess what the steps correct.
            followed = layout.by_molecule(sensitivity * (current - current.detach()))
            error = error + sensitivity * followed[target]
            shared = torch.zeros_like(error)
            if self.config.has("aggregation") and self.config.has("decomposition"):
                shared = self.cell_scale(layout, error, sensitivity, squared)
                # The error that is left to the single molecules, to first order.
                moved = layout.by_molecule(sensitivity * shared)
                error = error + sensitivity * moved[target]
            # How far the logits of one molecule together can move its states.
            power = layout.by_molecule(variance * sensitivity**2)[target]
            damped = power + damping[0] * (1 / n + damping[1])
            move = -rate * variance * error / damped
            move = LONGEST_STEP * torch.tanh(move / LONGEST_STEP)
            current = current + move * observed + shared
        return replace(logits, **dict(zip(INFERRED, current.split(sizes), strict=True)))

    @staticmethod
    def _evidence(
        logits: GateLogits,
        values: tuple[torch.Tensor, ...],
        wiring: Wiring,
        evidence: Evidence,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Per logit, the sum over observations, each by its weight, of error · sensitivity and of
        sensitivity; per molecule (F), that of squared errors. No gradient flows through them."""
        # Sensitivities need gradients, also in inference mode.
        with torch.inference_mode(False), torch.enable_grad():
            leaves = [value.clone().requires_grad_() for value in values]
            trial = replace(logits, **dict(zip(INFERRED, leaves, strict=True)))
            solved = local_states(trial.gates(wiring), wiring, evidence)
            difference = (solved - evidence.value_O).detach()
            error = evidence.weight_O * difference
            weighted = torch.autograd.grad(
                solved, leaves, error, retain_graph=True, materialize_grads=True
            )
            sensitivity = torch.autograd.grad(
                solved, leaves, evidence.weight_O, materialize_grads=True
            )
        return torch.cat(weighted), torch.cat(sensitivity), evidence.by_molecule(error * difference)


def choose_by_network(
    first_B: torch.Tensor, one: GateLogits, other: GateLogits, wiring: Wiring
) -> GateLogits:
    """For each network of a batch the inferred fields of `one` where `first_B`, else of `other`."""
    chosen = {
        name: torch.where(
            first_B[_targets(name, wiring) // wiring.molecules],
            getattr(one, name),
            getattr(other, name),
        )
        for name in INFERRED
    }
    return replace(one, **chosen)


def _targets(name: str, wiring: Wiring) -> torch.Tensor:
    """The flat molecule whose gate a logit belongs to."""
    if name.endswith("_F"):
        return torch.arange(wiring.batch * wiring.molecules, device=wiring.target_I.device)
    if name.endswith("_I"):
        return wiring.target_I
    return wiring.target_J if name.endswith("_J") else wiring.target_J[wiring.left_X]
