"""Which measurements of a PEtab problem share a scale: those of one blot, plate or experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

BATCH_COLUMNS = ("batch", "plate", "blot", "experimentId", "datasetId")
"""Columns that may name what shares a scale, the surest first."""


def batches_of(rows: Sequence[Mapping[str, str]]) -> tuple[list[str], str]:
    """The batch of each row, empty where there is none, and what it is known by.

    A column of `BATCH_COLUMNS` is taken that groups conditions, or splits replicates; a dataset
    for each condition and observable, as many problems have, says nothing. Otherwise the
    parameters of scales and offsets are, where rows of one observable differ in them.
    """
    for column in BATCH_COLUMNS:
        if all(row.get(column) for row in rows) and _is_batch(rows, column):
            return [row[column] for row in rows], column
    given = [[p.strip() for p in row.get("observableParameters", "").split(";")] for row in rows]
    values: dict[tuple[str, int], set[str]] = {}
    for row, parts in zip(rows, given, strict=True):
        for i, part in enumerate(parts):
            values.setdefault((row["observableId"], i), set()).add(part)
    found = [
        "; ".join(p for i, p in enumerate(parts) if len(values[row["observableId"], i]) > 1)
        for row, parts in zip(rows, given, strict=True)
    ]
    return found, "observableParameters" if any(found) else ""


def _is_batch(rows: Sequence[Mapping[str, str]], column: str) -> bool:
    """Whether values of a column group conditions, or split rows of one condition's observable."""
    conditions: dict[str, set[str]] = {}
    split: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        conditions.setdefault(row[column], set()).add(row["simulationConditionId"])
        key = row["simulationConditionId"], row["observableId"]
        split.setdefault(key, set()).add(row[column])
    several = len(conditions) > 1
    groups = any(len(found) > 1 for found in conditions.values())
    return several and (groups or any(len(found) > 1 for found in split.values()))
