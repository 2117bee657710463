"""From fitted gates to a model: how uncertain they are, and what they leave unexplained.

Shapes: M members, C conditions, T times, N molecules, X treatments, V pairs of a molecule and a
modality other than activity.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import torch

from ..fitting.discrepancy import Unexplained, find_discrepancy
from ..fitting.ensemble import Fit, Parameters
from ..fitting.member_rollout import MemberRollOut
from ..model.configuration_hmlm import HMLMConfig
from ..model.gates import Gates
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.observation import corrected_states
from ..model.tissue import TissueTable
from .calibration import Calibration, HeldOutErrors, calibrate
from .held_out_comparison import compare_held_out
from .targets import Targets

AT_ONCE = 16
"""Conditions that are predicted together."""


@torch.no_grad()
def assemble(
    model: HMLMForSignaling,
    fit: Fit,
    targets: Targets,
    roll_out: MemberRollOut,
    gates: Gates,
    time_scale: float,
    doses: np.ndarray,
    discrepancy: bool = True,
) -> tuple[HMLMForSignaling, dict[str, float]]:
    """A copy of the model with the fitted gates, their calibration and discrepancy; and how gates
    do on held-out conditions beside simpler methods, as `compare_held_out` says.

    Args:
        fit: of all members.
        targets: what they were fitted to.
        roll_out, gates: of all members, as fitted.
        time_scale: the model's hours per hour of the measurements.
        doses: (C, X) treatment vectors.
        discrepancy: whether to add what gates leave unexplained, where that is worthwhile.
    """
    found = find_unexplained(roll_out, gates, targets) if discrepancy else (None, None)
    errors = _held_out_errors(
        roll_out, gates, targets, fit.held_out, *found, smooths=model.config.has("smoothing")
    )
    calibration = calibrate(errors)
    gates_alone = _predicted(roll_out, gates, targets).double().cpu().numpy()
    compared = compare_held_out(gates_alone, errors, doses)
    tuned = _with_tissue(model, fit.parameters, time_scale, targets, calibration, *found)
    return tuned, compared


def _predicted(
    roll_out: MemberRollOut,
    gates: Gates,
    targets: Targets,
    moved_CTN: torch.Tensor | None = None,
) -> torch.Tensor:
    """Predictions of every member for all targets (M, C, T, N + V)."""
    parts = math.ceil(len(targets.values) / AT_ONCE)
    predictions = [
        roll_out.read(gates, chosen, targets.molecule_V, targets.modality_V, moved_CTN)
        for chosen in np.array_split(np.arange(len(targets.values)), parts)
    ]
    return torch.cat([torch.cat(states_and_values, -1) for states_and_values in predictions], 1)


def find_unexplained(
    roll_out: MemberRollOut, gates: Gates, targets: Targets
) -> tuple[Unexplained | None, Unexplained | None]:
    """Discrepancies of fitted members: of activities, and then of values in other modalities; None
    where it is not worthwhile."""
    conditions = roll_out.conditions.mapped(lambda rows: rows.cpu())
    hours, unit = roll_out.hours.double().cpu().numpy(), targets.unit.double().cpu().numpy()
    weight = targets.weight.double().cpu().numpy()
    molecules = targets.molecules

    def residual(moved_CTN: torch.Tensor | None = None) -> np.ndarray:
        predicted = _predicted(roll_out, gates, targets, moved_CTN).mean(0)
        return (targets.values - predicted).double().cpu().numpy() / unit

    residuals = residual()
    of_states = find_discrepancy(
        conditions, residuals[..., :molecules], weight[..., :molecules], hours
    )
    if not len(targets.molecule_V):
        return of_states, None
    if of_states is not None:
        residuals = residual(torch.tensor(of_states.fitted).to(targets.values))
    of_values = find_discrepancy(
        conditions, residuals[..., molecules:], weight[..., molecules:], hours,
        targets.molecule_V.cpu().numpy(),
    )  # fmt: skip
    return of_states, of_values.in_units(unit[molecules:]) if of_values else None


def _held_out_errors(
    roll_out: MemberRollOut,
    gates: Gates,
    targets: Targets,
    held_out: torch.Tensor,
    unexplained: Unexplained | None,
    of_values: Unexplained | None,
    smooths: bool,
) -> HeldOutErrors:
    """Predictions of fitted members for what they held out, with the discrepancy that is
    found from the other conditions; of other modalities, beside the discrepancy of states that is
    found from all conditions.

    Args:
        smooths: whether observations of a query condition correct its prediction.
    """

    def left_out(found: Unexplained | None) -> torch.Tensor | None:
        return torch.tensor(found.left_out).to(targets.values) if found else None

    predicted = _predicted(roll_out, gates, targets, left_out(unexplained))
    shift = left_out(of_values)
    if shift is not None:
        predicted[..., targets.molecules :] += shift
    measured, states = targets.weight > 0, slice(targets.molecules)
    # States that a perturbation holds are known exactly.
    hours = roll_out.hours.expand(len(predicted[0]), -1)
    measured[..., states] &= ~roll_out.conditions.effects_at_times(hours).held_RN
    # Where the state at rest is not known, changes are relative to the mean of the measurements.
    rest = (targets.values * measured).sum((0, 1)) / measured.sum((0, 1)).clamp(min=1)
    rest[states] = torch.where(roll_out.known, roll_out.baseline, rest[states])
    perturbed = roll_out.conditions.perturbed_R.cpu().numpy()
    correct = partial(_corrected, roll_out, gates, targets, measured, held_out)
    return HeldOutErrors(
        predicted, held_out, targets.values, measured, rest, targets.unit, perturbed,
        correct if smooths else None,
    )  # fmt: skip


def _corrected(
    roll_out: MemberRollOut,
    gates: Gates,
    targets: Targets,
    measured: torch.Tensor,
    held_out: torch.Tensor,
    predicted: torch.Tensor,
    scale: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions of members and their standard deviations (M, C, T, N + V), whose states are
    corrected by the measurements of the same condition that each was fitted to."""
    states, shape = slice(targets.molecules), held_out.shape[:2]
    hours, known = roll_out.hours.expand(*shape, -1), roll_out.known.expand(*shape, -1)
    predicted, scale = predicted.clone(), scale.clone()
    predicted[..., states], narrowed = corrected_states(
        predicted[..., states],
        hours,
        targets.values[..., states] - predicted[..., states],
        measured[..., states] & ~held_out.unsqueeze(-1),
        hours,
        roll_out.conditions.mapped(lambda tensor: torch.cat([tensor] * len(held_out))),
        known,
        gates.smoothing_F2,
        scale[..., states],
    )
    assert narrowed is not None
    scale[..., states] = narrowed
    return predicted, scale


def _with_tissue(
    model: HMLMForSignaling,
    parameters: Parameters,
    time_scale: float,
    targets: Targets,
    calibration: Calibration,
    unexplained: Unexplained | None,
    of_values: Unexplained | None,
) -> HMLMForSignaling:
    """A copy of the model with these gates, their calibration, and their discrepancies of states
    and of values in other modalities."""
    sizes = {name: value.shape[1] for name, value in parameters.items()}
    members = len(next(iter(parameters.values())))
    pairs = torch.stack([targets.molecule_V, targets.modality_V], 1).tolist()
    tissue: dict[str, Any] = {
        "members": members,
        "sizes": sizes,
        "pace": time_scale,
        "pairs": pairs,
    }
    if unexplained is not None:
        tissue["discrepancy"] = {"columns": targets.molecules, **unexplained.arguments}
    if of_values is not None:
        tissue["shown_discrepancy"] = of_values.arguments
    tuned = HMLMForSignaling(HMLMConfig.from_dict(model.config.to_dict() | {"tissue": tissue}))
    tuned.to(model.device)  # type: ignore[arg-type]
    kept = {k: v for k, v in model.state_dict().items() if ".tissue." not in k}
    tuned.load_state_dict(kept, strict=False)
    tissue_gates = tuned.next_state.tissue
    assert tissue_gates is not None
    with torch.no_grad():
        for name, table in tissue_gates.tables.items():
            assert isinstance(table, TissueTable)
            table.weight.copy_(parameters[name])
        tissue_gates.log_missed.weight.copy_(calibration.missed.log())
        tissue_gates.log_calibration.weight.copy_(calibration.factors.log())
        if unexplained is not None:
            assert tissue_gates.discrepancy is not None
            unexplained.fill(tissue_gates.discrepancy)
        if of_values is not None:
            assert tissue_gates.shown_discrepancy is not None
            of_values.fill(tissue_gates.shown_discrepancy)
    return tuned.eval()
