"""The README.md beside the weights: what was trained, on what, and with which held-out errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from ..common.files import read_text, write_text
from ..common.words import counted
from .pretraining_options import PretrainingOptions


def write_model_card(
    folder: Path, options: PretrainingOptions, metrics: Mapping[str, Any], networks: int
) -> None:
    """Write the card of a pretrained model; its metrics stand beside those of baselines."""
    lines = [
        "---",
        "license: apache-2.0",
        "library_name: transformers",
        "tags: [hmlm, cell-signalling, graph-transformer]",
        "---",
        "",
        f"# HMLM {options.size}, pretrained on `{options.corpus}`",
        "",
        "A Hierarchical Molecular Language Model of cell signalling (after arXiv 2512.00696), "
        f"trained for {options.steps} steps on {networks} networks, less those held out. Next "
        "states were simulated with drawn logic and rates; no fibroblast network, trajectory or "
        "experiment was used.",
        "",
        "```python",
        "from transformers import AutoModelForMaskedLM, AutoTokenizer",
        "",
        'model = AutoModelForMaskedLM.from_pretrained("FOLDER", trust_remote_code=True)',
        'tokenizer = AutoTokenizer.from_pretrained("FOLDER", trust_remote_code=True)',
        "```",
        "",
        "## Measured on held-out pathways and networks",
        "",
        *_masked_table(metrics.get("masked_molecule")),
        *_state_table(metrics.get("next_state")),
        *_worlds_table(metrics.get("measured_sets")),
        *_ablation_table(metrics.get("ablations")),
        f"Training and evaluation took {metrics['seconds']:.0f} s. "
        "`metrics.json` has all metrics, `training_info.json` the options and the versions.",
        "",
        "The licence is that of the weights; the corpus keeps its own.",
        "",
    ]
    write_text(folder / "README.md", "\n".join(lines))


HEAD_TITLE = "## The head for measured sets"
LINES = 5
"""Of the log, over which the error at the end of a stage is averaged."""


def add_head_to_card(folder: Path, facts: Mapping[str, Any]) -> None:
    """Say in a card, before its first table, how the head for measured sets was trained.

    Args:
        folder: of the model; a card that is there keeps its other sections.
        facts: as `training_facts`.
    """
    path = folder / "README.md"
    before = read_text(path) if path.is_file() else "# HMLM\n"
    sections = re.split(r"(?m)^(?=## )", before)
    kept = [section for section in sections if not section.startswith(HEAD_TITLE)]
    last = facts["error_over_ruler"]
    errors = "; ".join(f"{stage} {fmean(of[-LINES:]):.2f}" for stage, of in last.items() if of)
    lines = [
        HEAD_TITLE,
        "",
        "Predicts what laboratories measure in context, without a gradient step: `hmlm predict "
        f"--measured`, `hmlm benchmark real`. Trained on {facts['worlds']:,} drawn worlds, then on "
        f"{counted(len(facts['sets']), 'measured set')}; error over the ruler's at the end of each "
        f"stage, on what was trained on: {errors}. `responses.json` has its course.",
        "",
    ]
    if facts["sets"]:
        lines += ["| measured set | study | source | licence |", "|---|---|---|---|"]
        lines += [
            f"| {s['name']} | {s['study']} | {s['source']} | {s['licence']} |"
            for s in facts["sets"]
        ]
        lines += [""]
    kept.insert(1, "\n".join(lines) + "\n")
    write_text(path, "".join(kept))


def _masked_table(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    rows = [("HMLM", ""), ("neighbour look-up", "neighbour_"), ("frequency", "frequency_")]
    table = [
        f"Masked molecules, each masked alone ({found['n']} of them), 95 % intervals:",
        "",
        "| model | top-1 | top-10 |",
        "|---|---|---|",
    ]
    for name, prefix in rows:
        columns = []
        for top in ("top1", "top10"):
            low, high = found[f"{prefix}{top}_interval"]
            columns.append(f"{found[prefix + top]:.3f} ({low:.3f} to {high:.3f})")
        table.append(f"| {name} | {' | '.join(columns)} |")
    return [*table, ""]


def _state_table(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    table = [
        f"Next states on {found['n_networks']} held-out networks, mean squared error:",
        "",
        "| model | MSE | 95 % interval |",
        "|---|---|---|",
    ]
    for context, errors in found["by_context"].items():
        low, high = errors["interval"]
        table.append(
            f"| HMLM, {context} context conditions | {errors['mse']:.5f} | "
            f"{low:.5f} to {high:.5f} |"
        )
    for context, mse in found.get("untrained_by_context", {}).items():
        table.append(f"| before training, {context} context conditions | {mse:.5f} | |")
    for name in ("hold", "corpus_mean", "context_mean"):
        table.append(f"| {name.replace('_', ' ')} | {found[name + '_mse']:.5f} | |")
    ratios = []
    for some, fewer in (("16", "0"), ("4", "0"), ("16", "4")):
        ratio = found[f"context_{some}_to_{fewer}"]
        low, high = ratio["interval"]
        ratios.append(
            f"{some} conditions over {fewer}: {ratio['ratio']:.3f} ({low:.3f} to {high:.3f})"
        )
    return [
        *table,
        "",
        "Ratios of errors on the same networks, with paired intervals: " + "; ".join(ratios) + ".",
        "",
    ]


def _worlds_table(found: Mapping[str, Any] | None) -> list[str]:
    """Errors of the head for measured sets on worlds of held-out networks."""
    if found is None:
        return []
    table = [
        f"Held-out conditions of {found['n_worlds']} worlds of held-out networks, as a laboratory "
        "would measure them, whose shown network is partly wrong; mean squared errors in units of "
        "one variance (the untrained model is the ruler, kernel regression on treatments; with "
        "nothing shown it predicts no change):",
        "",
        "| conditions shown | HMLM | untrained | nearest condition | HMLM over untrained "
        "| coverage of 90 % |",
        "|---|---|---|---|---|---|",
    ]
    for context, row in found["by_context"].items():
        low, high = row["interval"]
        table.append(
            f"| {context} | {row['hmlm_mse']:.3f} | {row['untrained_mse']:.3f} | "
            f"{row['nearest_mse']:.3f} | {row['hmlm_over_untrained']:.3f} ({low:.3f} to "
            f"{high:.3f}) | {row['coverage']:.2f} |"
        )
    return [*table, ""]


ABLATION_COLUMNS = {
    "mse_0": "states, no context",
    "mse_4": "4 conditions",
    "mse_16": "16 conditions",
    "mixed_modalities_rmse": "mixed modalities (RMSE)",
    "values_rmse": "measured values (RMSE)",
    "masked_cross_entropy": "masked (nats)",
    "masked_top10": "masked top-10",
}


def _ablation_table(found: Mapping[str, Mapping[str, float]] | None) -> list[str]:
    """Errors of the trained model with each part switched off."""
    if found is None:
        return []
    columns = [name for name in ABLATION_COLUMNS if name in found["none"]]
    table = [
        "Errors of the trained model with one part switched off (`--ablations true`):",
        "",
        "| switched off | " + " | ".join(ABLATION_COLUMNS[name] for name in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for part, row in found.items():
        errors = (
            f"{row[name]:.5f}" if name.startswith("mse") else f"{row[name]:.3f}" for name in columns
        )
        table.append(f"| {part.replace('_', ' ')} | {' | '.join(errors)} |")
    return [*table, ""]
