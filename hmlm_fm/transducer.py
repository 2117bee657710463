"""The information transducer T = (X, Y, S, f, g): a network that rolls its states out in time.

X are stimuli and perturbations, S the molecules' activities, f the gates and time constants that
an encoding of the network gives, g the observation of a state in a modality with its scale. A gate
has the form of the logic ODE: an interaction reaches w·∏ f over its sources, interactions on one
target are joined by OR. Where the source of a network does not tell which sources act together,
every literal may be held back by the others on its target through an inferred share in [0, 1]: 0
is OR, 1 is AND.

States follow s ← u + (s - u)·exp(-Δt/τ), exact while the drive u stands still, on a grid that is
anchored at 0 and does not depend on what is asked. Travels with checkpoints.

Shapes: B batch, N molecules, F = B · N flat molecules, Q asked conditions, R = B · Q rows,
U query times, G grid times, O single observations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from .conditions import ConditionTensors, PerturbationEffects
from .configuration_hmlm import HMLMConfig
from .gates import Gates
from .wiring import Wiring

# Activities are kept this far from 0 and 1 inside logarithms.
MARGIN = 1e-4


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
    """

    hours_RG: torch.Tensor
    state_GFQ: torch.Tensor
    drive_GFQ: torch.Tensor
    tau_hours_F: torch.Tensor
    conditions: ConditionTensors
    batch: int

    def at(self, hours_BQU: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """States and drives at query times: two tensors (B, Q, U, N)."""
        batch, asked, times = hours_BQU.shape
        molecules = self.state_GFQ.shape[1] // batch
        hours_RU = hours_BQU.reshape(batch * asked, times)
        step = torch.searchsorted(self.hours_RG.contiguous(), hours_RU.contiguous(), right=True) - 1
        step = step.clamp(0, self.hours_RG.shape[1] - 1)
        passed = hours_RU - self.hours_RG.gather(1, step)

        def read(values_GFQ: torch.Tensor) -> torch.Tensor:
            by_row = values_GFQ.unflatten(1, (batch, molecules)).permute(1, 3, 0, 2).flatten(0, 1)
            return by_row.gather(1, step.unsqueeze(-1).expand(-1, -1, molecules))

        state, drive = read(self.state_GFQ), read(self.drive_GFQ)
        tau = self.tau_hours_F.view(batch, 1, 1, molecules).expand(-1, asked, times, -1)
        tau = tau.reshape(batch * asked, times, molecules)
        state = state + (drive - state) * -torch.expm1(-passed.unsqueeze(-1) / tau)
        if self.conditions.perturbation_index_RE.shape[1]:
            held = [
                self.conditions.effects_at(hours_RU[:, u]).hold(state[:, u]) for u in range(times)
            ]
            state = torch.stack(held, dim=1)
        return state.unflatten(0, (batch, asked)), drive.unflatten(0, (batch, asked))

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
        state = state + (drive - state) * -torch.expm1(-passed / self.tau_hours_F[flat])
        return state, drive


class Transducer(nn.Module):
    """Rolls states out under conditions, from gates that were read off an encoding."""

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
                the baseline, or the inferred state at rest, stands in.
            baseline_BN, baseline_mask_BN: states at rest and where they are known.
            horizon_hours: the last time that will be asked.
        """
        batch, asked, molecules = initial_BQN.shape

        def flat(rows_RN: torch.Tensor) -> torch.Tensor:
            return rows_RN.view(batch, asked, molecules).transpose(1, 2).reshape(-1, asked)

        baseline = baseline_BN.flatten()
        known = baseline_mask_BN.flatten().bool()
        rest = torch.where(known, baseline, gates.resting_F)[:, None]
        state = torch.where(flat(initial_mask_BQN).bool(), flat(initial_BQN), rest)
        stimulated = flat(conditions.stimulated_RN)
        inputs = torch.where(stimulated, flat(conditions.stimulus_RN), gates.input_F[:, None])
        shift = self.baseline_shift(gates, wiring, baseline, known)

        hours = grid_hours(horizon_hours).to(state.device)
        hours_RG = hours.expand(batch * asked, -1)
        boundaries = conditions.boundaries_within(float(hours[-1])).to(hours)
        if boundaries.shape[1]:
            hours_RG = torch.cat([hours_RG, boundaries], dim=1).sort(dim=1).values
        perturbed = conditions.perturbation_index_RE.shape[1] > 0
        effects = self._effects(conditions, hours_RG[:, 0], flat) if perturbed else None
        if effects is not None:
            state = effects.hold(state)
        states, drives = [state], []
        steps = hours_RG.diff(dim=1)
        for g in range(steps.shape[1]):
            drive = self.drive(state, inputs, gates, wiring, effects, shift, stimulated)
            step = steps[:, g].view(batch, 1, asked).expand(-1, molecules, -1).reshape(-1, asked)
            state = state + (drive - state) * -torch.expm1(-step / gates.tau_hours_F[:, None])
            if effects is not None:
                # Nothing changes between windows: only late ones are asked again.
                if boundaries.shape[1]:
                    effects = self._effects(conditions, hours_RG[:, g + 1], flat)
                state = effects.hold(state)
            states.append(state)
            drives.append(drive)
        drives.append(self.drive(state, inputs, gates, wiring, effects, shift, stimulated))
        return RollOut(
            hours_RG, torch.stack(states), torch.stack(drives), gates.tau_hours_F, conditions, batch
        )

    @staticmethod
    def _effects(
        conditions: ConditionTensors,
        hours_R: torch.Tensor,
        flat: Callable[[torch.Tensor], torch.Tensor],
    ) -> PerturbationEffects:
        """What perturbations do at a time per row, with the axes (F, Q)."""
        effects = conditions.effects_at(hours_R)
        return PerturbationEffects(**{name: flat(value) for name, value in vars(effects).items()})

    def drive(
        self,
        state_FQ: torch.Tensor,
        input_FQ: torch.Tensor,
        gates: Gates,
        wiring: Wiring,
        effects: PerturbationEffects | None = None,
        shift_F: torch.Tensor | None = None,
        stimulated_FQ: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """What every state moves towards, in [0, 1], or up to ymax under overexpression (F, Q)."""
        passed_on = state_FQ if effects is None else state_FQ * effects.output_factor_RN
        power = passed_on[wiring.source_J].clamp(1e-6, 1.0) ** gates.n_J[:, None]
        c = gates.c_J[:, None]
        activation = (1 - c) * power / (c + (1 - 2 * c) * power)
        activates = gates.activates_J[:, None]
        factor = activates * activation + (1 - activates) * (1 - activation)
        size = len(wiring.target_I)
        log_reached = factor.new_zeros(size, factor.shape[1]).index_add(
            0, wiring.interaction_J, factor.clamp(min=MARGIN).log()
        )
        # Without partners this adds nothing, but it keeps their parameters in every process's
        # graph, as distributed training expects.
        held_back = 1 - gates.partner_X[:, None] * (1 - factor[wiring.right_X])
        log_reached = log_reached.index_add(
            0, wiring.interaction_J[wiring.left_X], held_back.clamp(min=MARGIN).log()
        )
        reached = (gates.weight_I * wiring.has_source_I)[:, None] * log_reached.exp()
        log_missed = torch.zeros_like(state_FQ).index_add(
            0, wiring.target_I, torch.log1p(-reached.clamp(max=1 - MARGIN))
        )
        drive = 1 - (1 - input_FQ) * log_missed.exp()
        if shift_F is not None:
            own = gates.input_F[:, None]
            unstimulated = 1 - (1 - own) * log_missed.exp()
            corrected = torch.sigmoid(_logit(unstimulated) + shift_F[:, None])
            # A stimulus takes the place of the molecule's own input, and is joined by OR with what
            # its regulators are known to give; without regulators it is all there is.
            regulated = wiring.any_per_molecule(wiring.target_I, wiring.has_source_I)[:, None]
            missed = ((1 - corrected) / (1 - own).clamp(min=MARGIN)).clamp(max=1)
            stimulated = 1 - (1 - input_FQ) * torch.where(regulated, missed, 1.0)
            drive = torch.where(stimulated_FQ, stimulated, corrected)  # type: ignore[arg-type]
        if effects is not None:
            drive = effects.hold(drive * effects.ymax_factor_RN)
        return drive

    def baseline_shift(
        self, gates: Gates, wiring: Wiring, baseline_F: torch.Tensor, known_F: torch.Tensor
    ) -> torch.Tensor:
        """Logit by which gates miss the known state at rest, as far as they are not trusted."""
        if not bool(known_F.any()):
            return torch.zeros_like(baseline_F)
        rest = torch.where(known_F, baseline_F, gates.resting_F)[:, None]
        drive = self.drive(rest, gates.input_F[:, None], gates, wiring)
        missed = (_logit(rest) - _logit(drive)).squeeze(1)
        return torch.where(known_F, gates.trust_F * missed, 0.0)


def _logit(x: torch.Tensor) -> torch.Tensor:
    return torch.logit(x.clamp(MARGIN, 1 - MARGIN))
