"""The fields of an encoding: what the tokenizer makes, and what a forward pass takes.

They are written once, in `FIELDS`: padding, shapes, and the signatures of forward passes are read
off it. Travels with checkpoints.

Axes, by letter: B networks of a batch, N molecules, K members, I interactions, J literals,
L attention pairs, X possible partners, P pathways, R memberships, C conditions of the context, O
observations of a condition, E perturbations of a condition, Q query conditions, U query times, S
times at which a query condition was itself observed, Y modalities.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar, cast

import torch

from .conditions import MODALITIES
from .error_base import HMLMError, did_you_mean

Forward = TypeVar("Forward", bound=Callable[..., Any])


class Field(NamedTuple):
    """How one field of an encoding is padded, and whether every network has it.

    Attributes:
        axes: by letter; digits are fixed.
        pad: what it is padded with. Fields that hold positions of something else are padded with
            -1, so that a padded entry points at nothing.
        required: whether a forward pass is impossible without it.
    """

    axes: str
    pad: float = 0
    required: bool = False


def _required(axes: str, pad: float = 0) -> Field:
    return Field(axes, pad, required=True)


FIELDS: dict[str, Field] = {
    # The network.
    "input_ids": _required("NK"),
    "attention_mask": _required("N"),
    "molecule_kind_ids": _required("N"),
    "compartment_ids": _required("N"),
    "interaction_target": _required("I", -1),
    "interaction_kind_ids": _required("I"),
    "literal_interaction": _required("J", -1),
    "literal_source": _required("J", -1),
    "literal_sign": _required("J"),
    "literal_pair": _required("J2", -1),
    "pair_index": _required("L2", -1),
    "pair_hops": _required("L2"),
    "pair_siblings": _required("L"),
    "partner_index": _required("X2", -1),
    "membership_index": _required("R2", -1),
    "pathway_mask": _required("P"),
    # The context: conditions, what was observed of each, and the state at rest.
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
    "observation_expected": Field("CO"),
    "baseline_state": Field("N"),
    "baseline_mask": Field("N"),
    # The queries.
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
    # What objectives add: labels, the seed of what training leaves out, and how often gates are
    # inferred.
    "masked_ids": Field("NK", -1),
    "chance_seed": Field("1"),
    "inference_rounds": Field("1"),
    "target_states": Field("QUN"),
    "target_states_mask": Field("QUN"),
    "target_values": Field("QUNY"),
    "target_values_mask": Field("QUNY"),
}
"""Every field an encoding may hold."""

MASK_OF = {
    "baseline_state": "baseline_mask",
    "query_initial_state": "query_initial_mask",
    "query_observation_value": "query_observation_mask",
}
"""Fields of states, with the field that states where they are known."""

CONDITION_FIELDS = (
    "stimulus",
    "stimulated",
    "perturbation_index",
    "perturbation_kind",
    "perturbation_strength",
    "perturbation_window",
)
"""Fields that describe a condition, in the order of `condition_rows`; of queries with `query_`."""

TOGETHER = (
    ("condition_mask", *CONDITION_FIELDS[:2]),
    CONDITION_FIELDS[2:],
    ("observation_index", "observation_modality", "observation_hours", "observation_value"),
    ("query_hours", *(f"query_{name}" for name in CONDITION_FIELDS[:2])),
    tuple(f"query_{name}" for name in CONDITION_FIELDS[2:]),
    ("query_observation_hours", "query_observation_value", "query_observation_mask"),
    ("target_states", "target_states_mask"),
    ("target_values", "target_values_mask"),
)
"""Fields that mean something with each other alone."""


class Fields(dict[str, Any]):
    """The fields of one forward pass, by name or as attributes; None where one was not given."""

    def __getattr__(self, name: str) -> Any:
        if name not in FIELDS:
            raise AttributeError(name)
        return self.get(name)

    def condition(self, prefix: str = "") -> tuple[torch.Tensor | None, ...]:
        """Of the context's conditions, or with `query_` of the queries, the `CONDITION_FIELDS`."""
        return tuple(self.get(prefix + name) for name in CONDITION_FIELDS)

    def without_context(self) -> Fields:
        """The same without conditions and observations; the state at rest stays."""
        context = (*CONDITION_FIELDS, "condition_", "observation_")
        return Fields({n: v for n, v in self.items() if not n.startswith(context)})


def takes_fields(forward: Forward) -> Forward:
    """A forward pass that takes `FIELDS` by name, checked before anything is computed.

    It is defined as `forward(self, fields, *, …)`; its public signature names every field, by which
    transformers' Trainer tells fields from other columns. See `check_fields`.
    """
    own = list(inspect.signature(forward).parameters.values())
    options = [p for p in own if p.kind is p.KEYWORD_ONLY]
    keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
    named = [
        inspect.Parameter(name, keyword, default=inspect.Parameter.empty if f.required else None)
        for name, f in FIELDS.items()
    ]
    public = inspect.Signature(
        [own[0], *named, *options], return_annotation=inspect.signature(forward).return_annotation
    )
    known = [*FIELDS, *(p.name for p in options)]

    @functools.wraps(forward)
    def checked(self: Any, *args: Any, **given: Any) -> Any:
        if given.pop("return_dict", None) is False:
            raise HMLMError("return_dict is False; expected True: outputs have `to_tuple`")
        if given.pop("output_hidden_states", None):
            raise HMLMError(
                "output_hidden_states is True; expected False: of hidden states only the last is "
                "given, `last_hidden_state` of the encoder"
            )
        given = dict(zip(FIELDS, args, strict=False)) | given
        check_fields(given, known)
        fields = {n: v for n, v in given.items() if n in FIELDS and v is not None}
        return forward(self, Fields(fields), **{n: v for n, v in given.items() if n not in FIELDS})

    checked.__signature__ = public  # type: ignore[attr-defined]
    return cast(Forward, checked)


def check_fields(given: Mapping[str, Any], known: list[str] | None = None) -> None:
    """
    Args:
        given: by name; None counts as not given.
        known: names that a forward pass takes; those of `FIELDS` by default.

    Raises:
        HMLMError: fields that are unknown, that are missing, or of other shapes than expected.
    """
    known = list(FIELDS) if known is None else known
    unknown = [name for name in given if name not in known]
    if unknown:
        hints = (f"{name!r}{did_you_mean(name, known)}" for name in unknown)
        raise HMLMError(f"unknown fields: {', '.join(hints)}")
    present = {name: value for name, value in given.items() if value is not None}
    missing = [name for name, field in FIELDS.items() if field.required and name not in present]
    if missing:
        raise HMLMError(
            f"missing fields: {', '.join(missing)}; expected all that `HMLMTokenizer` makes of a "
            "network"
        )
    for group in TOGETHER:
        without = [name for name in group if name not in present]
        if 0 < len(without) < len(group):
            raise HMLMError(
                f"missing fields: {', '.join(without)}; expected {', '.join(group)} with each other"
            )
    query_fields = [name for name in present if name.startswith(("query_", "target_"))]
    if query_fields and "query_hours" not in present:
        raise HMLMError(f"missing field: query_hours; expected it with {', '.join(query_fields)}")
    _check_shapes(present)
    for name in ("query_hours", "query_observation_hours"):
        hours = present.get(name)
        if hours is not None and not (hours.numel() and ((hours >= 0) & hours.isfinite()).all()):
            raise HMLMError(f"{name} are {hours.tolist()}; expected finite hours, at least 0")


def _check_shapes(present: Mapping[str, Any]) -> None:
    """
    Raises:
        HMLMError: a field is no tensor, or not of the axes that `FIELDS` states, each as long as
            in every other field.
    """
    sizes: dict[str, int] = {"Y": len(MODALITIES)}
    for name, field in FIELDS.items():
        # Numbers for a whole network may be given once for all of them.
        if name not in present or field.axes == "1":
            continue
        value, axes = present[name], "B" + field.axes
        if not isinstance(value, torch.Tensor):
            raise HMLMError(
                f"{name} is a {type(value).__name__}; expected a tensor ({', '.join(axes)}), such "
                "as `HMLMTokenizer.pad` makes"
            )
        # How many members and perturbations there are may differ: queries have perturbations of
        # their own, and masked members may be fewer.
        keys = [f"{axis} of {name.split('_')[0]}" if axis in "EK" else axis for axis in axes]
        expected = [int(axis) if axis.isdigit() else sizes.get(axis) for axis in keys]
        if len(value.shape) != len(axes) or any(
            size not in (None, found) for size, found in zip(expected, value.shape, strict=True)
        ):
            sizes_or_axes = (
                axis if size is None else str(size)
                for axis, size in zip(axes, expected, strict=True)
            )
            raise HMLMError(
                f"{name} is of shape {tuple(value.shape)}; expected ({', '.join(axes)}) = "
                f"({', '.join(sizes_or_axes)})"
            )
        sizes |= dict(zip(keys, value.shape, strict=True))


def to_device(batch: Mapping[str, Any], device: torch.device | str) -> dict[str, Any]:
    """A batch on another device; fields may be batches themselves."""
    return {
        name: to_device(value, device) if isinstance(value, Mapping) else value.to(device)
        for name, value in batch.items()
    }
