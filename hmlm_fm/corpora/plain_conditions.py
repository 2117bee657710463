"""Conditions as lists and numbers, which JSON and Parquet hold alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..model.conditions import Condition, Perturbation


def plain_conditions(conditions: Iterable[Condition]) -> list[dict[str, Any]]:
    """Stimuli as a list of molecules with their levels, for a column has fields of one name."""
    return [
        {
            "stimuli": [{"molecule": m, "level": v} for m, v in condition.stimuli.items()],
            "perturbations": [asdict(p) for p in condition.perturbations],
        }
        for condition in conditions
    ]


def conditions_from_plain(rows: Sequence[Mapping[str, Any]]) -> tuple[Condition, ...]:
    """The conditions that `plain_conditions` wrote."""
    return tuple(
        Condition(
            {s["molecule"]: s["level"] for s in row["stimuli"]},
            tuple(Perturbation(**p) for p in row["perturbations"]),
        )
        for row in rows
    )
