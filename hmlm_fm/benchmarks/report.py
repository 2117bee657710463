"""Tables and JSON of a benchmark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hmlm_fm.environment import environment
from hmlm_fm.formats.files import write_text


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
            errors = [
                f"{cells[s]['mse']:.4f} ({cells[s]['mse_low']:.4f} to {cells[s]['mse_high']:.4f})"
                if s in cells
                else ""
                for s in splits
            ]
            told = [cell for cell in cells.values() if "coverage" in cell]
            mean = [
                f"{sum(cell[key] for cell in told) / len(told):.2f}" if told else ""
                for key in ("coverage", "width")
            ]
            seconds = f"{next(iter(cells.values()))['seconds']:.0f}"
            lines.append(f"| {name} | " + " | ".join([*errors, *mean, seconds]) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def write_json(
    path: Path, task: str, track: str, rows: Sequence[dict[str, Any]], **more: Any
) -> None:
    """The rows with the task, the track and the environment."""
    content = {"task": task, "track": track, **more, "rows": list(rows)}
    content["environment"] = environment()
    write_text(path, json.dumps(content, indent=1) + "\n")
