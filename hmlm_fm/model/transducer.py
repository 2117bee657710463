"""The information transducer T = (X, Y, S, f, g): a network that rolls its states out in time.

X are stimuli and perturbations, S the molecules' activities, f the gates and time constants that
an encoding of the network gives, g the observation of a state in a modality with its scale.

States follow s ← u + (s - u)·exp(-Δt/τ), exact while the drive u stands still, on a grid that is
anchored at 0 and does not depend on what is asked. Travels with checkpoints.

Shapes: B batch, N molecules, F = B · N flat molecules, Q asked conditions, R = B · Q rows,
U query times, G grid times, O single observations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from .conditions import ConditionTensors
from .configuration_hmlm import HMLMConfig
from .drive import Drive, baseline_shift, state_at_rest
from .gates import Gates
from .wiring import Wiring


def grid_hours(horizon_hours: float) -> torch.Tensor:
    """Times at which drives are renewed, from 0 to at least the horizon: the one grid of the model.

    Quarter hours up to 2 h, half hours up to 6 h, hours up to 48 h, then 2 h: fast cascades follow
    a stimulus at the start, slow expression later.
    """
    times = [0.0]
    while times[-1] < horizon_hours:
        now = times[-1]
        times.append(now + (0.25 if now < 2 else 0.5 if now < 6 else 1.0 if now < 48 else 2.0))
    return torch.tensor(times)


@dataclass
class RollOut:
    """States and drives of a roll-out at its grid times, to be read at any time.

    Attributes:
        hours_RG: grid times of every row, those of its own windows included.
        state_GFQ, drive_GFQ: at each grid time.
        tau_hours_F: time constants.
        rest_F: the state at rest, from which conditions start unless more is known.
        batch: B.
    """

    hours_RG: torch.Tensor
    state_GFQ: torch.Tensor
    drive_GFQ: torch.Tensor
    tau_hours_F: torch.Tensor
    rest_F: torch.Tensor
    batch: int

    def at(self, hours_BQU: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """States and drives at query times: two tensors (B, Q, U, N)."""
        batch, asked, _ = hours_BQU.shape
        hours_RU = hours_BQU.flatten(0, 1)
        step_RU = torch.searchsorted(self.hours_RG.contiguous(), hours_RU.contiguous(), right=True)
        step_RU = (step_RU - 1).clamp(0, self.hours_RG.shape[1] - 1)

        def by_row(value_RU: torch.Tensor) -> torch.Tensor:
            return value_RU.T.unflatten(1, (batch, 1, asked))

        tau = self.tau_hours_F.view(batch, -1, 1)
        place = by_row(step_RU).expand(-1, -1, tau.shape[1], -1).flatten(1, 2)
        state, drive = self.state_GFQ.gather(0, place), self.drive_GFQ.gather(0, place)
        # A held molecule's drive is its value, and windows begin at grid times: it stays.
        passed = by_row(hours_RU - self.hours_RG.gather(1, step_RU)) / tau
        state = torch.lerp(state, drive, -torch.expm1(-passed).flatten(1, 2))

        def of_rows(value_UFQ: torch.Tensor) -> torch.Tensor:
            return value_UFQ.unflatten(1, (batch, -1)).permute(1, 3, 0, 2)

        return of_rows(state), of_rows(drive)

    def at_points(
        self,
        row_O: torch.Tensor,
        asked_O: torch.Tensor,
        molecule_O: torch.Tensor,
        hours_O: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """State and drive of single molecules at single times: two (O)."""
        asked = self.state_GFQ.shape[2]
        flat = row_O * (self.state_GFQ.shape[1] // self.batch) + molecule_O
        hours_OG = self.hours_RG[row_O * asked + asked_O].contiguous()
        step = torch.searchsorted(hours_OG, hours_O[:, None].contiguous(), right=True) - 1
        step = step.clamp(0, hours_OG.shape[1] - 1)
        passed = hours_O - hours_OG.gather(1, step).squeeze(1)
        state = self.state_GFQ[step.squeeze(1), flat, asked_O]
        drive = self.drive_GFQ[step.squeeze(1), flat, asked_O]
        return torch.lerp(state, drive, -torch.expm1(-passed / self.tau_hours_F[flat])), drive


class Transducer(nn.Module):
    """Rolls states out under conditions, from gates that were read off an encoding.

    Where nobody knows the state at rest, it is searched for in evaluation mode; in training mode
    the gates' guess, from which the search begins, is learned by being taken as it is.
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config

    def forward(
        self,
        gates: Gates,
        wiring: Wiring,
        conditions: ConditionTensors,
        initial_BQN: torch.Tensor,
        initial_mask_BQN: torch.Tensor,
        baseline_BN: torch.Tensor,
        baseline_mask_BN: torch.Tensor,
        horizon_hours: float,
    ) -> RollOut:
        """States from time 0 to the horizon.

        Args:
            gates, wiring: of the networks.
            conditions: B · Q rows.
            initial_BQN, initial_mask_BQN: states at time 0 and where they are known; elsewhere
                the baseline, or the state at rest of the gates, stands in.
            baseline_BN, baseline_mask_BN: states at rest and where they are known.
            horizon_hours: the last time that will be asked.
        """
        batch, asked, molecules = initial_BQN.shape

        def flat(rows_RN: torch.Tensor) -> torch.Tensor:
            return rows_RN.view(batch, asked, molecules).transpose(1, 2).reshape(-1, asked)

        baseline = baseline_BN.flatten()
        known = baseline_mask_BN.flatten().bool()
        rest = torch.where(known, baseline, gates.resting_F)
        if not self.training:
            rest = state_at_rest(gates, wiring, rest, known)
        state = torch.where(flat(initial_mask_BQN).bool(), flat(initial_BQN), rest[:, None])
        state = state.to(gates.tau_hours_F)
        stimulated = flat(conditions.stimulated_RN)
        inputs = torch.where(stimulated, flat(conditions.stimulus_RN), gates.input_F[:, None])
        shift = baseline_shift(gates, wiring, rest, known)
        drive_of = Drive(gates, wiring, inputs, shift, stimulated)

        hours = grid_hours(horizon_hours).to(state.device)
        boundaries = conditions.boundaries_within(float(hours[-1])).to(hours)
        hours_RG, step_GBQ = hours.expand(batch * asked, -1), hours.diff().view(-1, 1, 1)
        if boundaries.shape[1]:
            hours_RG = torch.cat([hours_RG, boundaries], dim=1).sort(dim=1).values
            step_GBQ = hours_RG.diff().T.unflatten(1, (batch, asked))
        tau = gates.tau_hours_F.view(batch, molecules, 1)
        # How much of the way to its drive a state goes in each step.
        passed_GFQ = -torch.expm1(-step_GBQ.unsqueeze(2) / tau).flatten(1, 2)
        perturbed = conditions.perturbation_index_RE.shape[1] > 0
        effects = conditions.effects_at(hours_RG[:, 0]).mapped(flat) if perturbed else None
        if effects is not None:
            state = effects.hold(state)
        states, drives = [state], []
        for g, passed in enumerate(passed_GFQ.unbind(), start=1):
            drive = drive_of(state, effects)
            state = torch.lerp(state, drive, passed)
            # Nothing changes between windows: a held state stays, and only late ones are asked
            # again.
            if effects is not None and boundaries.shape[1]:
                effects = conditions.effects_at(hours_RG[:, g]).mapped(flat)
                state = effects.hold(state)
            states.append(state)
            drives.append(drive)
        drives.append(drive_of(state, effects))
        return RollOut(
            hours_RG, torch.stack(states), torch.stack(drives), gates.tau_hours_F, rest, batch
        )
