"""g of the information transducer: what is seen of a state, with its scale, and what was seen says.

Travels with checkpoints. Shapes: B batch, N molecules, F = B · N flat molecules, Q asked
conditions, U query times, S observed times, Y modalities, O single observations.
"""

from __future__ import annotations

import torch
from torch import nn

from .conditions import MODALITIES, ConditionTensors
from .gates import Gates
from .graph import perturbed_at
from .smoothing import smoothing_correction

LEAST_SCALE = 1e-3
"""Standard deviations are not below it."""


def corrected_states(
    states_BQUN: torch.Tensor,
    hours_BQU: torch.Tensor,
    residual_BQSN: torch.Tensor,
    observed_BQSN: torch.Tensor,
    observed_hours_BQS: torch.Tensor,
    conditions: ConditionTensors,
    anchored_BQN: torch.Tensor,
    smoothing_F2: torch.Tensor,
    scale_BQUN: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """States of a roll-out and, where they are given, their standard deviations, corrected by what
    was seen of the asked conditions themselves; two (B, Q, U, N).

    What a perturbation holds stays exact, whatever was measured: see `moved_states`.

    Args:
        residual_BQSN, observed_BQSN: what was observed less the roll-out, and where anything was.
        conditions: B · Q rows.
        anchored_BQN, smoothing_F2: as in `smoothing_correction`.
    """
    seen_hours = observed_hours_BQS.unsqueeze(-1).expand_as(residual_BQSN)
    let_go = conditions.let_go_by(seen_hours)
    # Where a state is known anyway, what is measured tells of noise alone.
    at_start = anchored_BQN.bool().unsqueeze(2) & (seen_hours <= 0)
    known = at_start | (let_go > 0) & (seen_hours <= let_go)
    held_then, _ = perturbed_at(conditions, observed_hours_BQS)
    correction, scale = smoothing_correction(
        residual_BQSN,
        observed_BQSN.bool() & ~held_then & ~known,
        seen_hours,
        let_go,
        anchored_BQN,
        hours_BQU,
        conditions.let_go_by(hours_BQU.unsqueeze(-1).expand_as(states_BQUN)),
        smoothing_F2,
        scale_BQUN,
    )
    if scale is not None:
        scale = scale.clamp(min=LEAST_SCALE)
    return moved_states(states_BQUN, correction, conditions, hours_BQU), scale


def moved_states(
    states: torch.Tensor,
    move: torch.Tensor,
    conditions: ConditionTensors,
    hours_BQU: torch.Tensor,
) -> torch.Tensor:
    """States of a roll-out with something added, within their range.

    What a perturbation holds stays; a state that is still above a lowered ymax comes down at its
    own pace.

    Args:
        states, move: (…, Q, U, N).
        conditions: B · Q rows.
    """
    held, ymax = perturbed_at(conditions, hours_BQU)
    moved = torch.minimum((states + move).clamp(min=0), torch.maximum(states, ymax))
    return torch.where(held, states, moved)


def observe(
    state_BQUN: torch.Tensor, drive_BQUN: torch.Tensor, gates: Gates
) -> tuple[torch.Tensor, torch.Tensor]:
    """y = g(s) in every modality with its scale: two tensors (B, Q, U, N, Y).

    Activity is the state itself; the others have an offset, a gain and a saturation of their own;
    mRNA follows the drive.
    """
    batch, _, _, molecules = state_BQUN.shape
    parameters = gates.observation_FY4.view(batch, 1, 1, molecules, len(MODALITIES), 4)
    value = _in_every_modality(state_BQUN, drive_BQUN, parameters)
    return value, 0.1 * torch.exp(parameters[..., 3].clamp(-4, 4)).expand_as(value)


def observe_points(
    state_O: torch.Tensor,
    drive_O: torch.Tensor,
    gates: Gates,
    flat_O: torch.Tensor,
    modality_O: torch.Tensor,
) -> torch.Tensor:
    """y = g(s) for single observations of flat molecules, each in its own modality (O).

    O may be several axes; molecules and modalities are those that they are broadcast to.
    """
    values = _in_every_modality(state_O, drive_O, gates.observation_FY4[flat_O])
    return values.gather(-1, modality_O.expand(state_O.shape).unsqueeze(-1)).squeeze(-1)


def shown_scale(
    scale_BQUN: torch.Tensor,
    drive_scale_BQUN: torch.Tensor,
    state_BQUN: torch.Tensor,
    drive_BQUN: torch.Tensor,
    gates: Gates,
) -> torch.Tensor:
    """What the standard deviations of a state and its drive are in the modalities that follow them,
    by the slopes of their instruments (B, Q, U, N, Y)."""
    batch, _, _, molecules = state_BQUN.shape
    parameters = gates.observation_FY4.view(batch, 1, 1, molecules, len(MODALITIES), 4)
    _, gain, half = _instrument(parameters)
    signal = _signal(state_BQUN, drive_BQUN)
    slope = gain * half * (1 + half) / (signal + half) ** 2
    return torch.where(_is("activity", slope), 1.0, slope) * _signal(scale_BQUN, drive_scale_BQUN)


def _in_every_modality(
    state: torch.Tensor, drive: torch.Tensor, parameters: torch.Tensor
) -> torch.Tensor:
    offset, gain, half = _instrument(parameters)
    signal = _signal(state, drive)
    seen = offset + gain * signal * (1 + half) / (signal + half)
    return torch.where(_is("activity", seen), state.unsqueeze(-1), seen)


def _instrument(parameters: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Offset, gain and half saturation."""
    offset, log_gain, saturation, _ = parameters.unbind(-1)
    return offset, torch.exp(log_gain.clamp(-3, 3)), nn.functional.softplus(saturation + 2.0)


def _signal(state: torch.Tensor, drive: torch.Tensor) -> torch.Tensor:
    """What every modality follows (…, Y)."""
    return torch.where(_is("mRNA", state), drive.unsqueeze(-1), state.unsqueeze(-1))


def _is(modality: str, like: torch.Tensor) -> torch.Tensor:
    """Which of the modalities it is (Y)."""
    return torch.tensor([m == modality for m in MODALITIES], device=like.device)


def state_scale(
    state_BQUN: torch.Tensor,
    initial_BQN: torch.Tensor,
    hours_BQU: torch.Tensor,
    gates: Gates,
) -> torch.Tensor:
    """Standard deviation of predicted states, positive (B, Q, U, N)."""
    batch, _, _, molecules = state_BQUN.shape
    coefficients = gates.scale_F4.view(batch, 1, 1, molecules, 4)
    tau = gates.tau_hours_F.view(batch, 1, 1, molecules)
    late = -torch.expm1(-hours_BQU.unsqueeze(-1) / tau)
    change = (state_BQUN - initial_BQN.unsqueeze(2)).abs()
    features = torch.stack(
        [torch.ones_like(change), late, change, state_BQUN * (1 - state_BQUN)], dim=-1
    )
    return LEAST_SCALE + (coefficients * features.clamp(min=0)).sum(-1)
