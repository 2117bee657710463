"""Measured sets of the cell lines of one table, with what their doses and values are in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .intensities import on_log2
from .measured_set import DRUG, STIMULUS, MeasuredSet, Measurement, Treatment

DOSE_UNIT = "as in the table"
"""The unit of doses where a table states none."""

Line = tuple[Mapping[str, tuple[Treatment, ...]], Sequence[Measurement]]
"""Conditions and measurements of one cell line."""


def sets_of_lines(
    base: str, lines: Mapping[str, Line], notes: Sequence[str], strength: float = 1.0
) -> tuple[MeasuredSet, ...]:
    """One set for each cell line of a table.

    A treatment of which any value is above 1, or in a unit, has doses; those without a unit are in
    that of the others, or of the table. Raw intensities are put on log2, see `on_log2`.

    Args:
        base: the name of the table; of the set, where it is of one line.
        lines: by their names.
        notes: what reading made of the table.
        strength: of a perturbation at level 1.
    """
    largest: dict[tuple[str, str], float] = {}
    units: dict[tuple[str, str], str] = {}
    for conditions, _ in lines.values():
        for done in conditions.values():
            for t in done:
                largest[t.kind, t.name] = max(largest.get((t.kind, t.name), 0.0), t.value)
                if t.unit:
                    units.setdefault((t.kind, t.name), t.unit)

    def in_unit(t: Treatment) -> Treatment:
        unit = units.get((t.kind, t.name), "")
        if unit or largest[t.kind, t.name] > 1:
            return replace(t, unit=t.unit or unit or DOSE_UNIT)
        return t if t.kind in (STIMULUS, DRUG) else replace(t, value=t.value * strength)

    several = len(lines) > 1
    return tuple(
        on_log2(
            MeasuredSet(
                f"{base}-{line}" if several else base,
                {name: tuple(map(in_unit, done)) for name, done in conditions.items()},
                tuple(measurements),
                study=base if several else "",
                cell_line=line,
                shares=f"conditions and readouts of {len(lines)} lines of one table"
                if several
                else "",
                notes=tuple(notes),
            )
        )
        for line, (conditions, measurements) in lines.items()
    )
