"""Tables, figures and JSON of a benchmark."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import accelerate
import matplotlib
import torch
import transformers

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from hmlm_fm._version import __version__
from hmlm_fm.formats.files import write_text

COLUMNS = ("pearson", "direction", "coverage", "width", "crps")


def environment() -> dict[str, Any]:
    """Versions and hardware that figures were measured with."""
    return {
        "hmlm_fm": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "accelerate": accelerate.__version__,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }


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


def draw(path: Path, rows: Sequence[dict[str, Any]], splits: Sequence[str], title: str) -> None:
    """Errors of every row on a logarithmic scale, the best at the top."""
    budgets = list(dict.fromkeys(row["budget"] for row in rows))
    figure, axes = plt.subplots(
        len(budgets), len(splits), figsize=(4.2 * len(splits), 4.2 * len(budgets)), squeeze=False
    )
    for line, budget in zip(axes, budgets, strict=True):
        for axis, split in zip(line, splits, strict=True):
            own = [r for r in rows if r["budget"] == budget and r["split"] == split]
            own.sort(key=lambda r: -r["mse"])
            for place, row in enumerate(own):
                colour = "tab:red" if row["model"].startswith("HMLM") else "tab:grey"
                axis.plot(
                    [row["mse_low"] or row["mse"] / 2, row["mse_high"]], [place] * 2, c=colour
                )
                axis.plot(row["mse"], place, "o", c=colour)
            axis.set_xscale("log")
            axis.set_yticks(range(len(own)), [r["model"] for r in own], fontsize=7)
            axis.set_title(f"{split}, {budget}", fontsize=9)
            axis.set_xlabel("mean squared error")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
