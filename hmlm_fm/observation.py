"""g of the information transducer: what is seen of a state, with its scale, and what was seen says.

Travels with checkpoints. Shapes: B batch, N molecules, F = B · N flat molecules, Q asked
conditions, U query times, S observed times, Y modalities, O single observations.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from .batch_graph import perturbed_at
from .conditions import MODALITIES, ConditionTensors
from .gates import Gates

# The correction averages over lengths and noises about those that the network infers, and over
# what a molecule alone and all molecules together say of them.
LENGTH_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
NOISE_FACTORS = (0.002, 0.05, 1.0, 20.0)
POOLED_MOLECULES = 8.0
LEAST_RESIDUAL = 1e-3
# Standard deviations are not below the first, and variances that residuals leave not below a share.
LEAST_SCALE, LEAST_LEFT = 1e-3, 1e-6


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
    parameters = smoothing_F2.view(batch, 1, molecules, 2).double()
    inferred_length = 8.0 * torch.exp(parameters[..., 0].clamp(-3, 3))[..., None]
    inferred_noise = 0.05 * torch.exp(parameters[..., 1].clamp(-5, 5))[..., None]

    def by_molecule(values_BQSN: torch.Tensor) -> torch.Tensor:
        # Smooth processes leave Gram matrices that single precision cannot factor.
        return values_BQSN.double().transpose(2, 3)

    def kernel(apart: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        scaled = math.sqrt(5) * apart.abs() / length
        return (1 + scaled + scaled**2 / 3) * torch.exp(-scaled)

    def covariance(
        a: torch.Tensor,
        a_since: torch.Tensor,
        b: torch.Tensor,
        b_since: torch.Tensor,
        length: torch.Tensor,
    ) -> torch.Tensor:
        """Between times (B, Q, N, T) and (B, Q, N, S), given an error of 0 at the anchors."""
        free = kernel(a[..., :, None] - b[..., None, :], length[..., None])
        known = (
            kernel(a - a_since, length)[..., :, None] * kernel(b - b_since, length)[..., None, :]
        )
        anchored = anchored_BQN.bool()[..., None, None] | (a_since > 0)[..., :, None]
        together = a_since[..., :, None] == b_since[..., None, :]
        return torch.where(anchored, free - known, free) * together

    seen = by_molecule(observed_BQSN)
    hours, since = by_molecule(observed_hours_BQSN), by_molecule(observed_since_BQSN)
    asked_hours = hours_BQU.double().unsqueeze(2).expand(-1, -1, molecules, -1)
    asked_since = by_molecule(since_BQUN)
    residual = (by_molecule(residual_BQSN) * seen).unsqueeze(-1)
    both = seen[..., :, None] * seen[..., None, :]
    unit = torch.eye(seen.shape[-1], device=seen.device, dtype=seen.dtype)
    count = seen.sum(-1)
    means, evidences, left = [], [], []
    for length_factor in LENGTH_FACTORS:
        length = inferred_length * length_factor
        # An unobserved time is cut off from the others and has no residual, so it says nothing.
        free_of_noise = covariance(hours, since, hours, since, length) * both + unit * (1 - both)
        across = covariance(asked_hours, asked_since, hours, since, length) * seen[..., None, :]
        if scale_BQUN is not None:
            alone = kernel(asked_hours - asked_since, length) ** 2
            anchored = anchored_BQN.bool()[..., None] | (asked_since > 0)
            before = torch.where(anchored, 1 - alone, 1.0)
        for noise_factor in NOISE_FACTORS:
            noise = inferred_noise * noise_factor + 1e-6
            factor = torch.linalg.cholesky(free_of_noise + unit * (noise * seen)[..., None])
            solved = torch.cholesky_solve(residual, factor)
            means.append((across @ solved).squeeze(-1))
            if scale_BQUN is not None:
                told = (across.mT * torch.cholesky_solve(across.mT, factor)).sum(-2)
                # Where the state is known nothing is left before either.
                left.append(1 - told / before.clamp(min=1e-12))
            size = (residual * solved).sum((-2, -1))
            evidence = -0.5 * (count + 1) * torch.log(size + LEAST_RESIDUAL**2)
            evidence = evidence - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
            evidences.append(torch.where(count > 0, evidence, 0.0))
    evidence = torch.stack(evidences)
    informed = (count > 0).sum(-1, keepdim=True).clamp(min=1)
    pooled = evidence.sum(-1, keepdim=True) / informed
    weight = torch.softmax(evidence + POOLED_MOLECULES * pooled, dim=0)
    weight, each = weight.unsqueeze(-1), torch.stack(means)
    mean = (weight * each).sum(0)

    def of_states(values_BQNU: torch.Tensor) -> torch.Tensor:
        return values_BQNU.transpose(2, 3).to(residual_BQSN)

    if scale_BQUN is None:
        return of_states(mean), None
    share = (weight * torch.stack(left)).sum(0).clamp(LEAST_LEFT, 1.0)
    apart = (weight * (each - mean) ** 2).sum(0)
    return of_states(mean), (scale_BQUN**2 * of_states(share) + of_states(apart)).sqrt()


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

    What a perturbation holds stays exact, whatever was measured; a state that is still above a
    lowered ymax comes down at its own pace.

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
    held, ymax = perturbed_at(conditions, hours_BQU)
    highest = torch.maximum(states_BQUN, ymax)
    corrected = torch.minimum((states_BQUN + correction).clamp(min=0), highest)
    if scale is not None:
        scale = scale.clamp(min=LEAST_SCALE)
    return torch.where(held, states_BQUN, corrected), scale


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
