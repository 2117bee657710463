"""The fields of an encoding: what the tokenizer makes, and what a forward pass expects of them.

Axes, by letter: B networks of a batch, N molecules, K members, I interactions, J literals,
L attention pairs, X possible partners, P pathways, R memberships, C conditions, O observations of
a condition, E perturbations of a condition, Q asked conditions, U query times, S times at which an
asked condition was observed, Y modalities. Travels with checkpoints.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar, cast

import torch

from .conditions import MODALITIES
from .errors import HMLMError, did_you_mean

Forward = TypeVar("Forward", bound=Callable[..., Any])


class Field(NamedTuple):
    """How one field of an encoding is padded: its axes by letter (digits are fixed), and with what.

    Fields that hold positions of something else are padded with -1, so that a padded entry points
    at nothing.
    """

    axes: str
    pad: float = 0


FIELDS: dict[str, Field] = {
    "input_ids": Field("NK"),
    "attention_mask": Field("N"),
    "molecule_kind_ids": Field("N"),
    "compartment_ids": Field("N"),
    "interaction_target": Field("I", -1),
    "interaction_kind_ids": Field("I"),
    "literal_interaction": Field("J", -1),
    "literal_source": Field("J", -1),
    "literal_sign": Field("J"),
    "literal_pair": Field("J2", -1),
    "pair_index": Field("L2", -1),
    "pair_hops": Field("L2"),
    "pair_siblings": Field("L"),
    "partner_index": Field("X2", -1),
    "membership_index": Field("R2", -1),
    "pathway_mask": Field("P"),
    "condition_mask": Field("C"),
    "stimulus": Field("CN"),
    "stimulated": Field("CN"),
    "perturbation_index": Field("CE"),
    "perturbation_kind": Field("CE"),
    "perturbation_strength": Field("CE"),
    "perturbation_window": Field("CE2", -1),
    "observation_index": Field("CO", -1),
    "observation_modality": Field("CO"),
    "observation_hours": Field("CO"),
    "observation_value": Field("CO"),
    "baseline_state": Field("N"),
    "baseline_mask": Field("N"),
    "query_stimulus": Field("QN"),
    "query_stimulated": Field("QN"),
    "query_perturbation_index": Field("QE"),
    "query_perturbation_kind": Field("QE"),
    "query_perturbation_strength": Field("QE"),
    "query_perturbation_window": Field("QE2", -1),
    "query_initial_state": Field("QN"),
    "query_initial_mask": Field("QN"),
    "query_hours": Field("QU"),
    "query_observation_hours": Field("QS"),
    "query_observation_value": Field("QSN"),
    "query_observation_mask": Field("QSN"),
    "masked_ids": Field("NK", -1),
    "chance_seed": Field("1"),
    "inference_rounds": Field("1"),
    "target_states": Field("QUN"),
    "target_states_mask": Field("QUN"),
    "target_values": Field("QUNY"),
    "target_values_mask": Field("QUNY"),
}
"""Every field an encoding may hold; the last seven are what the objectives add: labels, the seed of
what is left out in training, and how often gates are inferred."""

MASK_OF = {
    "baseline_state": "baseline_mask",
    "query_initial_state": "query_initial_mask",
    "query_observation_value": "query_observation_mask",
}
"""Fields of states, with the field that says where they are known."""

TOGETHER = (
    ("condition_mask", "stimulus", "stimulated"),
    (
        "perturbation_index",
        "perturbation_kind",
        "perturbation_strength",
        "perturbation_window",
    ),
    (
        "observation_index",
        "observation_modality",
        "observation_hours",
        "observation_value",
    ),
    ("query_hours", "query_stimulus", "query_stimulated"),
    (
        "query_perturbation_index",
        "query_perturbation_kind",
        "query_perturbation_strength",
        "query_perturbation_window",
    ),
    ("query_observation_hours", "query_observation_value", "query_observation_mask"),
    ("target_states", "target_states_mask"),
    ("target_values", "target_values_mask"),
)
"""Fields that say something with each other alone."""


def takes_fields(forward: Forward) -> Forward:
    """A forward pass that looks at its fields before it computes anything; see `check_fields`.

    Its signature stays as it is, by which transformers' Trainer tells fields from other columns.
    """

    @functools.wraps(forward)
    def checked(*args: Any, **given: Any) -> Any:
        if given.pop("return_dict", None) is False:
            raise HMLMError("return_dict is False; expected True: outputs have `to_tuple`")
        if given.pop("output_hidden_states", None):
            raise HMLMError(
                "output_hidden_states is True; expected False: of hidden states only the last is "
                "given, `last_hidden_state` of the encoder"
            )
        by_position = dict(zip(_parameters(forward), args, strict=False))
        check_fields(forward, by_position | given)
        return forward(*args, **given)

    return cast(Forward, checked)


def check_fields(forward: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """
    Args:
        forward: whose signature says what is needed, and what is known beside `FIELDS`.
        given: by name; None is as good as nothing.

    Raises:
        ValueError: fields that nobody knows, that are missing, or of other shapes than expected.
    """
    parameters = _parameters(forward)
    known = [*FIELDS, *parameters]
    unknown = [name for name in given if name not in known]
    if unknown:
        hints = (f"{name!r}{did_you_mean(name, known)}" for name in unknown)
        raise HMLMError(f"unknown fields: {', '.join(hints)}")
    there = {name: value for name, value in given.items() if value is not None}
    required = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    missing = [name for name in required if name not in there and name != "self"]
    if missing:
        raise HMLMError(
            f"missing fields: {', '.join(missing)}; expected all that `HMLMTokenizer` makes of a "
            "network"
        )
    for group in TOGETHER:
        without = [name for name in group if name not in there]
        if 0 < len(without) < len(group):
            raise HMLMError(
                f"missing fields: {', '.join(without)}; expected {', '.join(group)} with each other"
            )
    asked = [name for name in there if name.startswith(("query_", "target_"))]
    if asked and "query_hours" not in there:
        raise HMLMError(f"missing field: query_hours; expected it with {', '.join(asked)}")
    _check_shapes(there)
    for name in ("query_hours", "query_observation_hours"):
        hours = there.get(name)
        if hours is not None and not (hours.numel() and ((hours >= 0) & hours.isfinite()).all()):
            raise HMLMError(f"{name} are {hours.tolist()}; expected finite hours, at least 0")


@functools.cache
def _parameters(forward: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(forward).parameters


def _check_shapes(there: Mapping[str, Any]) -> None:
    """
    Raises:
        ValueError: a field is no tensor, or not of the axes that `FIELDS` states, each as long as
            in every other field.
    """
    sizes: dict[str, int] = {"Y": len(MODALITIES)}
    for name, field in FIELDS.items():
        # Numbers for a whole network may be told once for all of them.
        if name not in there or field.axes == "1":
            continue
        value, axes = there[name], "B" + field.axes
        if not isinstance(value, torch.Tensor):
            raise HMLMError(
                f"{name} is a {type(value).__name__}; expected a tensor ({', '.join(axes)}), such "
                "as `HMLMTokenizer.pad` makes"
            )
        # How many members and perturbations there are is told apart: asked conditions have their
        # own perturbations, and masked members may be fewer.
        keys = [f"{axis} of {name.split('_')[0]}" if axis in "EK" else axis for axis in axes]
        expected = [int(axis) if axis.isdigit() else sizes.get(axis) for axis in keys]
        if len(value.shape) != len(axes) or any(
            size not in (None, found) for size, found in zip(expected, value.shape, strict=True)
        ):
            told = (
                axis if size is None else str(size)
                for axis, size in zip(axes, expected, strict=True)
            )
            raise HMLMError(
                f"{name} is of shape {tuple(value.shape)}; expected ({', '.join(axes)}) = "
                f"({', '.join(told)})"
            )
        sizes |= dict(zip(keys, value.shape, strict=True))


def moved(batch: Mapping[str, Any], device: torch.device | str) -> dict[str, Any]:
    """A batch on another device; fields may be batches themselves."""
    return {
        name: moved(value, device) if isinstance(value, Mapping) else value.to(device)
        for name, value in batch.items()
    }
