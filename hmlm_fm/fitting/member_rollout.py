"""The roll-out of one network by several members at once, each with gates of its own.

Shapes: M members, C conditions, Q of them, T times, N molecules, V pairs of a molecule and a
modality.
"""

from __future__ import annotations

import numpy as np
import torch

from ..model.condition_tensors import ConditionTensors
from ..model.gates import Gates
from ..model.graph import Wiring
from ..model.observation import moved_states, observe_points
from ..model.transducer import RollOut, Transducer


class MemberRollOut:
    """Predicts conditions of one network, with the gates of every member.

    Attributes:
        wiring: of the network, once per member; gates of all members refer to it.
    """

    def __init__(
        self,
        transducer: Transducer,
        wiring: Wiring,
        members: int,
        conditions: ConditionTensors,
        times_hours: np.ndarray,
        baseline: np.ndarray,
    ) -> None:
        """
        Args:
            transducer: the module that rolls out.
            wiring: of the network alone.
            members: M.
            conditions: C rows.
            times_hours: (T) times of the predicted states, in hours.
            baseline: (N) the state at rest, NaN where it is not known.
        """
        self.transducer, self.members = transducer, members
        self.wiring = wiring.repeated(members)
        device = wiring.source_J.device
        self.conditions = conditions.mapped(lambda rows: rows.to(device))
        known = np.isfinite(baseline)
        filled = np.where(known, baseline, 0.0)
        self.baseline = torch.tensor(filled, dtype=torch.float32, device=device)
        self.known = torch.tensor(known, device=device)
        self.hours = torch.tensor(times_hours, dtype=torch.float32, device=device)

    def __call__(self, gates: Gates, chosen: np.ndarray) -> torch.Tensor:
        """States (M, Q, T, N) of some of the conditions."""
        hours = self.hours.expand(self.members, len(chosen), -1)
        return self._roll_out(gates, chosen).at(hours)[0]

    def read(
        self,
        gates: Gates,
        chosen: np.ndarray,
        molecule_V: torch.Tensor,
        modality_V: torch.Tensor,
        moved_CTN: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """States (M, Q, T, N) of some of the conditions, and values of molecules in
        modalities (M, Q, T, V).

        Args:
            moved_CTN: added to the states; see `moved_states`.
        """
        hours = self.hours.expand(self.members, len(chosen), -1)
        states, drives = self._roll_out(gates, chosen).at(hours)
        if moved_CTN is not None:
            rows = self.conditions.mapped(lambda tensor: tensor[chosen])
            times = self.hours.expand(1, len(chosen), -1)
            states = moved_states(states, moved_CTN[chosen], rows, times)
        if not len(molecule_V):
            return states, states[..., molecule_V]
        first = torch.arange(self.members, device=states.device) * states.shape[-1]
        flat = (first[:, None] + molecule_V)[:, None, None]
        values = observe_points(
            states[..., molecule_V], drives[..., molecule_V], gates, flat, modality_V
        )
        return states, values

    def _roll_out(self, gates: Gates, chosen: np.ndarray) -> RollOut:
        rows = self.conditions.mapped(lambda tensor: torch.cat([tensor[chosen]] * self.members))
        shape = (self.members, len(chosen), -1)
        baseline = self.baseline.expand(self.members, -1)
        known = self.known.expand(self.members, -1)
        return self.transducer(
            gates,
            self.wiring,
            rows,
            baseline[:, None].expand(shape),
            known[:, None].expand(shape),
            baseline,
            known,
            float(self.hours.max()),
        )
