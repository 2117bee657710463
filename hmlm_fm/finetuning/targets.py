"""What gates are fitted to: activities, and values in other modalities, each with a weight.

Shapes: C conditions, T times, N molecules, V pairs of a molecule and a modality other than
activity, F = N flat molecules, Y modalities.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..fitting.member_rollout import MemberRollOut
from ..measurements.measured import Measurements
from ..model.conditions import MODALITIES
from ..model.gates import GateLogits
from ..model.observation import HALF_SATURATION, fit_instruments

ROLL_OUT_ERROR = 0.05
"""The error of a fitted roll-out on a true activity, about: better measurements add little."""
ACTIVITY_SPREAD, LEAST_SPREAD = 0.25, 0.05
"""Standard deviation of activities over conditions and times, about, to which other modalities are
scaled, since their units are arbitrary; and the least that is scaled up to it."""
# Of `Gates.observation_FY4`, for the prior half saturation.
SATURATION = math.log(math.expm1(HALF_SATURATION)) - 2.0


@dataclass(frozen=True)
class Targets:
    """Activities of all molecules, then values in other modalities.

    Attributes:
        values: (C, T, N + V) measured values.
        weight: (C, T, N + V) how much each counts, 1 where it is exact, 0 where there is none.
        unit: (N + V) the difference of values that corresponds to 1 of activity.
        molecule_V, modality_V: of the values in other modalities.
    """

    values: torch.Tensor
    weight: torch.Tensor
    unit: torch.Tensor
    molecule_V: torch.Tensor
    modality_V: torch.Tensor

    @classmethod
    def from_measurements(cls, data: Measurements) -> Targets:
        """All measurements, at the times of the data."""
        index = data.network.molecule_index
        at = {hours: t for t, hours in enumerate(data.times_hours.tolist())}
        observed = [
            (c, at[o.time_hours], (MODALITIES.index(o.modality), index[o.molecule]), o)
            for c, of_condition in enumerate(data.others)
            for o in of_condition
            if o.time_hours in at
        ]
        pairs = sorted({pair for _, _, pair, _ in observed})
        column = {pair: v for v, pair in enumerate(pairs)}
        shape = (*data.states.shape[:2], len(pairs))
        values, deviations = np.zeros(shape), np.full(shape, np.nan)
        present = np.zeros(shape, dtype=bool)
        for c, t, pair, o in observed:
            place = (c, t, column[pair])
            values[place], present[place] = o.value, True
            deviations[place] = np.nan if o.sd_value is None else o.sd_value
        modality_V = np.array([modality for modality, _ in pairs], dtype=np.int64)
        weights = [_weights(data.measured, data.sd, 1.0)]
        units = [np.ones(data.states.shape[2])]
        for modality in np.unique(modality_V):
            own = modality_V == modality
            spread = max(float(values[..., own][present[..., own]].std()), LEAST_SPREAD)
            unit = spread / ACTIVITY_SPREAD
            units.append(np.full(own.sum(), unit))
            weights.append(_weights(present[..., own], deviations[..., own], unit))
        return cls(
            torch.tensor(np.concatenate([data.states, values], 2), dtype=torch.float32),
            torch.tensor(np.concatenate(weights, 2), dtype=torch.float32),
            torch.tensor(np.concatenate(units), dtype=torch.float32),
            torch.tensor([molecule for _, molecule in pairs], dtype=torch.long),
            torch.tensor(modality_V),
        )

    @property
    def molecules(self) -> int:
        """N."""
        return self.values.shape[2] - len(self.molecule_V)

    def to(self, device: torch.device | str) -> Targets:
        return Targets(*(value.to(device) for value in vars(self).values()))

    @torch.no_grad()
    def with_instruments(self, logits: GateLogits, roll_out: MemberRollOut) -> GateLogits:
        """Logits that read every modality with the offset and the gain of its data set, fitted to
        predictions from the wiring (Ω↔).

        Args:
            logits: of the wiring.
            roll_out: of one member, all conditions and times.
        """
        observation_FY4 = logits.observation_FY4.clone()
        observation_FY4[..., :3] = torch.tensor([0.0, 0.0, SATURATION])
        plain = replace(logits, observation_FY4=observation_FY4).gates(roll_out.wiring)
        every = np.arange(len(self.values))
        expected = roll_out.read(plain, every, self.molecule_V, self.modality_V)[1][0]
        measured = self.weight[..., self.molecules :] > 0
        offset_Y, gain_Y = fit_instruments(
            self.values[..., self.molecules :][measured],
            expected[measured],
            self.modality_V.expand(measured.shape)[measured],
            len(MODALITIES),
        )
        observation_FY4[..., 0], observation_FY4[..., 1] = offset_Y, gain_Y.log()
        return replace(logits, observation_FY4=observation_FY4)


def _weights(measured: np.ndarray, sd: np.ndarray | None, unit: float) -> np.ndarray:
    """Weights of measurements relative to exact ones, by the expected variance of their errors; a
    standard deviation that is not stated counts as the median of those that are.

    Args:
        measured: where there is a measurement.
        sd: standard deviations, NaN where none is stated.
        unit: the difference of values that corresponds to 1 of activity.
    """
    if sd is None or not np.isfinite(sd[measured]).any():
        return measured.astype(float)
    stated = np.where(np.isfinite(sd), sd, np.median(sd[measured & np.isfinite(sd)])) / unit
    return measured * ROLL_OUT_ERROR**2 / (ROLL_OUT_ERROR**2 + stated**2)
