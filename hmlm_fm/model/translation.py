"""Ω↔ between modalities: what was measured in any of them, as the state or drive that it tells of.

A modality reads a signal x, the state or for mRNA the drive, as y = a + b·h(x) with a saturating
h(x) = x·(1 + H) / (x + H). Offset and gain belong to the data set and are nobody's to know, so
they are fitted, per network and modality, by ridge regression (Hoerl and Kennard, Technometrics
1970;12:55-67) of what was measured on what the wiring lets expect; then the measurement is read
backwards. Travels with checkpoints.

Shapes: O observations, Z pairs of a network and a modality.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .conditions import MODALITIES

ACTIVITY, MRNA = MODALITIES.index("activity"), MODALITIES.index("mRNA")
# What is taken for granted of an instrument before it has measured anything: half saturation H,
# offset and gain with their standard deviations, and the standard deviation of a measurement about
# the expectation of somebody who knows the wiring alone.
HALF_SATURATION = 2.7
OFFSET, OFFSET_DEVIATION = 0.1, 0.1
GAIN, GAIN_DEVIATION = 1.0, 0.5
DEVIATION = 0.15
LEAST_GAIN = 0.2
# A translated value whose error has this variance counts half as much as an activity.
HALF_TRUSTED_VARIANCE = 0.003


@dataclass
class Translated:
    """Observations in the language of states.

    Attributes:
        value_O: a state, or a drive where `is_drive_O`, in [0, 1] unless measured as activity.
        weight_O: what it is worth beside an activity, in (0, 1].
        is_drive_O: whether it tells of the drive.
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
    """Read measurements backwards.

    Args:
        value_O, modality_O: what was measured, and in which modality.
        network_O, networks: the network each belongs to, and how many there are.
        state_O, drive_O: what the wiring alone lets expect of it.
    """
    is_drive = modality_O == MRNA
    expected = torch.where(is_drive, drive_O, state_O)
    expected = expected * (1 + HALF_SATURATION) / (expected + HALF_SATURATION)
    instrument_O = network_O * len(MODALITIES) + modality_O
    instruments = networks * len(MODALITIES)
    offset_Z, gain_Z = read_instruments(value_O, expected, instrument_O, instruments)
    offset, gain = offset_Z[instrument_O], gain_Z[instrument_O]

    missed = value_O - offset - gain * expected
    count_Z = _total(torch.ones_like(expected), instrument_O, instruments)
    squared_Z = _total(missed**2, instrument_O, instruments)
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


def read_instruments(
    value_O: torch.Tensor, expected_O: torch.Tensor, instrument_O: torch.Tensor, instruments: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Offset and gain of every instrument, two (Z), from what it showed and h(x) as expected."""
    # Normal equations of the offset's and the gain's departures from what is taken for granted.
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
