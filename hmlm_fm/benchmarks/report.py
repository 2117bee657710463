"""Tables and JSON of a benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from ..common.environment import environment, git_revision, processor
from ..common.files import write_text


@dataclass(frozen=True)
class Report:
    """What a task found.

    Attributes:
        rows: one dictionary per model and what it was asked.
        table: the same as Markdown.
        draw: writes the figure to a path.
        about: further fields of the JSON.
    """

    rows: Sequence[dict[str, Any]]
    table: str
    draw: Callable[[Path], object]
    about: dict[str, Any] = field(default_factory=dict)


def markdown(rows: Sequence[dict[str, Any]], splits: Sequence[str]) -> str:
    """One table per budget: a row per model, its error on every split with its interval."""
    parts = []
    for budget in dict.fromkeys(row["budget"] for row in rows):
        own = [row for row in rows if row["budget"] == budget]
        lines = [
            f"Budget {budget}, mean squared error (95 % interval), coverage and width of the 90 % "
            "interval:",
            "",
            "| model | " + " | ".join(splits) + " | coverage | width | seconds |",
            "|---" * (len(splits) + 4) + "|",
        ]
        for name in dict.fromkeys(row["model"] for row in own):
            cells = {row["split"]: row for row in own if row["model"] == name}
            errors = [_with_interval(cells[s]) if s in cells else "" for s in splits]
            told = [cell for cell in cells.values() if "coverage" in cell]
            mean = [
                f"{sum(cell[key] for cell in told) / len(told):.2f}" if told else ""
                for key in ("coverage", "width")
            ]
            first = next(iter(cells.values()))
            seconds = f"{first['seconds']:.0f}" if "seconds" in first else ""
            lines.append(f"| {name} | " + " | ".join([*errors, *mean, seconds]) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def interval_table(caption: str, rows: Sequence[dict[str, Any]], columns: Mapping[str, str]) -> str:
    """A row per model with figures and their intervals.

    Args:
        caption: what stands above.
        rows: with every figure and the same with `_low` and `_high` behind.
        columns: heads by the name of the figure.
    """
    lines = [
        caption,
        "",
        "| model | " + " | ".join(columns.values()) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for row in rows:
        cells = [
            f"{row[key]:.3f} ({row[f'{key}_low']:.3f} to {row[f'{key}_high']:.3f})"
            for key in columns
        ]
        lines.append(f"| {row['model']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _with_interval(row: dict[str, Any]) -> str:
    if "mse_low" not in row:
        return f"{row['mse']:.3f} (as published)"
    digits = 4 if row["mse"] >= 0.001 else 5
    return " ".join(
        [
            f"{row['mse']:.{digits}f}",
            f"({row['mse_low']:.{digits}f} to {row['mse_high']:.{digits}f})",
        ]
    )


def write_json(
    path: Path, task: str, track: str, rows: Sequence[dict[str, Any]], **more: Any
) -> None:
    """The rows with the task, the track and what they were measured with."""
    content = {"task": task, "track": track, **more, "rows": list(rows)}
    content["environment"] = {
        **environment(), "processor": processor(), "git_revision": git_revision(),
        "date": date.today().isoformat(),
    }  # fmt: skip
    write_text(path, json.dumps(content, indent=1) + "\n")
