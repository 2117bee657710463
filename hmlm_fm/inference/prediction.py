"""Predictions of a model for a network: states of query conditions, given a context.

Shapes: T times, N molecules, Q query conditions, U query times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..measurements.time_scale import scale_condition
from ..model.condition_encoding import encode_conditions
from ..model.conditions import LONGEST_HOURS, MODALITIES, Condition
from ..model.error_base import HMLMError
from ..model.fields import to_device
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import SignalingNetwork


@dataclass(frozen=True)
class Prediction:
    """Predicted states, or values in another modality (Q, U, N), with their standard deviations;
    molecules in network order."""

    states: np.ndarray
    scale: np.ndarray


def model_time_scale(model: HMLMForSignaling) -> float:
    """The model's hours per hour of the tissue that it is fine-tuned to; 1 without fine-tuning."""
    return float((model.config.tissue or {}).get("pace", 1.0))


@torch.no_grad()
def predict_states(
    model: HMLMForSignaling,
    context: Mapping[str, torch.Tensor],
    network: SignalingNetwork,
    conditions: Sequence[Condition],
    hours: Sequence[float] | np.ndarray,
    observed: tuple[np.ndarray, np.ndarray] | None = None,
    modality: str = "activity",
    time_scale: float | None = None,
) -> Prediction:
    """States of query conditions, all from the baseline that the context states.

    Args:
        context: from `make_context`.
        conditions: Q of them.
        hours: (U) query times, the same for all.
        observed: observations of the query conditions themselves: times in hours (T), and states
            (Q, T, N), NaN where there is none. They correct predictions before and after.
        modality: of `MODALITIES`; of another one than the activity, values are predicted instead of
            states.
        time_scale: of the context; that of the tissue of a fine-tuned model by default.

    Raises:
        HMLMError: there is no such modality, or a time is negative, not a number, or beyond
            `LONGEST_HOURS` in the model's hours (times the time scale).
    """
    time_scale = model_time_scale(model) if time_scale is None else time_scale
    if modality not in MODALITIES:
        raise HMLMError(f"modality {modality!r}; expected one of {', '.join(MODALITIES)}")
    hours = _checked_hours(hours, time_scale)
    if not len(conditions) or not len(hours):
        shape = (len(conditions), len(hours), len(network.molecules))
        nothing = np.zeros(shape, dtype=np.float32)
        return Prediction(nothing, nothing)
    query = _encode_query(context, network, conditions, hours, observed, time_scale)
    output = model(**to_device({**context, **query}, model.device))
    states, scale = output.states, output.states_scale
    if modality != "activity":
        y = MODALITIES.index(modality)
        states, scale = output.modality_values[..., y], output.modality_scale[..., y]
    return Prediction(states[0].cpu().numpy(), scale[0].cpu().numpy())


def _checked_hours(hours: Sequence[float] | np.ndarray, time_scale: float) -> np.ndarray:
    """
    Raises:
        HMLMError: they are no list of times, or out of range.
    """
    found = np.asarray(hours, dtype=float)
    if found.ndim != 1:
        raise HMLMError(f"hours are {found.tolist()!r}; expected a list of times")
    longest = LONGEST_HOURS / time_scale
    if not ((found >= 0) & (found * time_scale <= LONGEST_HOURS)).all():
        raise HMLMError(f"hours are {found.tolist()}; expected times from 0 to {longest:g}")
    return found


def _encode_query(
    context: Mapping[str, torch.Tensor],
    network: SignalingNetwork,
    conditions: Sequence[Condition],
    hours: np.ndarray,
    observed: tuple[np.ndarray, np.ndarray] | None,
    time_scale: float,
) -> dict[str, torch.Tensor]:
    """The fields of the queries, with a batch axis of one; see `predict_states`."""
    count, molecules = len(conditions), len(network.molecules)
    in_model_hours = [scale_condition(condition, time_scale) for condition in conditions]
    arrays: dict[str, Any] = encode_conditions(network, in_model_hours, "query_")
    arrays["query_hours"] = np.tile((hours * time_scale).astype(np.float32), (count, 1))
    tensors = {name: torch.from_numpy(value)[None] for name, value in arrays.items()}
    if "baseline_state" in context:
        shape = (1, count, molecules)
        tensors["query_initial_state"] = context["baseline_state"][:, None].expand(shape)
        tensors["query_initial_mask"] = context["baseline_mask"][:, None].expand(shape)
    if observed is not None:
        observed_hours, states = observed
        tensors["query_observation_hours"] = torch.tensor(
            np.tile(observed_hours * time_scale, (1, count, 1)), dtype=torch.float32
        )
        value = torch.tensor(states[None], dtype=torch.float32)
        tensors["query_observation_mask"] = value.isfinite()
        tensors["query_observation_value"] = value.nan_to_num()
    return tensors
