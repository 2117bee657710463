"""What every state of the information transducer moves towards: its gates at work.

A gate has the form of the logic ODE (Kraeutler et al., BMC Syst Biol 2010;4:157): an interaction
reaches w·∏ f over its sources, f being a normalised Hill function; interactions on one target are
joined by OR. Where the source of a network does not tell which sources act together, every literal
may be held back by the others on its target through an inferred share in [0, 1]: 0 is OR, 1 is AND.

A roll-out asks for drives at every step, and a fit goes through thousands of roll-outs: whatever
does not depend on states is worked out once. Travels with checkpoints.

Shapes: B batch, N molecules, F = B · N flat molecules, Q asked conditions, J literals and I
interactions of the whole batch, X partners, K literals and then partners.
"""

from __future__ import annotations

import torch

from .conditions import PerturbationEffects
from .gates import Gates
from .wiring import Wiring

# Activities are kept this far from 0 and 1 inside logarithms.
MARGIN = 1e-4
LEAST_ACTIVITY = 1e-6
REST_STEPS, STILL, LEARNED_STEPS = 500, 1e-6, 16
"""Of the search for the state at rest: at most, how little states move where it ends, and how many
steps more gradients go through."""


class Drive:
    """What states move towards under gates and inputs, in [0, 1] (F, Q)."""

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
            stimulated_FQ: where an input is a stimulus; told wherever there is a shift.
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
    """What gates keep of themselves while nothing is done, beside what is known of it (F).

    From a guess, all that is not known goes half of the way to its drive in every
    step, as in a roll-out with one time constant for all, until its network does not move any more:
    from there an untouched condition stands still. Feedback that does not come to rest is left
    where it is after `REST_STEPS`. Gradients go through the last `LEARNED_STEPS`.

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
            # What a network finds does not depend on those beside it.
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
    """Logit by which gates miss the known state at rest, as far as they are not trusted (F).

    Args:
        rest_F: states at rest; `known_F`: where they are known, and not what gates take them for.
    """
    if not bool(known_F.any()):
        return torch.zeros_like(rest_F)
    rest = rest_F.to(gates.resting_F)[:, None]
    drive = Drive(gates, wiring, gates.input_F[:, None])(rest)
    missed = (torch.logit(rest, MARGIN) - torch.logit(drive, MARGIN)).squeeze(1)
    return torch.where(known_F, gates.trust_F * missed, 0.0)
