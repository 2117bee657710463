"""The information transducer T = (X, Y, S, f, g): a network that rolls its states out in time.

X are stimuli and perturbations, S the molecules' activities, f the gates and time constants that
an encoding of the network gives, g the observation of a state in a modality with its scale.

A gate has the form of the logic ODE (Kraeutler et al., BMC Syst Biol 2010;4:157): an interaction
reaches w·∏ f over its sources, f being a normalised Hill function; interactions on one target are
joined by OR. Where the source of a network does not state which sources act together, every literal
may be held back by the others on its target through an inferred share in [0, 1]: 0 is OR, 1 is AND.
States follow s ← u + (s - u)·exp(-Δt/τ), exact while the drive u stands still, on a grid that is
anchored at 0 and does not depend on the query times.

A fit goes through thousands of roll-outs, each with a drive at every step: whatever does not depend
on states is computed once. Travels with checkpoints.

Shapes: B batch, N molecules, F = B · N flat molecules, Q query conditions, R = B · Q rows,
U query times, G grid times, O single observations, J literals and I interactions of the whole
batch, X partners, K literals and then partners.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from .condition_tensors import ConditionTensors, PerturbationEffects
from .configuration_hmlm import HMLMConfig
from .gates import Gates
from .graph import Wiring

# Activities are kept this far from 0 and 1 inside logarithms.
MARGIN = 1e-4
LEAST_ACTIVITY = 1e-6
REST_STEPS, STILL, LEARNED_STEPS = 500, 1e-6, 16
"""Of the search for the state at rest: at most, how little states move where it ends, and how many
steps more gradients go through."""


class Drive:
    """Drives, which states move towards, under gates and inputs, in [0, 1] (F, Q)."""

    def __init__(
        self,
        gates: Gates,
        wiring: Wiring,
        input_FQ: torch.Tensor,
        shift_F: torch.Tensor | None = None,
        stimulated_FQ: torch.Tensor | None = None,
    ) -> None:
        """
        Args:
            gates, wiring: of the networks.
            input_FQ: levels of the molecules' inputs, stimuli included.
            shift_F: logits from `baseline_shift`, which correct drives; with `stimulated_FQ`.
            stimulated_FQ: where an input is a stimulus; given wherever there is a shift.
        """
        self.wiring = wiring
        c, activates = gates.c_J[:, None], gates.activates_J[:, None]
        self.n_J1, self.c_J1, self.rest_J1 = gates.n_J[:, None], c, 1 - 2 * c
        # Of a literal: 1 - a + (2a - 1)·f, with a = 1 for an activator and 0 for an inhibitor.
        self.least_J1, self.gain_J1 = 1 - activates, (2 * activates - 1) * (1 - c)
        self.share_X1 = gates.partner_X[:, None]
        self.free_X1 = 1 - self.share_X1
        self.interaction_K = torch.cat([wiring.interaction_J, wiring.interaction_J[wiring.left_X]])
        self.weight_I1 = -(gates.weight_I * wiring.has_source_I)[:, None]
        self.none_I1 = input_FQ.new_zeros(len(wiring.target_I), 1)
        self.none_F1 = input_FQ.new_zeros(len(input_FQ), 1)
        self.missed_by_input_FQ = 1 - input_FQ
        self.shift_F1 = None
        if shift_F is not None:
            assert stimulated_FQ is not None
            # A stimulus takes the place of the molecule's own input, and is joined by OR with what
            # its regulators are known to give; without regulators it is all there is.
            regulated = wiring.any_per_molecule(wiring.target_I, wiring.has_source_I)[:, None]
            self.shift_F1 = shift_F[:, None]
            self.missed_by_own_F1 = 1 - gates.input_F[:, None]
            replaced = 1 / self.missed_by_own_F1.clamp(min=MARGIN)
            self.replaced_FQ = torch.where(stimulated_FQ, replaced, 1.0)
            self.least_FQ = (stimulated_FQ & ~regulated).to(input_FQ)
            self.missed_by_input_FQ = torch.where(stimulated_FQ, self.missed_by_input_FQ, 1.0)

    def __call__(
        self, state_FQ: torch.Tensor, effects: PerturbationEffects | None = None
    ) -> torch.Tensor:
        """The drive at some states, above 1 only under overexpression; `effects` as (F, Q)."""
        if effects is not None:
            state_FQ = state_FQ * effects.output_factor_RN
        log_missed = self._log_missed(state_FQ)
        if self.shift_F1 is None:
            drive = 1 - self.missed_by_input_FQ * log_missed.exp()
        else:
            missed = self.missed_by_own_F1 * log_missed.exp()
            missed = torch.sigmoid(torch.logit(missed, MARGIN) - self.shift_F1)
            missed = torch.maximum((missed * self.replaced_FQ).clamp(max=1), self.least_FQ)
            drive = 1 - self.missed_by_input_FQ * missed
        return drive if effects is None else effects.hold(drive * effects.ymax_factor_RN)

    def _log_missed(self, state_FQ: torch.Tensor) -> torch.Tensor:
        """log ∏ (1 - reached) over the interactions on each molecule."""
        log_state = state_FQ.clamp(LEAST_ACTIVITY, 1.0).log()
        power = (log_state.index_select(0, self.wiring.source_J) * self.n_J1).exp()
        hill = power / torch.addcmul(self.c_J1, self.rest_J1, power)
        factor = torch.addcmul(self.least_J1, self.gain_J1, hill)
        # Without partners this adds nothing, but it keeps their parameters in every process's
        # graph, as distributed training expects.
        right = factor.index_select(0, self.wiring.right_X)
        held_back = torch.addcmul(self.free_X1, self.share_X1, right)
        log_factor = torch.cat([factor, held_back]).clamp(min=MARGIN).log()
        columns = state_FQ.shape[1]
        log_reached = self.none_I1.expand(-1, columns).index_add(0, self.interaction_K, log_factor)
        missed = (log_reached.exp() * self.weight_I1).clamp(min=MARGIN - 1).log1p()
        return self.none_F1.expand(-1, columns).index_add(0, self.wiring.target_I, missed)


def state_at_rest(
    gates: Gates, wiring: Wiring, guess_F: torch.Tensor, known_F: torch.Tensor
) -> torch.Tensor:
    """The state at rest of gates, with known states held (F).

    From a guess, unknown states go half of the way to their drives in every step, as in a roll-out
    with one time constant for all, until no state of their network moves: from there a condition
    without treatment stands still. Feedback that does not come to rest is left where it is after
    `REST_STEPS`. Gradients go through the last `LEARNED_STEPS`.

    Args:
        guess_F, known_F: states at rest and where they are known; these are held.
    """
    guess = guess_F.to(gates.resting_F)[:, None]
    if bool(known_F.all()):
        return guess.squeeze(1)
    drive_of = Drive(gates, wiring, gates.input_F[:, None])
    held = known_F[:, None]

    def closer(state: torch.Tensor) -> torch.Tensor:
        return torch.where(held, state, torch.lerp(state, drive_of(state), 0.5))

    with torch.no_grad():
        found = guess.detach()
        moving_B1 = torch.ones(wiring.batch, 1, dtype=torch.bool, device=found.device)
        for _ in range(REST_STEPS):
            after = closer(found)
            moved_BN = (after - found).view(wiring.batch, -1).abs()
            # The state of a network does not depend on the others of its batch.
            moving = moving_B1.expand_as(moved_BN).reshape(-1, 1)
            found = torch.where(moving, after, found)
            moving_B1 = moving_B1 & (moved_BN.amax(1, keepdim=True) > STILL)
            if not bool(moving_B1.any()):
                break
    state = torch.where(held, guess, found)
    for _ in range(LEARNED_STEPS):
        state = closer(state)
    return state.squeeze(1)


def baseline_shift(
    gates: Gates, wiring: Wiring, rest_F: torch.Tensor, known_F: torch.Tensor
) -> torch.Tensor:
    """Logits by which drives are corrected towards the known state at rest, times its trust (F).

    Args:
        rest_F: states at rest; `known_F`: where they are known, and not inferred from gates.
    """
    if not bool(known_F.any()):
        return torch.zeros_like(rest_F)
    rest = rest_F.to(gates.resting_F)[:, None]
    drive = Drive(gates, wiring, gates.input_F[:, None])(rest)
    difference = (torch.logit(rest, MARGIN) - torch.logit(drive, MARGIN)).squeeze(1)
    return torch.where(known_F, gates.trust_F * difference, 0.0)


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
    """States and drives of a roll-out at its grid times, to be evaluated at any time.

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
        batch, queries, _ = hours_BQU.shape
        hours_RU = hours_BQU.flatten(0, 1)
        step_RU = torch.searchsorted(self.hours_RG.contiguous(), hours_RU.contiguous(), right=True)
        step_RU = (step_RU - 1).clamp(0, self.hours_RG.shape[1] - 1)

        def by_row(value_RU: torch.Tensor) -> torch.Tensor:
            return value_RU.T.unflatten(1, (batch, 1, queries))

        tau = self.tau_hours_F.view(batch, -1, 1)
        place = by_row(step_RU).expand(-1, -1, tau.shape[1], -1).flatten(1, 2)
        state, drive = self.state_GFQ.gather(0, place), self.drive_GFQ.gather(0, place)
        # A held molecule's drive is its value, and windows begin at grid times: it stays.
        passed = by_row(hours_RU - self.hours_RG.gather(1, step_RU)) / tau
        state = torch.lerp(state, drive, -torch.expm1(-passed).flatten(1, 2))

        def by_query(value_UFQ: torch.Tensor) -> torch.Tensor:
            return value_UFQ.unflatten(1, (batch, -1)).permute(1, 3, 0, 2)

        return by_query(state), by_query(drive)

    def at_points(
        self,
        row_O: torch.Tensor,
        query_O: torch.Tensor,
        molecule_O: torch.Tensor,
        hours_O: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """State and drive of single molecules at single times: two (O)."""
        queries = self.state_GFQ.shape[2]
        flat = row_O * (self.state_GFQ.shape[1] // self.batch) + molecule_O
        hours_OG = self.hours_RG[row_O * queries + query_O].contiguous()
        step = torch.searchsorted(hours_OG, hours_O[:, None].contiguous(), right=True) - 1
        step = step.clamp(0, hours_OG.shape[1] - 1)
        passed = hours_O - hours_OG.gather(1, step).squeeze(1)
        state = self.state_GFQ[step.squeeze(1), flat, query_O]
        drive = self.drive_GFQ[step.squeeze(1), flat, query_O]
        return torch.lerp(state, drive, -torch.expm1(-passed / self.tau_hours_F[flat])), drive


class Transducer(nn.Module):
    """Rolls states out under conditions, from gates that were read off an encoding.

    Where the state at rest is not known, it is searched for in evaluation mode; in training mode
    the gates' guess, from which the search begins, is used as it is, so that it is learned.
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
            horizon_hours: the last query time.
        """
        batch, queries, molecules = initial_BQN.shape

        def flat(rows_RN: torch.Tensor) -> torch.Tensor:
            return rows_RN.view(batch, queries, molecules).transpose(1, 2).reshape(-1, queries)

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
        hours_RG, step_GBQ, has_windows = _grid_of_rows(
            conditions, grid_hours(horizon_hours).to(state.device), batch, queries
        )
        tau = gates.tau_hours_F.view(batch, molecules, 1)
        # How much of the way to its drive a state goes in each step.
        passed_GFQ = -torch.expm1(-step_GBQ.unsqueeze(2) / tau).flatten(1, 2)
        perturbed = conditions.perturbation_index_RE.shape[1] > 0

        def effects_at(g: int) -> PerturbationEffects:
            return conditions.effects_at(hours_RG[:, g]).mapped(flat)

        state_GFQ, drive_GFQ = _follow_drives(
            state, drive_of, passed_GFQ, effects_at if perturbed else None, has_windows
        )
        return RollOut(hours_RG, state_GFQ, drive_GFQ, gates.tau_hours_F, rest, batch)


def _follow_drives(
    state_FQ: torch.Tensor,
    drive_of: Drive,
    passed_GFQ: torch.Tensor,
    effects_at: Callable[[int], PerturbationEffects] | None,
    has_windows: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """States and drives at every grid time, from the states at the first: two (G, F, Q).

    Args:
        passed_GFQ: how much of the way to its drive a state goes in each step.
        effects_at: effects of perturbations at a grid time, with the axes (F, Q); None without
            perturbations.
        has_windows: whether they change in time.
    """
    effects = effects_at(0) if effects_at is not None else None
    state = effects.hold(state_FQ) if effects is not None else state_FQ
    states, drives = [state], []
    for g, passed in enumerate(passed_GFQ.unbind(), start=1):
        drive = drive_of(state, effects)
        state = torch.lerp(state, drive, passed)
        # Nothing changes between windows: a held state stays.
        if effects_at is not None and has_windows:
            effects = effects_at(g)
            state = effects.hold(state)
        states.append(state)
        drives.append(drive)
    drives.append(drive_of(state, effects))
    return torch.stack(states), torch.stack(drives)


def _grid_of_rows(
    conditions: ConditionTensors, hours_G: torch.Tensor, batch: int, queries: int
) -> tuple[torch.Tensor, torch.Tensor, bool]:
    """The grid times of every row (R, G), the ends of its own windows among them, the steps between
    (G, B or 1, Q or 1), and whether there are windows."""
    hours_RG, step_GBQ = hours_G.expand(batch * queries, -1), hours_G.diff().view(-1, 1, 1)
    boundaries = conditions.boundaries_within(float(hours_G[-1])).to(hours_G)
    if not boundaries.shape[1]:
        return hours_RG, step_GBQ, False
    hours_RG = torch.cat([hours_RG, boundaries], dim=1).sort(dim=1).values
    return hours_RG, hours_RG.diff().T.unflatten(1, (batch, queries)), True
