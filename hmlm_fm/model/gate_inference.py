"""Inference of gates from a context: what its observations say about each molecule's own gate.

Each molecule's own equation is solved with its inputs as they were seen (`evidence.py`): where it
misses what was seen, its gate and time constant are to blame, and not those upstream. Errors and
sensitivities of this local solution are the evidence; damped steps, whose rates, prior variances
and damping pretraining learns, turn them into corrections of the logits, a few times over
(iterative amortized inference: Marino, Yue and Mandt, ICML 2018). What the molecules of a network
have in common, such as how steep its responses are, is corrected for all at once, and reaches those
of which nothing was seen. No weight changes.

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
from .wiring import Wiring

# No single step moves a logit further than this, and all of a network further than that.
LONGEST_STEP, LONGEST_SHARED_STEP = 1.5, 0.7
# Keeps what was not seen at all from dividing by nothing.
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
"""Fields of `GateLogits` that a context corrects, and how far they may be off before training."""


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
class Cell:
    """Which network, molecule and kind every inferred logit belongs to.

    Attributes:
        network_L, target_L, kind_L: of each logit; the molecule is the one whose gate it is of.
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

    Ω↑ sums, over its molecules, what their errors say of each kind of logit; Ω↓ hands the damped
    least-squares step down to every logit of that kind.
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        # Logarithms: of the rate and the prior variance by kind of logit, and of the damping.
        self.prior = PresetTable([[0.0, 2 * math.log(off)] for off in INFERRED.values()])
        self.damping = PresetTable([[math.log(0.02)]])

    def forward(
        self,
        cell: Cell,
        error_L: torch.Tensor,
        sensitivity_L: torch.Tensor,
        squared_F: torch.Tensor,
    ) -> torch.Tensor:
        """The move of every logit (L).

        Args:
            cell: where each logit belongs.
            error_L: mean over what was seen of a molecule of error · sensitivity.
            sensitivity_L: mean of the sensitivity.
            squared_F: mean of the squared error.
        """
        rate_K, variance_K = self.prior.weight.exp().unbind(-1)
        error_BNK = cell.by_molecule_and_kind(error_L)
        # Sensitivities of both signs cancel in their mean s, and a step by s² would leap. By Cauchy
        # and Schwarz the mean of their squares is at least (mean of e·s)² / (mean of e²), a ratio
        # of small numbers whose gradient would be noise.
        squared_BN1 = squared_F.view(len(error_BNK), -1, 1).clamp(min=LEAST_SQUARE)
        power_BNK = torch.maximum(
            cell.by_molecule_and_kind(sensitivity_L) ** 2, error_BNK.detach() ** 2 / squared_BN1
        )
        error_BK, power_BK = error_BNK.sum(1), power_BNK.sum(1)
        damped_B = (variance_K * power_BK).sum(-1, keepdim=True) + self.damping.weight.exp()
        move_BK = -rate_K * variance_K * error_BK / damped_B
        move_BK = LONGEST_SHARED_STEP * torch.tanh(move_BK / LONGEST_SHARED_STEP)
        return move_BK[cell.network_L, cell.kind_L]


class GateInference(nn.Module):
    """Corrects the logits of gates by the errors and sensitivities of local solutions.

    A step is that of a damped, normalized least-mean-squares update, shared by the logits of one
    molecule's gate after their sensitivities. Training learns its rates and its damping.
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        # Logarithms: of the rate and the prior variance by kind of logit; of the variance of what
        # is seen, and of the share of it that does not shrink with the number of observations.
        self.prior = PresetTable([[-0.5, 2 * math.log(off)] for off in INFERRED.values()])
        self.damping = PresetTable([[math.log(0.02), math.log(0.1)]])
        self.cell_scale = CellScale(config)

    def forward(self, logits: GateLogits, wiring: Wiring, evidence: Evidence) -> GateLogits:
        """The logits, corrected; where nothing of a network was seen, as they were."""
        if torch.is_inference_mode_enabled() or evidence.value_O.is_inference():
            logits, wiring, evidence = _tracked(logits), _tracked(wiring), _tracked(evidence)
        size = len(evidence.state_FCG)
        # How much was seen of each molecule, in units of an activity.
        count = evidence.by_molecule(evidence.weight_O)
        target = torch.cat([_targets(name, wiring) for name in INFERRED])
        sizes = [len(getattr(logits, name)) for name in INFERRED]
        kinds = torch.arange(len(sizes), device=target.device)
        kind = kinds.repeat_interleave(torch.tensor(sizes, device=target.device))
        current = torch.cat([getattr(logits, name) for name in INFERRED])
        rate, variance = self.prior(kind).exp().unbind(-1)
        damping = self.damping.weight[0].exp()
        n = count[target].clamp(min=LEAST_COUNT)
        seen = count[target] > 0
        cell = Cell(target // wiring.molecules, wiring.batch, target, size, kind)
        for _ in range(self.config.num_inference_steps):
            error, sensitivity, spread = self._evidence(
                logits, current.detach().split(sizes), wiring, evidence
            )
            error, sensitivity = error / n, sensitivity / n
            squared = spread / count.clamp(min=LEAST_COUNT)
            # Errors carry no gradient of their own. To first order they follow the logits, so that
            # training is not told to mend in the first guess what the steps mend anyway.
            followed = cell.by_molecule(sensitivity * (current - current.detach()))
            error = error + sensitivity * followed[target]
            shared = torch.zeros_like(error)
            if self.config.has("aggregation") and self.config.has("decomposition"):
                shared = self.cell_scale(cell, error, sensitivity, squared)
                # What is left for the molecules to explain, to first order.
                moved = cell.by_molecule(sensitivity * shared)
                error = error + sensitivity * moved[target]
            # How much one molecule's logits together could move its states.
            power = cell.by_molecule(variance * sensitivity**2)[target]
            damped = power + damping[0] * (1 / n + damping[1])
            move = -rate * variance * error / damped
            move = LONGEST_STEP * torch.tanh(move / LONGEST_STEP)
            current = current + move * seen + shared
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
        # There are sensitivities whatever mode the caller is in.
        with torch.inference_mode(False), torch.enable_grad():
            leaves = [value.clone().requires_grad_() for value in values]
            trial = replace(logits, **dict(zip(INFERRED, leaves, strict=True)))
            solved = local_states(trial.gates(wiring), wiring, evidence)
            missed = (solved - evidence.value_O).detach()
            error = evidence.weight_O * missed
            weighted = torch.autograd.grad(
                solved, leaves, error, retain_graph=True, materialize_grads=True
            )
            sensitivity = torch.autograd.grad(
                solved, leaves, evidence.weight_O, materialize_grads=True
            )
        return torch.cat(weighted), torch.cat(sensitivity), evidence.by_molecule(error * missed)


def of_networks(
    first_B: torch.Tensor, one: GateLogits, other: GateLogits, wiring: Wiring
) -> GateLogits:
    """What a context corrects, from one of two for each network of a batch."""
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
