"""Gates and time constants of the information transducer, read off the encoding of a network.

Travels with checkpoints. Shapes: B batch, N molecules, F = B · N flat molecules, J literals and I
interactions of the whole batch, X partners, Y modalities, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from .conditions import MODALITIES
from .configuration_hmlm import HMLMConfig
from .graph import Wiring


@dataclass
class Gates:
    """What the transducer has inferred about a network; readable per molecule and interaction.

    Attributes:
        tau_hours_F: time constants.
        input_F: level of a molecule's own input, 0 where it has none.
        resting_F: a guess of the state at rest, where it is not given; `state_at_rest` starts
            from it.
        trust_F: how far a given baseline corrects the drive, in [0, 1].
        weight_I: w of each interaction.
        n_J, c_J: Hill exponent and EC50ⁿ of each literal.
        activates_J: probability that the literal activates; 0 or 1 where the sign is known.
        partner_X: share in which the right literal holds the left one back.
        scale_F4: coefficients of the uncertainty.
        observation_FY4: offset, log gain, saturation and log scale per modality.
        smoothing_F2: log length in hours and log noise of the correction by residuals.
    """

    tau_hours_F: torch.Tensor
    input_F: torch.Tensor
    resting_F: torch.Tensor
    trust_F: torch.Tensor
    weight_I: torch.Tensor
    n_J: torch.Tensor
    c_J: torch.Tensor
    activates_J: torch.Tensor
    partner_X: torch.Tensor
    scale_F4: torch.Tensor
    observation_FY4: torch.Tensor
    smoothing_F2: torch.Tensor


@dataclass
class GateLogits:
    """Gates before they are squashed into their ranges: read off an encoding, and corrected by a
    context.

    Attributes:
        log_tau_F, input_F, resting_F, trust_F, weight_I, log_n_J, ec50_J, partner_X: logits, or
            logarithms, of the fields of `Gates`.
        activates_J: logit that a literal of unknown sign activates.
        sign_J: the sign; 0 where it is unknown, or hidden from the model.
        scale_F4, observation_FY4, smoothing_F2: as in `Gates`.
    """

    log_tau_F: torch.Tensor
    input_F: torch.Tensor
    resting_F: torch.Tensor
    trust_F: torch.Tensor
    weight_I: torch.Tensor
    log_n_J: torch.Tensor
    ec50_J: torch.Tensor
    activates_J: torch.Tensor
    partner_X: torch.Tensor
    sign_J: torch.Tensor
    scale_F4: torch.Tensor
    observation_FY4: torch.Tensor
    smoothing_F2: torch.Tensor

    def gates(self, wiring: Wiring) -> Gates:
        """The gates, squashed into their ranges."""
        n = 1.4 * torch.exp(self.log_n_J.clamp(-1.5, 1.5))
        ec50 = torch.sigmoid(self.ec50_J).clamp(0.02, 0.98)
        guessed = torch.sigmoid(self.activates_J)
        activates = torch.where(self.sign_J != 0, (self.sign_J > 0).to(guessed), guessed)
        has_input = wiring.any_per_molecule(wiring.target_I, ~wiring.has_source_I)
        return Gates(
            tau_hours_F=torch.exp(self.log_tau_F.clamp(-4.6, 4.6)),
            input_F=torch.sigmoid(self.input_F) * has_input,
            resting_F=torch.sigmoid(self.resting_F),
            trust_F=torch.sigmoid(self.trust_F),
            weight_I=torch.sigmoid(self.weight_I),
            n_J=n,
            c_J=ec50**n,
            activates_J=activates,
            partner_X=torch.sigmoid(self.partner_X),
            scale_F4=self.scale_F4,
            observation_FY4=self.observation_FY4,
            smoothing_F2=self.smoothing_F2,
        )


# Default logits, of an untrained model: an input of 0.18; a baseline that corrects the drive by
# nine tenths; and, where the sign is unknown, a source that activates, as most do.
INPUT, TRUST, ACTIVATES = -1.5, 2.0, 1.5


class PresetTable(nn.Embedding):
    """A table of parameters that training starts at values with a meaning."""

    def __init__(self, rows: Sequence[Sequence[float]]) -> None:
        super().__init__(len(rows), len(rows[0]))
        self.rows = rows

    def preset(self) -> torch.Tensor:
        return torch.tensor(self.rows)


class QuietLinear(nn.Linear):
    """A linear layer whose output starts near 0, so that defaults hold until training."""


def default_weights() -> list[list[float]]:
    """Logits of w by (activates, any interaction on the target activates, logic guessed)."""
    rows = []
    for activates in (False, True):
        for any_activates in (False, True):
            for guessed in (False, True):
                # An inhibitor among activators has no term of its own: it only holds back.
                idle = guessed and any_activates and not activates
                rows.append([-4.0 if idle else 2.5])
    return rows


def default_partners() -> list[list[float]]:
    """Logits of a partner's share by (sign left, sign right), each -1, 0, 1."""
    return [[{-1: 3.0, 0: -1.0, 1: -2.0}[right]] for _ in range(3) for right in (-1, 0, 1)]


class GateReadout(nn.Module):
    """Reads gates and time constants off the encoding of a network.

    Biases start at sensible defaults (Hill exponent 1.4, EC50 ½, weight 0.9, τ 1 h, activators
    joined by OR, each held back by the inhibitors), so that an untrained model already follows the
    wiring, and training only learns how a network differs.
    """

    def __init__(self, config: HMLMConfig, interaction_kinds: int) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.molecule = QuietLinear(width, 10)
        self.observation = QuietLinear(width, 4 * len(MODALITIES))
        self.source = nn.Linear(width, width)
        self.target = nn.Linear(width, width, bias=False)
        self.sign = nn.Embedding(3, width)
        self.kind = nn.Embedding(interaction_kinds, width)
        self.literal = QuietLinear(width, 4)
        self.partner_width = 8
        self.partner = nn.Linear(width, 2 * self.partner_width)
        self.weight_default = PresetTable(default_weights())
        self.partner_default = PresetTable(default_partners())

    def forward(self, encoding_BND: torch.Tensor, wiring: Wiring) -> GateLogits:
        """The logits of a batch of networks, from encodings (B, N, D) of their molecules."""
        h = encoding_BND.flatten(0, 1)
        molecule = self.molecule(h)
        sign = wiring.sign_J
        literal = nn.functional.gelu(
            self.source(h)[wiring.source_J]
            + self.target(h)[wiring.target_J]
            + self.sign(sign + 1)
            + self.kind(wiring.kind_J)
        )
        log_n, ec50, weight, activates = self.literal(literal).unbind(-1)
        return GateLogits(
            log_tau_F=molecule[:, 0],
            input_F=molecule[:, 1] + INPUT,
            resting_F=molecule[:, 2] + INPUT,
            trust_F=molecule[:, 3] + TRUST,
            weight_I=self._weights(weight, sign, wiring),
            log_n_J=log_n,
            ec50_J=ec50,
            activates_J=activates + ACTIVATES,
            partner_X=self._partners(literal, sign, wiring),
            sign_J=sign,
            scale_F4=nn.functional.softplus(molecule[:, 4:8] - 3.0),
            observation_FY4=self.observation(h).unflatten(-1, (len(MODALITIES), 4)),
            smoothing_F2=molecule[:, 8:10],
        )

    def untrained(self, logits: GateLogits, wiring: Wiring) -> GateLogits:
        """The logits that a context corrects, at their defaults, which depend on the wiring."""
        sign = wiring.sign_J
        weights = self.weight_default.preset().to(logits.weight_I)
        partners = self.partner_default.preset().to(logits.partner_X)
        return replace(
            logits,
            log_tau_F=torch.zeros_like(logits.log_tau_F),
            input_F=torch.full_like(logits.input_F, INPUT),
            trust_F=torch.full_like(logits.trust_F, TRUST),
            weight_I=weights[_forms(sign, wiring)].squeeze(-1),
            log_n_J=torch.zeros_like(logits.log_n_J),
            ec50_J=torch.zeros_like(logits.ec50_J),
            activates_J=torch.full_like(logits.activates_J, ACTIVATES),
            partner_X=partners[_pairs_of_signs(sign, wiring)].squeeze(-1),
        )

    def _weights(self, raw_J: torch.Tensor, sign: torch.Tensor, wiring: Wiring) -> torch.Tensor:
        """Logit of every w: a default by its form plus the mean over its literals."""
        size = len(wiring.target_I)
        count = torch.bincount(wiring.interaction_J, minlength=size).clamp(min=1)
        mean = raw_J.new_zeros(size).index_add(0, wiring.interaction_J, raw_J) / count
        return mean + self.weight_default(_forms(sign, wiring)).squeeze(-1)

    def _partners(self, literal: torch.Tensor, sign: torch.Tensor, wiring: Wiring) -> torch.Tensor:
        left, right = self.partner(literal).split(self.partner_width, dim=-1)
        affinity = (left[wiring.left_X] * right[wiring.right_X]).sum(-1)
        return affinity + self.partner_default(_pairs_of_signs(sign, wiring)).squeeze(-1)


def _forms(sign_J: torch.Tensor, wiring: Wiring) -> torch.Tensor:
    """The row of `default_weights` of every interaction (I)."""
    size = len(wiring.target_I)
    activating = torch.zeros(size, dtype=torch.bool, device=sign_J.device)
    activating[wiring.interaction_J[sign_J >= 0]] = True
    any_activates = wiring.any_per_molecule(wiring.target_I, activating)[wiring.target_I]
    guessed = torch.zeros_like(activating)
    guessed[wiring.interaction_J[wiring.left_X]] = True
    return (activating.long() * 2 + any_activates.long()) * 2 + guessed.long()


def _pairs_of_signs(sign_J: torch.Tensor, wiring: Wiring) -> torch.Tensor:
    """The row of `default_partners` of every pair (X)."""
    return (sign_J[wiring.left_X] + 1) * 3 + sign_J[wiring.right_X] + 1
