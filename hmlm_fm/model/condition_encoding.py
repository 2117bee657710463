"""Conditions, observations and states at rest as arrays; see `fields.FIELDS`. Travels with
checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from .condition_tensors import ConditionTensors
from .conditions import LONGEST_HOURS, MODALITIES, PLAUSIBLE_VALUES, Condition, Observation
from .error_base import HMLMError
from .network import SignalingNetwork


def encode_context(
    network: SignalingNetwork,
    conditions: Sequence[Condition],
    observations: Sequence[Sequence[Observation]] | None = None,
) -> dict[str, np.ndarray]:
    """Conditions of a context and what was observed under each, as unpadded arrays.

    Raises:
        NetworkError: a name that is not in the network.
        HMLMError: an unknown modality, a value or time that is not finite, an activity far out of
            range, unequal lengths.
    """
    observations = [()] * len(conditions) if observations is None else observations
    if len(observations) != len(conditions):
        raise HMLMError(
            f"{len(conditions)} conditions but {len(observations)} lists of observations; "
            "expected one list per condition"
        )
    for condition, of_condition in enumerate(observations):
        for row, o in enumerate(of_condition):
            check_observation(o, network, f"condition {condition + 1}, observation {row + 1}")
    width = max(map(len, observations), default=0)

    def table(pad: float, dtype: type, column: Any) -> np.ndarray:
        array: np.ndarray = np.full((len(conditions), width), pad, dtype=dtype)
        for row, of_condition in enumerate(observations):
            array[row, : len(of_condition)] = [column(o) for o in of_condition]
        return array

    return encode_conditions(network, conditions) | {
        "condition_mask": np.ones(len(conditions), dtype=np.int64),
        "observation_index": table(-1, np.int64, lambda o: network.molecule_index[o.molecule]),
        "observation_modality": table(0, np.int64, lambda o: MODALITIES.index(o.modality)),
        "observation_hours": table(0, np.float32, lambda o: o.time_hours),
        "observation_value": table(0, np.float32, lambda o: o.value),
    }


def check_observation(o: Observation, network: SignalingNetwork, where: str) -> None:
    """
    Raises:
        NetworkError: a molecule that is not in the network.
        HMLMError: an unknown modality, a value or time that is not finite, or one out of range.
    """
    network.molecule(o.molecule)
    if o.modality not in MODALITIES:
        raise HMLMError(
            f"{where}: modality {o.modality!r}; expected one of {', '.join(MODALITIES)}"
        )
    if not np.isfinite(o.value) or not 0 <= o.time_hours <= LONGEST_HOURS:
        raise HMLMError(
            f"{where}: time {o.time_hours} h, value {o.value}; expected finite numbers and a time "
            f"from 0 to {LONGEST_HOURS:g} h"
        )
    low, high = PLAUSIBLE_VALUES[o.modality]
    if not low <= o.value <= high:
        raise HMLMError(
            f"{where}: {o.modality} {o.value}; expected a value from {low:g} to {high:g}"
        )


def encode_conditions(
    network: SignalingNetwork, conditions: Sequence[Condition], prefix: str = ""
) -> dict[str, np.ndarray]:
    """Stimuli and perturbations as arrays; `prefix` is "query_" for queries."""
    tensors = ConditionTensors.from_conditions(conditions, network)
    return {
        prefix + "stimulus": tensors.stimulus_RN.numpy(),
        prefix + "stimulated": tensors.stimulated_RN.numpy(),
        prefix + "perturbation_index": tensors.perturbation_index_RE.numpy(),
        prefix + "perturbation_kind": tensors.perturbation_kind_RE.numpy(),
        prefix + "perturbation_strength": tensors.perturbation_strength_RE.numpy(),
        prefix + "perturbation_window": tensors.perturbation_window_RE2.numpy(),
    }


def check_baseline(baseline: Mapping[str, float], network: SignalingNetwork) -> None:
    """
    Raises:
        NetworkError: a molecule that is not in the network.
        HMLMError: a state that is not in [0, 1].
    """
    for name, value in baseline.items():
        network.molecule(name)
        if not isinstance(value, Real) or not 0 <= value <= 1:
            raise HMLMError(f"baseline of {name!r} is {value!r}; expected a state in [0, 1]")


def encode_baseline(
    network: SignalingNetwork, baseline: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """States at rest as arrays (N), and where they are known.

    Raises:
        HMLMError: as `check_baseline`.
    """
    check_baseline(baseline, network)
    state = np.zeros(len(network.molecules), dtype=np.float32)
    known = np.zeros(len(network.molecules), dtype=bool)
    for name, value in baseline.items():
        state[network.molecule_index[name]] = value
        known[network.molecule_index[name]] = True
    return {"baseline_state": state, "baseline_mask": known}
