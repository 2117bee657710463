"""Tables and JSON of a benchmark, made from its results.

A result is a dictionary with entry, label, budget, split, seed and figures: one for every entry,
budget, split and seed. `seed` is None where there is none, or where the result is a mean over as
many seeds as `seeds` states.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from ..common.environment import environment, git_revision, processor
from ..common.files import write_text
from ..measurements.metrics import interval


@dataclass(frozen=True)
class Report:
    """What a task found.

    Attributes:
        results: see the top of the file.
        table: the same as Markdown.
        draw: writes the figure to a path.
        about: further fields of the JSON.
    """

    results: Sequence[dict[str, Any]]
    table: str
    draw: Callable[[Path], object]
    about: dict[str, Any] = field(default_factory=dict)


def by_entry(results: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The results of every entry, budget and split, over seeds."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for result in results:
        key = (result["entry"], result["budget"], result["split"])
        groups.setdefault(key, []).append(result)
    return list(groups.values())


def summarise(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One dictionary per entry, budget and split: means of all figures over seeds.

    The interval of mse is Student's, of the seeds' errors; that of one seed is its own.
    """
    found = []
    for group in by_entry(results):
        first = group[0]
        if len(group) == 1:
            # Of one seed, or a mean over seeds already.
            seeds = first.get("seeds", 0 if first["seed"] is None else 1)
            found.append({**first, "seeds": seeds} if seeds else dict(first))
            continue
        row = {key: first[key] for key in ("entry", "label", "budget", "split")} | {"seed": None}
        if "mse" in first:
            low, high = ("mse_low", "mse_high")
            row["mse"], row[low], row[high] = interval([[of["mse"]] for of in group])
        for key, value in first.items():
            if isinstance(value, float) and key not in row:
                row[key] = sum(of[key] for of in group) / len(group)
        found.append({**row, "seeds": len(group)})
    return found


def errors_table(results: Sequence[dict[str, Any]], splits: Sequence[str] = ()) -> str:
    """One table per budget: an entry per line, its error on every split with its interval.

    Args:
        results: with the mean squared error.
        splits: the columns; by default those of the results.
    """
    rows, parts = summarise(results), []
    splits = splits or list(dict.fromkeys(row["split"] for row in rows))
    for budget in dict.fromkeys(row["budget"] for row in rows):
        own = [row for row in rows if row["budget"] == budget]
        lines = [
            f"Budget {budget}, mean squared error (95 % interval), coverage and width of the 90 % "
            "interval:",
            "",
            "| entry | " + " | ".join(splits) + " | coverage | width | seeds | seconds |",
            "|---" * (len(splits) + 5) + "|",
        ]
        for entry in dict.fromkeys(row["entry"] for row in own):
            of_split = {row["split"]: row for row in own if row["entry"] == entry}
            errors = [_with_interval(of_split[s]) if s in of_split else "" for s in splits]
            spread = [row for row in of_split.values() if "coverage" in row]
            mean = [
                f"{sum(row[key] for row in spread) / len(spread):.2f}" if spread else ""
                for key in ("coverage", "width")
            ]
            first = next(iter(of_split.values()))
            seconds = f"{first['seconds']:.0f}" if "seconds" in first else ""
            last = [*errors, *mean, str(first.get("seeds", "")), seconds]
            lines.append(f"| {first['label']} | " + " | ".join(last) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def interval_table(caption: str, rows: Sequence[dict[str, Any]], columns: Mapping[str, str]) -> str:
    """An entry per line with figures and their intervals.

    Args:
        caption: what stands above.
        rows: summaries with every figure and the same with `_low` and `_high` behind.
        columns: heads by the name of the figure.
    """
    lines = [
        [row["label"]]
        + [
            f"{row[key]:.3f} ({row[f'{key}_low']:.3f} to {row[f'{key}_high']:.3f})"
            for key in columns
        ]
        for row in rows
    ]
    return plain_table(caption, ["entry", *columns.values()], lines)


def plain_table(caption: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table of texts."""
    first, *rest = (f"| {' | '.join(texts)} |" for texts in (head, *lines))
    return "\n".join([caption, "", first, "|---" * len(head) + "|", *rest])


def _with_interval(row: dict[str, Any]) -> str:
    if row.get("as_published"):
        return f"{row['mse']:.3f} (as published)"
    digits = 4 if row["mse"] >= 0.001 else 5
    mean = f"{row['mse']:.{digits}f}"
    if "mse_low" not in row:
        return mean
    return f"{mean} ({row['mse_low']:.{digits}f} to {row['mse_high']:.{digits}f})"


def write_json(path: Path, task: str, results: Sequence[dict[str, Any]], **more: Any) -> None:
    """The results with the task and what they were measured with."""
    content = {"task": task, **more, "results": list(results)}
    content["environment"] = {
        **environment(), "processor": processor(), "git_revision": git_revision(),
        "date": date.today().isoformat(),
    }  # fmt: skip
    write_text(path, json.dumps(content, indent=1) + "\n")
