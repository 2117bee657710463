"""What a fine-tuning run leaves: a folder that loads, with its tables, figure and card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .baselines.trivial import Hold, TrainingMean
from .benchmarks.metrics import MARKERS
from .benchmarks.task import DrawnTask
from .conditions import Condition
from .environment import environment
from .finetuning_options import FinetuningOptions
from .formats.files import write_text
from .formats.json_format import write_json
from .interpret import against_truth, gate_tables
from .measurements import Measurements
from .modeling_hmlm import HMLMForSignaling
from .network import SignalingNetwork
from .pipeline import (
    BASELINE_FILE,
    NETWORK_FILE,
    Prediction,
    encode_context,
    predict_states,
)
from .plotting import plot_bands
from .tissue_data import TissueData
from .tokenization_hmlm import HMLMTokenizer

FIGURE_FILE, MOST_DRAWN, TIMES_DRAWN = "trajectories.png", 8, 49


def write_result(
    options: FinetuningOptions,
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    data: TissueData,
    network: SignalingNetwork,
    task: DrawnTask | None,
    told: Mapping[str, Prediction],
    metrics: dict[str, Any],
) -> None:
    """All files of the result, in a folder that takes its name when it is whole."""
    target = Path(options.output_dir)
    folder = target.with_name(target.name + ".unfinished")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_json(data.network, folder / NETWORK_FILE)
    known = np.isfinite(data.baseline)
    names = [name for name, k in zip(data.network.names, known, strict=True) if k]
    pd.DataFrame({"molecule": names, "state": data.baseline[known]}).to_csv(
        folder / BASELINE_FILE, index=False
    )
    molecules, gates = gate_tables(model.to("cpu"), tokenizer, data)  # type: ignore[arg-type]
    molecules.to_csv(folder / "time_constants.csv", index=False)
    gates.to_csv(folder / "gates.csv", index=False)
    if task is not None:
        metrics["spearman_with_truth"] = against_truth(network, molecules, gates)
        _draw_unseen(task.asked["pairs"], told["pairs"], folder / FIGURE_FILE)
    else:
        _draw_measured(model, tokenizer, data, folder / FIGURE_FILE)
    write_text(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    info = {
        "options": asdict(options),
        "environment": environment(),
        "network_hash": data.network.content_hash,
    }
    write_text(folder / "training_info.json", json.dumps(info, indent=2) + "\n")
    write_text(folder / "README.md", _card(options, data, metrics))
    if target.exists():
        target.rmdir()
    folder.rename(target)


def _draw_unseen(truth: Measurements, told: Prediction, path: Path) -> None:
    """The first of the unseen conditions: fibrosis markers, or what moves most."""
    names = truth.network.names
    chosen = [i for i, name in enumerate(names) if name in MARKERS]
    chosen = chosen or np.argsort(-np.ptp(truth.states[0], axis=0))[:MOST_DRAWN].tolist()
    beside = (truth.times_hours, truth.states[0][:, chosen], "k--", "true")
    plot_bands(
        f"{truth.network.name}, an unseen condition: {_stimuli(truth.conditions[0])}",
        [names[i] for i in chosen], truth.times_hours,
        told.states[0][:, chosen], told.scale[0][:, chosen], beside, path,
    )  # fmt: skip


def _draw_measured(
    model: HMLMForSignaling, tokenizer: HMLMTokenizer, data: TissueData, path: Path
) -> None:
    """The condition of which most was measured: the molecules of which most was, in any modality;
    what was measured is shown of activities."""
    count_CN = data.measured.sum(1)
    for position, seen in enumerate(data.others):
        for o in seen:
            count_CN[position, data.network.molecule_index[o.molecule]] += 1
    row = int(count_CN.sum(1).argmax())
    states = np.where(data.measured[row], data.states[row], np.nan)
    count = count_CN[row]
    chosen = [i for i in np.argsort(-count, kind="stable")[:MOST_DRAWN].tolist() if count[i]]
    hours = np.linspace(0, data.times_hours.max(), TIMES_DRAWN)
    context = encode_context(tokenizer, data.network, data.baseline)
    condition = data.conditions[row]
    told = predict_states(model, tokenizer, context, data.network, [condition], hours)
    plot_bands(
        f"{data.network.name}, fitted to: {_stimuli(condition)}",
        [data.network.names[i] for i in chosen], hours,
        told.states[0][:, chosen], told.scale[0][:, chosen],
        (data.times_hours, states[:, chosen], "ko", "measured"), path,
    )  # fmt: skip


def _stimuli(condition: Condition) -> str:
    named = [f"{name} {level:.2f}" for name, level in condition.stimuli.items()]
    return ", ".join(named + [f"{p.kind} of {p.target}" for p in condition.perturbations])


def _card(options: FinetuningOptions, data: TissueData, metrics: Mapping[str, Any]) -> str:
    lines = [
        "---",
        "license: apache-2.0",
        "library_name: transformers",
        "tags: [hmlm, cell-signalling]",
        "---",
        "",
        f"# HMLM fine-tuned on {data.network.name}",
        "",
        *(
            ["The weights that infer gates were adapted to the tissue first.", ""]
            if options.tunable == "all"
            else []
        ),
        f"From `{options.checkpoint}`: gates and time constants of {len(data.network.molecules)} "
        f"molecules, fitted to {len(data.conditions)} conditions. It answers for this network "
        f"alone, which lies beside it as `{NETWORK_FILE}`.",
        "",
        "```python",
        "from hmlm_fm.pipeline import SignalingPipeline",
        "",
        'pipeline = SignalingPipeline.from_pretrained("FOLDER")',
        "```",
        "",
        f"Mean squared error on held-out training conditions: {metrics['held_out_mse']:.4f} "
        f"({metrics['held_out_mse_at_start']:.4f} before fitting).",
    ]
    if "unseen" in metrics:
        lines += [
            "",
            "| unseen | MSE | hold | training mean | coverage of 90 % | width |",
            "|---|---|---|---|---|---|",
        ]
        for split, found in metrics["unseen"].items():
            figures = [
                found["mse"],
                found[f"mse of {Hold.name}"],
                found[f"mse of {TrainingMean.name}"],
            ]
            cells = " | ".join(f"{value:.4f}" for value in figures)
            lines.append(f"| {split} | {cells} | {found['coverage']:.2f} | {found['width']:.2f} |")
    if metrics.get("spearman_with_truth"):
        ranks = metrics["spearman_with_truth"].items()
        told = ", ".join(f"{name} {rank:.2f}" for name, rank in ranks)
        lines += ["", f"Spearman's correlation with the simulator's parameters: {told}."]
    return "\n".join(lines) + "\n"
