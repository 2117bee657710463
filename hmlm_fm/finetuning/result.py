"""What a fine-tuning run leaves: a folder that loads, with its tables, figure and card."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..common.environment import environment
from ..common.files import whole_folder, write_text
from ..common.words import counted
from ..formats.json_format import write_json
from ..inference.context import make_context
from ..inference.figures import Band, plot_bands
from ..inference.gate_tables import against_truth, gate_tables, unexplained_table
from ..inference.pipeline import BASELINE_FILE, NETWORK_FILE
from ..inference.prediction import Prediction, predict_states
from ..measurements.measured import Measurements
from ..measurements.metrics import MARKERS
from ..measurements.simulated import SimulatedTask
from ..measurements.trivial import Hold, TrainingMean
from ..model.conditions import DONE, Condition
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer
from .fine_tune import GATE_PARTS
from .finetuning_options import FinetuningOptions

UNEXPLAINED_FILE = "unexplained.csv"
FIGURE_FILE, MOST_DRAWN, TIMES_DRAWN = "trajectories.png", 8, 49


def write_result(
    options: FinetuningOptions,
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    data: Measurements,
    network: SignalingNetwork,
    task: SimulatedTask | None,
    told: Mapping[str, Prediction],
    metrics: dict[str, Any],
) -> None:
    """All files of the result, in a folder that takes its name when it is whole."""
    with whole_folder(Path(options.output_dir)) as folder:
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
        unexplained = unexplained_table(model, data.network)
        if len(unexplained):
            unexplained.to_csv(folder / UNEXPLAINED_FILE, index=False)
        if task is not None:
            metrics["spearman_with_truth"] = against_truth(network, molecules, gates)
            _draw_unseen(task.queries["pairs"], told["pairs"], folder / FIGURE_FILE)
        else:
            _draw_measured(model, tokenizer, data, folder / FIGURE_FILE)
        write_text(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
        info = {
            "options": asdict(options),
            "environment": environment(),
            "network_hash": data.network.content_hash,
        }
        write_text(folder / "training_info.json", json.dumps(info, indent=2) + "\n")
        write_text(folder / "README.md", _card(options, data, metrics, unexplained))


def _draw_unseen(truth: Measurements, told: Prediction, path: Path) -> None:
    """The first of the unseen conditions: fibrosis markers, or what moves most."""
    names, hours = truth.network.names, truth.times_hours
    chosen = [i for i, name in enumerate(names) if name in MARKERS]
    chosen = chosen or np.argsort(-np.ptp(truth.states[0], axis=0))[:MOST_DRAWN].tolist()
    panels = [
        Band(names[i], told.states[0, :, i], told.scale[0, :, i], hours, truth.states[0, :, i])
        for i in chosen
    ]
    title = f"{truth.network.name}, an unseen condition: {_done(truth.conditions[0])}"
    plot_bands(title, hours, panels, ("k--", "true"), path)


def _draw_measured(
    model: HMLMForSignaling, tokenizer: HMLMTokenizer, data: Measurements, path: Path
) -> None:
    """The condition of which most was measured, or moved most, if several are alike; of it what was
    measured most often and moved most, each in its modality."""
    seen = [_courses(data, condition) for condition in range(len(data.conditions))]
    told_most = [np.sum([_told(course) for course in of.values()], 0).tolist() for of in seen]
    row = told_most.index(max(told_most))
    courses = sorted(seen[row].items(), key=lambda item: _told(item[1]), reverse=True)[:MOST_DRAWN]
    hours = np.linspace(0, data.times_hours.max(), TIMES_DRAWN)
    context = make_context(tokenizer, data.network, data.baseline)
    told = {
        modality: predict_states(
            model, context, data.network, [data.conditions[row]], hours,
            modality=modality,
        )
        for modality in {modality for (_, modality), _ in courses}
    }  # fmt: skip
    panels = []
    for (i, modality), course in courses:
        times, values = np.array(course).T
        name = data.network.names[i]
        panels.append(
            Band(
                name if modality == "activity" else f"{name}, {modality}",
                told[modality].states[0, :, i],
                told[modality].scale[0, :, i],
                times,
                values,
                modality == "activity",
            )
        )
    named = f"condition {data.names[row]}" if data.names else "a condition"
    title = f"{data.network.name}, {named}: {_done(data.conditions[row])}"
    plot_bands(title, hours, panels, ("ko", "measured"), path)


def _courses(
    data: Measurements, condition: int
) -> dict[tuple[int, str], list[tuple[float, float]]]:
    """Times and values by position of the molecule and modality, of one condition."""
    courses: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
    for t, i in zip(*np.nonzero(data.measured[condition]), strict=True):
        value = float(data.states[condition, t, i])
        courses[int(i), "activity"].append((float(data.times_hours[t]), value))
    for o in data.others[condition] if data.others else ():
        courses[data.network.molecule_index[o.molecule], o.modality].append((o.time_hours, o.value))
    return courses


def _told(course: Sequence[tuple[float, float]]) -> tuple[int, float]:
    """How often something was measured, and how far it moved."""
    return len(course), float(np.ptp([value for _, value in course]))


def _done(condition: Condition) -> str:
    named = [f"{name} {level:.2f}" for name, level in condition.stimuli.items()]
    named += [f"{p.kind} of {p.target}" for p in condition.perturbations]
    return ", ".join(named) or "nothing is done"


def _card(
    options: FinetuningOptions,
    data: Measurements,
    metrics: Mapping[str, Any],
    unexplained: pd.DataFrame,
) -> str:
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
            if options.adapts
            else []
        ),
        f"From `{options.checkpoint}`: gates and time constants of {len(data.network.molecules)} "
        f"molecules, fitted to {counted(len(data.conditions), 'condition')} at "
        f"{counted(int((data.times_hours > 0).sum()), 'time')}. It answers for this network "
        f"alone, which lies beside it as `{NETWORK_FILE}`.",
        *(
            []
            if set(options.tunable_parts) == set(GATE_PARTS)
            else ["", f"Fitted is {', '.join(options.tunable_parts)}; the rest is as inferred."]
        ),
        "",
        "```python",
        "from hmlm_fm.inference.pipeline import SignalingPipeline",
        "",
        'pipeline = SignalingPipeline.from_pretrained("FOLDER")',
        "```",
        "",
        f"Mean squared error on held-out training "
        f"{'conditions' if len(data.conditions) > 1 else 'times'}: {metrics['held_out_mse']:.4f} "
        f"({metrics['held_out_mse_at_start']:.4f} before fitting)"
        + (
            ", other modalities in units in which they vary as activities do."
            if any(data.others)
            else "."
        ),
    ]
    if len(unexplained):
        largest = unexplained.iloc[0]
        shares = " and ".join(
            f"{share:.0%} of {what}" for what, share in metrics["discrepancy_explains"].items()
        )
        where = "in every condition"
        if largest["done"] in DONE:
            where = f"where {largest['to']} is {largest['done']}"
        lines += [
            "",
            f"Of what the gates miss, {shares} (by its square, of conditions that gates, but not "
            "the effects, were fitted to) is told by what was done and is added to them: effects "
            f"in `{UNEXPLAINED_FILE}`, the largest on {largest['molecule']} at "
            f"{largest['time_hours']:g} hours {where} ({largest['effect']:+.2f}). The network may "
            "lack an interaction there.",
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
