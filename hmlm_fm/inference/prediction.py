"""What a model says of a network: states of asked conditions, from what is known of others.

Shapes: T times, N molecules, Q asked conditions, U query times.
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
from ..model.errors import HMLMError
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
    """The model's hours to an hour of what it is fine-tuned to; 1 where it is not fine-tuned."""
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
    pace: float | None = None,
) -> Prediction:
    """States of asked conditions, all from the baseline that the context states.

    Args:
        context: of `context_of`.
        conditions: Q of them.
        hours: (U) query times, the same for all.
        observed: what was seen of the asked conditions themselves: times in hours (T), and states
            (Q, T, N), NaN where nothing was. The answer uses it on both sides of a time.
        modality: of `MODALITIES`: what the states show in it, instead of the states themselves.
        pace: in which the context is told; that of the tissue of a fine-tuned model by default.

    Raises:
        ValueError: there is no such modality, or a time is negative, no number, or beyond
            `LONGEST_HOURS` of the model's, of which as many pass in an hour as the pace says.
    """
    pace = model_time_scale(model) if pace is None else pace
    if modality not in MODALITIES:
        raise HMLMError(f"modality {modality!r}; expected one of {', '.join(MODALITIES)}")
    hours = np.asarray(hours, dtype=float)
    if hours.ndim != 1:
        raise HMLMError(f"hours are {hours.tolist()!r}; expected a list of times")
    if not ((hours >= 0) & (hours * pace <= LONGEST_HOURS)).all():
        longest = LONGEST_HOURS / pace
        raise HMLMError(f"hours are {hours.tolist()}; expected times from 0 to {longest:g}")
    count, molecules = len(conditions), len(network.molecules)
    if not count or not len(hours):
        nothing = np.zeros((count, len(hours), molecules), dtype=np.float32)
        return Prediction(nothing, nothing)
    asked = [scale_condition(condition, pace) for condition in conditions]
    question: dict[str, Any] = encode_conditions(network, asked, "query_")
    question["query_hours"] = np.tile((hours * pace).astype(np.float32), (count, 1))
    tensors = {name: torch.from_numpy(value)[None] for name, value in question.items()}
    if "baseline_state" in context:
        shape = (1, count, molecules)
        tensors["query_initial_state"] = context["baseline_state"][:, None].expand(shape)
        tensors["query_initial_mask"] = context["baseline_mask"][:, None].expand(shape)
    if observed is not None:
        seen_hours, states = observed
        tensors["query_observation_hours"] = torch.tensor(
            np.tile(seen_hours * pace, (1, count, 1)), dtype=torch.float32
        )
        value = torch.tensor(states[None], dtype=torch.float32)
        tensors["query_observation_mask"] = value.isfinite()
        tensors["query_observation_value"] = value.nan_to_num()
    batch = {**context, **tensors}
    output = model(**to_device(batch, model.device))
    told, scale = output.states, output.states_scale
    if modality != "activity":
        y = MODALITIES.index(modality)
        told, scale = output.modality_values[..., y], output.modality_scale[..., y]
    return Prediction(told[0].cpu().numpy(), scale[0].cpu().numpy())
