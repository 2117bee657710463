"""g of the information transducer: a state read in each modality, with its scale, and back.

A modality reads a signal x, the state or for mRNA the drive, as y = a + b·h(x) with a saturating
h(x) = x·(1 + H) / (x + H). Offset and gain belong to the data set and are unknown, so they are
fitted, per network and modality, by ridge regression (Hoerl and Kennard, Technometrics
1970;12:55-67) of the measurements on predictions from the wiring; then measurements are translated
back into states (Ω↔).

Travels with checkpoints. Shapes: B batch, N molecules, F = B · N flat molecules, Q query
conditions, U query times, S observed times, Y modalities, O single observations, Z pairs of a
network and a modality.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from .condition_tensors import ConditionTensors, perturbed_at
from .conditions import MODALITIES
from .gates import Gates
from .smoothing import smoothing_correction

ACTIVITY, MRNA = MODALITIES.index("activity"), MODALITIES.index("mRNA")
# The prior of an instrument: half saturation H, offset and gain with their standard deviations, and
# the standard deviation of a measurement about the prediction from the wiring alone.
HALF_SATURATION = 2.7
OFFSET, OFFSET_DEVIATION = 0.1, 0.1
GAIN, GAIN_DEVIATION = 1.0, 0.5
DEVIATION = 0.15
LEAST_GAIN = 0.2
# A translated value whose error has this variance counts half as much as an activity.
HALF_TRUSTED_VARIANCE = 0.003


@dataclass
class Translated:
    """Observations translated into states.

    Attributes:
        value_O: a state, or a drive where `is_drive_O`, in [0, 1] unless measured as activity.
        weight_O: its weight relative to an activity, in (0, 1].
        is_drive_O: whether it is of the drive.
    """

    value_O: torch.Tensor
    weight_O: torch.Tensor
    is_drive_O: torch.Tensor


def translate(
    value_O: torch.Tensor,
    modality_O: torch.Tensor,
    network_O: torch.Tensor,
    networks: int,
    state_O: torch.Tensor,
    drive_O: torch.Tensor,
) -> Translated:
    """Measurements translated into states or drives, by fitted instruments.

    Args:
        value_O, modality_O: measured values, and their modalities.
        network_O, networks: the network each belongs to, and how many there are.
        state_O, drive_O: predictions from the wiring alone.
    """
    is_drive = modality_O == MRNA
    expected = torch.where(is_drive, drive_O, state_O)
    expected = expected * (1 + HALF_SATURATION) / (expected + HALF_SATURATION)
    instrument_O = network_O * len(MODALITIES) + modality_O
    instruments = networks * len(MODALITIES)
    offset_Z, gain_Z = fit_instruments(value_O, expected, instrument_O, instruments)
    offset, gain = offset_Z[instrument_O], gain_Z[instrument_O]

    error = value_O - offset - gain * expected
    count_Z = _total(torch.ones_like(expected), instrument_O, instruments)
    squared_Z = _total(error**2, instrument_O, instruments)
    variance = (squared_Z / count_Z.clamp(min=1))[instrument_O] / gain**2
    saturated = ((value_O - offset) / gain).clamp(0, 1)
    signal = saturated * HALF_SATURATION / (1 + HALF_SATURATION - saturated)
    is_state = modality_O == ACTIVITY
    return Translated(
        value_O=torch.where(is_state, value_O, signal),
        weight_O=torch.where(
            is_state, 1.0, HALF_TRUSTED_VARIANCE / (HALF_TRUSTED_VARIANCE + variance)
        ),
        is_drive_O=is_drive,
    )


def fit_instruments(
    value_O: torch.Tensor, expected_O: torch.Tensor, instrument_O: torch.Tensor, instruments: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Offset and gain of every instrument, two (Z), from its values and the predicted h(x)."""
    # Normal equations of the departures of offset and gain from their prior means.
    residual = value_O - OFFSET - GAIN * expected_O

    def total(values_O: torch.Tensor) -> torch.Tensor:
        return _total(values_O, instrument_O, instruments)

    count_Z, mean_Z = total(torch.ones_like(expected_O)), total(expected_O)
    ones_Z = count_Z + (DEVIATION / OFFSET_DEVIATION) ** 2
    squares_Z = total(expected_O**2) + (DEVIATION / GAIN_DEVIATION) ** 2
    first_Z, second_Z = total(residual), total(expected_O * residual)
    determinant_Z = ones_Z * squares_Z - mean_Z**2
    offset_Z = OFFSET + (squares_Z * first_Z - mean_Z * second_Z) / determinant_Z
    gain_Z = GAIN + (ones_Z * second_Z - mean_Z * first_Z) / determinant_Z
    return offset_Z, gain_Z.clamp(min=LEAST_GAIN)


def _total(values_O: torch.Tensor, instrument_O: torch.Tensor, instruments: int) -> torch.Tensor:
    """Sums over the observations of each instrument (Z)."""
    return values_O.new_zeros(instruments).index_add(0, instrument_O, values_O)


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
    """States of a roll-out and, where they are given, their standard deviations, corrected by
    observations of the query conditions themselves; two (B, Q, U, N).

    States that a perturbation holds stay exact, whatever was measured: see `moved_states`.

    Args:
        residual_BQSN, observed_BQSN: observations less the roll-out, and where there is any.
        conditions: B · Q rows.
        anchored_BQN, smoothing_F2: as in `smoothing_correction`.
    """
    observed_hours = observed_hours_BQS.unsqueeze(-1).expand_as(residual_BQSN)
    released = conditions.released_by(observed_hours)
    # Where the state is known exactly, a residual is noise alone.
    at_start = anchored_BQN.bool().unsqueeze(2) & (observed_hours <= 0)
    known = at_start | (released > 0) & (observed_hours <= released)
    is_held, _ = perturbed_at(conditions, observed_hours_BQS)
    correction, scale = smoothing_correction(
        residual_BQSN,
        observed_BQSN.bool() & ~is_held & ~known,
        observed_hours,
        released,
        anchored_BQN,
        hours_BQU,
        conditions.released_by(hours_BQU.unsqueeze(-1).expand_as(states_BQUN)),
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

    States that a perturbation holds stay; a state above a lowered ymax falls with its own time
    constant.

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


def scale_in_modalities(
    scale_BQUN: torch.Tensor,
    drive_scale_BQUN: torch.Tensor,
    state_BQUN: torch.Tensor,
    drive_BQUN: torch.Tensor,
    gates: Gates,
) -> torch.Tensor:
    """Standard deviations of a state and its drive, converted into every modality by the slopes of
    the instruments (B, Q, U, N, Y)."""
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
    value = offset + gain * signal * (1 + half) / (signal + half)
    return torch.where(_is("activity", value), state.unsqueeze(-1), value)


def _instrument(parameters: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Offset, gain and half saturation."""
    offset, log_gain, saturation, _ = parameters.unbind(-1)
    return offset, torch.exp(log_gain.clamp(-3, 3)), nn.functional.softplus(saturation + 2.0)


def _signal(state: torch.Tensor, drive: torch.Tensor) -> torch.Tensor:
    """The state, or for mRNA the drive, that every modality reads (…, Y)."""
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
