"""Observations of a context, laid out as evidence about every molecule's own gate.

A roll-out is corrected by observations (smoothing), which gives estimates of every molecule's
inputs at all times. Then each molecule's own equation is solved with these inputs, separately from
all others. Travels with checkpoints.

Shapes: B batch, C conditions, N molecules, F = B · N flat molecules, G times of the inference grid,
K = C · G columns, S observed times, O observations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .condition_tensors import (
    ConditionTensors,
    PerturbationEffects,
    condition_rows,
    values_and_mask,
)
from .fields import Fields
from .gates import Gates
from .graph import Wiring, rank_within
from .observation import ACTIVITY, Translated, observe_points, translate
from .smoothing import smoothing_correction
from .transducer import Drive, RollOut, Transducer, baseline_shift, grid_hours

# Every third time of the roll-out's grid: drives between are interpolated.
GRID_STRIDE = 3
JUMP_HOURS = 1e-3


@dataclass(frozen=True)
class Context:
    """Conditions of networks, and what was observed of each.

    Attributes:
        fields: of the tokenizer, with those of observations, of which there may be none.
        conditions: B · C rows.
        baseline_BN, known_BN: states at rest, and where they are known.
        place: batch row, condition and position of every observation, three (O).
        hours_O, molecule_O: when each was made, and of which molecule.
    """

    fields: Fields
    conditions: ConditionTensors
    baseline_BN: torch.Tensor
    known_BN: torch.Tensor
    place: tuple[torch.Tensor, ...]
    hours_O: torch.Tensor
    molecule_O: torch.Tensor

    @classmethod
    def from_fields(cls, fields: Fields, dtype: torch.dtype) -> Context:
        """The context among a tokenizer's fields, which hold observations; states of a dtype."""
        index = fields.observation_index
        place = torch.nonzero(index >= 0, as_tuple=True)
        unknown_BN = index.new_zeros(fields.attention_mask.shape, dtype=dtype)
        return cls(
            fields,
            condition_rows(*fields.condition()),
            *values_and_mask(fields.baseline_state, fields.baseline_mask, unknown_BN),
            place,
            fields.observation_hours[place].to(unknown_BN),
            index[place],
        )

    def roll_out(self, gates: Gates, wiring: Wiring, transducer: Transducer) -> RollOut:
        """A roll-out of the conditions, up to the last observation."""
        shape = (*self.fields.observation_index.shape[:2], wiring.molecules)
        unknown = self.baseline_BN.new_zeros(shape)
        return transducer(
            gates,
            wiring,
            self.conditions,
            unknown,
            unknown,
            self.baseline_BN,
            self.known_BN,
            latest(self.hours_O),
        )

    def at_observations(self, roll_out: RollOut) -> tuple[torch.Tensor, torch.Tensor]:
        """State and drive where something was observed, two (O)."""
        row, condition, _ = self.place
        return roll_out.at_points(row, condition, self.molecule_O, self.hours_O)

    def expected(self, roll_out: RollOut, gates: Gates) -> torch.Tensor:
        """The prediction of every observation by a roll-out, in its own modality (O)."""
        flat = self.place[0] * self.baseline_BN.shape[1] + self.molecule_O
        modality = self.fields.observation_modality[self.place]
        return observe_points(*self.at_observations(roll_out), gates, flat, modality)

    def mean_squared_error(self, roll_out: RollOut, gates: Gates) -> torch.Tensor:
        """Of a roll-out, over what was observed after time 0 (B)."""
        later = self.hours_O > 0
        error = self.expected(roll_out, gates) - self.fields.observation_value[self.place]
        error, row = error[later].square(), self.place[0][later]
        total = error.new_zeros(len(self.baseline_BN))
        count = total.index_add(0, row, torch.ones_like(error)).clamp(min=1)
        return total.index_add(0, row, error) / count


@dataclass
class Evidence:
    """Observations of a context, laid out for the local solution of every molecule.

    Attributes:
        hours_FCG: times of the inference grid, from 0, the ends of windows among them.
        state_FCG: smoothed states.
        stimulus_FC, stimulated_FC: levels of stimuli, and where they are given.
        effects: of perturbations, with the axes (F, K); None without perturbations.
        rest_F: states at rest; `rest_known_F`: where they are known, and not inferred from gates.
        molecule_O, condition_O: flat molecule and condition of each observation.
        step_O, since_O: grid time before it, and the hours since.
        value_O: the state that was observed, or the drive where `is_drive_O`.
        weight_O: its weight, 1 for an activity.
        is_drive_O: whether it is of the drive, as mRNA is.
    """

    hours_FCG: torch.Tensor
    state_FCG: torch.Tensor
    stimulus_FC: torch.Tensor
    stimulated_FC: torch.Tensor
    effects: PerturbationEffects | None
    rest_F: torch.Tensor
    rest_known_F: torch.Tensor
    molecule_O: torch.Tensor
    condition_O: torch.Tensor
    step_O: torch.Tensor
    since_O: torch.Tensor
    value_O: torch.Tensor
    weight_O: torch.Tensor
    is_drive_O: torch.Tensor

    def by_molecule(self, values_O: torch.Tensor) -> torch.Tensor:
        """Sums over the observations of each molecule (F)."""
        return values_O.new_zeros(len(self.state_FCG)).index_add(0, self.molecule_O, values_O)


@dataclass(frozen=True)
class _Observed:
    """The observations that are evidence, as states or drives, on the inference grid.

    Attributes:
        row, condition, molecule: of each (O).
        hours: when each was made (O).
        expected: the state that the roll-out predicts (O).
        translated: as states or drives.
        grid: times (R, G) of the B · C rows; `step`: the grid time before each observation (O).
        free: where no perturbation holds the molecule then (O).
        effects: of perturbations on the grid, with the axes (F, K); None without perturbations.
    """

    row: torch.Tensor
    condition: torch.Tensor
    molecule: torch.Tensor
    hours: torch.Tensor
    expected: torch.Tensor
    translated: Translated
    grid: torch.Tensor
    step: torch.Tensor
    free: torch.Tensor
    effects: PerturbationEffects | None


@torch.no_grad()
def gather_evidence(
    context: Context,
    roll_out: RollOut,
    gates: Gates,
    translated: bool = True,
) -> Evidence | None:
    """Evidence that a context holds; None where it holds nothing after time 0.

    Args:
        context: what was observed.
        roll_out: of its conditions.
        gates: those of the roll-out.
        translated: whether modalities other than activity are evidence too, as Ω↔ reads them.
    """
    observed = _observed_on_grid(context, roll_out, translated)
    if observed is None:
        return None
    batch, conditions = context.fields.observation_index.shape[:2]
    molecules = context.baseline_BN.shape[1]
    by_condition = observed.grid.unflatten(0, (batch, conditions))
    state = _smoothed_states(context, roll_out, gates, observed, by_condition)

    def flat(rows_RN: torch.Tensor) -> torch.Tensor:
        return rows_RN.view(batch, conditions, molecules).transpose(1, 2).flatten(0, 1)

    useful = observed.free & (observed.hours > 0)
    own_grid = observed.grid[observed.row * conditions + observed.condition]
    since = observed.hours - own_grid.gather(1, observed.step[:, None]).squeeze(1)
    return Evidence(
        hours_FCG=by_condition.repeat_interleave(molecules, 0),
        state_FCG=state,
        stimulus_FC=flat(context.conditions.stimulus_RN),
        stimulated_FC=flat(context.conditions.stimulated_RN),
        effects=observed.effects,
        rest_F=roll_out.rest_F,
        rest_known_F=context.known_BN.flatten().bool(),
        molecule_O=(observed.row * molecules + observed.molecule)[useful],
        condition_O=observed.condition[useful],
        step_O=observed.step[useful],
        since_O=since[useful],
        value_O=observed.translated.value_O[useful],
        weight_O=observed.translated.weight_O[useful],
        is_drive_O=observed.translated.is_drive_O[useful],
    )


def _observed_on_grid(context: Context, roll_out: RollOut, translated: bool) -> _Observed | None:
    """The observations that are evidence; None where there is none after time 0."""
    fields, rows = context.fields, context.conditions
    batch, conditions = fields.observation_index.shape[:2]
    modality = fields.observation_modality[context.place]
    used = slice(None) if translated else modality == ACTIVITY
    row, condition, position = (x[used] for x in context.place)
    molecule, hours = context.molecule_O[used], context.hours_O[used]
    if not len(row) or latest(hours) <= 0:
        return None
    expected, drive = (x[used] for x in context.at_observations(roll_out))
    value = fields.observation_value[row, condition, position].to(hours)
    as_states = translate(value, modality[used], row, batch, expected, drive)
    grid = grid_hours(latest(hours) + 6.0)[::GRID_STRIDE].to(hours).expand(batch * conditions, -1)
    perturbed = rows.perturbation_index_RE.shape[1] > 0
    if perturbed:
        ends = rows.boundaries_within(float(grid[0, -1])).to(grid)
        # Just before and at the end of a window: drives may jump there.
        grid = torch.cat([grid, (ends - JUMP_HOURS).clamp(min=0), ends], dim=1).sort(dim=1).values
    grid = grid.contiguous()
    effects = _effects_on_grid(rows, grid, batch) if perturbed else None
    own_grid = grid[row * conditions + condition]
    step = torch.searchsorted(own_grid, hours[:, None].contiguous(), right=True) - 1
    step = step.clamp(0, grid.shape[1] - 2).squeeze(1)
    # A held state is no evidence on gates, nor on the roll-out's error.
    free = torch.ones_like(hours, dtype=torch.bool)
    if effects is not None:
        flat_molecule = row * context.baseline_BN.shape[1] + molecule
        free = ~effects.held_RN[flat_molecule, condition * grid.shape[1] + step]
    return _Observed(
        row, condition, molecule, hours, expected, as_states, grid, step, free, effects
    )


def _smoothed_states(
    context: Context,
    roll_out: RollOut,
    gates: Gates,
    observed: _Observed,
    by_condition: torch.Tensor,
) -> torch.Tensor:
    """States (F, C, G) of a roll-out on the inference grid (B, C, G), corrected by observations."""
    batch, conditions = by_condition.shape[:2]
    molecules, rows = context.baseline_BN.shape[1], context.conditions
    # A table (B, C, S, N) of the states observed of each molecule.
    is_state = observed.free & ~observed.translated.is_drive_O
    row_S, condition_S, molecule_S = (
        x[is_state] for x in (observed.row, observed.condition, observed.molecule)
    )
    rank = rank_within((row_S * conditions + condition_S) * molecules + molecule_S)
    place = (row_S, condition_S, rank, molecule_S)
    most = int(rank.max()) + 1 if len(rank) else 1
    table = observed.expected.new_zeros(batch, conditions, most, molecules)
    every_hour = by_condition.unsqueeze(-1).expand(-1, -1, -1, molecules)
    observed_hours = table.index_put(place, observed.hours[is_state])
    residual = (observed.translated.value_O - observed.expected)[is_state]
    correction, _ = smoothing_correction(
        table.index_put(place, residual),
        table.bool().index_put(place, torch.ones_like(row_S, dtype=torch.bool)),
        observed_hours,
        rows.released_by(observed_hours),
        context.known_BN.bool().unsqueeze(1).expand(-1, conditions, -1),
        by_condition,
        rows.released_by(every_hour),
        gates.smoothing_F2,
    )
    smoothed = roll_out.at(by_condition)[0] + correction
    state = smoothed.clamp(0, 1).permute(0, 3, 1, 2).flatten(0, 1)
    if observed.effects is not None:
        state = observed.effects.hold(state.flatten(1)).view_as(state)
    return state


def latest(hours: torch.Tensor) -> float:
    """The last of some hours, or 0 where there are none."""
    return float(hours.max()) if len(hours) else 0.0


def _effects_on_grid(
    conditions: ConditionTensors, hours_RG: torch.Tensor, batch: int
) -> PerturbationEffects:
    """What perturbations do at every grid time, with the axes (F, K)."""

    def flat(value_RGN: torch.Tensor) -> torch.Tensor:
        return value_RGN.flatten(0, 1).unflatten(0, (batch, -1)).transpose(1, 2).flatten(0, 1)

    return conditions.effects_at_times(hours_RG).mapped(flat)


def local_states(gates: Gates, wiring: Wiring, evidence: Evidence) -> torch.Tensor:
    """Each observed state, or drive, by its molecule's own equation, the others being as smoothed
    (O)."""
    molecules, conditions, times = evidence.state_FCG.shape

    def at_all_times(values_FC: torch.Tensor) -> torch.Tensor:
        return values_FC.unsqueeze(-1).expand(-1, -1, times).flatten(1)

    inputs = torch.where(evidence.stimulated_FC, evidence.stimulus_FC, gates.input_F[:, None])
    shift = baseline_shift(gates, wiring, evidence.rest_F, evidence.rest_known_F)
    stimulated = at_all_times(evidence.stimulated_FC)
    drive_of = Drive(gates, wiring, at_all_times(inputs), shift, stimulated)
    drive = drive_of(evidence.state_FCG.flatten(1), evidence.effects)
    drive = drive.view(molecules, conditions, times)
    # Windows of other conditions give steps of length 0.
    step = evidence.hours_FCG.diff().clamp(min=1e-6)
    tau = gates.tau_hours_F[:, None]
    held = evidence.effects.held_RN.view_as(drive) if evidence.effects is not None else None
    state = evidence.state_FCG[:, :, 0]
    states = [state]
    for g in range(times - 1):
        solved = first_order_hold(
            state, drive[:, :, g], drive[:, :, g + 1], step[:, :, g], step[:, :, g], tau
        )
        if held is None:
            state = solved
        else:
            # Held until the window ends, and again from where the next begins.
            state = torch.where(held[:, :, g], state, solved)
            state = torch.where(held[:, :, g + 1], evidence.state_FCG[:, :, g + 1], state)
        states.append(state)
    place = (evidence.molecule_O, evidence.condition_O, evidence.step_O)
    following = (evidence.molecule_O, evidence.condition_O, evidence.step_O + 1)
    solved = first_order_hold(
        torch.stack(states, dim=-1)[place],
        drive[place],
        drive[following],
        step[place],
        evidence.since_O,
        gates.tau_hours_F[evidence.molecule_O],
    )
    drive_then = torch.lerp(drive[place], drive[following], evidence.since_O / step[place])
    return torch.where(evidence.is_drive_O, drive_then, solved)


def first_order_hold(
    state: torch.Tensor,
    drive: torch.Tensor,
    next_drive: torch.Tensor,
    step_hours: torch.Tensor,
    passed_hours: torch.Tensor,
    tau_hours: torch.Tensor,
) -> torch.Tensor:
    """τ·ds/dt = u - s after some of a step in which u goes in a line from one drive to the next.

    The exact solution (Hochbruck and Ostermann, Acta Numerica 2010;19:209-286, eq. 2.7).
    """
    x = (passed_hours / tau_hours).clamp(min=1e-6)
    ramp = passed_hours / step_hours * (1 + torch.expm1(-x) / x)
    return drive + (state - drive) * torch.exp(-x) + (next_drive - drive) * ramp
