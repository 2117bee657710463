"""The README.md of a fine-tuned folder: what was fitted, how well, and what is left unexplained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..common.words import counted
from ..inference.pipeline import NETWORK_FILE
from ..measurements.measured import Measurements
from ..model.conditions import TREATMENTS
from .gate_fit import GATE_PARTS
from .held_out_comparison import GATES, MEAN, RULER, WITH_EFFECTS

HEAD = """---
license: apache-2.0
library_name: transformers
tags: [hmlm, cell-signalling]
---
"""
USE = """```python
from hmlm_fm import SignalingPipeline

pipeline = SignalingPipeline.from_pretrained("FOLDER")
```
"""


@dataclass(frozen=True)
class CardFacts:
    """The content of a card.

    Attributes:
        data: the measurements that were fitted to.
        metrics: as in metrics.json.
        checkpoint: the one that was fine-tuned.
        tunable: the parts of gates that were fitted.
        adapted: whether the weights that infer gates were adapted first.
        unexplained: as `unexplained_table` gives it.
    """

    data: Measurements
    metrics: Mapping[str, Any]
    checkpoint: str
    tunable: tuple[str, ...]
    adapted: bool
    unexplained: pd.DataFrame


def model_card(facts: CardFacts) -> str:
    """The card as Markdown."""
    parts = [HEAD, f"# HMLM fine-tuned on {facts.data.network.name}\n"]
    if facts.adapted:
        parts.append("The weights that infer gates were adapted to the tissue first.\n")
    parts += [_fitted_to(facts), USE, _held_out_error(facts)]
    if facts.metrics.get("held_out_beside"):
        parts.append(_beside(facts.metrics["held_out_beside"]))
    if len(facts.unexplained):
        parts.append(_unexplained(facts.metrics, facts.unexplained))
    if "held_out" in facts.metrics:
        parts.append(_held_out_table(facts.metrics["held_out"]))
    if facts.metrics.get("spearman_with_truth"):
        ranks = facts.metrics["spearman_with_truth"].items()
        words = ", ".join(f"{name} {rank:.2f}" for name, rank in ranks)
        parts.append(f"Spearman's correlation with the simulator's parameters: {words}.\n")
    return "\n".join(parts)


def _fitted_to(facts: CardFacts) -> str:
    data = facts.data
    text = (
        f"From `{facts.checkpoint}`: gates and time constants of {len(data.network.molecules)} "
        f"molecules, fitted to {counted(len(data.conditions), 'condition')} at "
        f"{counted(int((data.times_hours > 0).sum()), 'time')}. It predicts this network alone, "
        f"which lies beside it as `{NETWORK_FILE}`.\n"
    )
    if set(facts.tunable) != set(GATE_PARTS):
        text += f"\nFitted is {', '.join(facts.tunable)}; the rest is as inferred.\n"
    return text


def _held_out_error(facts: CardFacts) -> str:
    metrics = facts.metrics
    units = "."
    if any(facts.data.others):
        units = ", other modalities in units in which they vary as activities do."
    return (
        "Mean squared error on held-out training "
        f"{'conditions' if len(facts.data.conditions) > 1 else 'times'}: "
        f"{metrics['held_out_mse']:.4f} ({metrics['held_out_mse_at_start']:.4f} before fitting)"
        f"{units}\n"
    )


LABELS = {
    MEAN: "mean of the other conditions",
    GATES: "gates alone",
    WITH_EFFECTS: "gates and added effects",
    RULER: "ruler (kernel regression on treatments)",
}


def _beside(errors: Mapping[str, float]) -> str:
    lines = ["| on the same held-out conditions | MSE |", "|---|---|"]
    lines += [f"| {LABELS[name]} | {error:.4f} |" for name, error in errors.items()]
    warning = gates_warning(errors)
    return "\n".join(lines) + "\n" + (f"\n{warning}.\n" if warning else "")


def gates_warning(errors: Mapping[str, float]) -> str:
    """What must be said where gates explain no more than the mean does, or nothing."""
    if not errors or errors[GATES] < errors[MEAN]:
        return ""
    return (
        f"gates explain no more of held-out conditions than their mean does (MSE "
        f"{errors[GATES]:.4f} and {errors[MEAN]:.4f}): what is predicted beyond it comes from the "
        "added effects, and gates and time constants should not be read"
    )


def _unexplained(metrics: Mapping[str, Any], unexplained: pd.DataFrame) -> str:
    largest = unexplained.iloc[0]
    shares = " and ".join(
        f"{share:.0%} of {what}" for what, share in metrics["discrepancy_explains"].items()
    )
    where = "in every condition"
    if largest["treatment"] in TREATMENTS:
        where = f"where {largest['target']} is {largest['treatment']}"
    return (
        "Additive effects of stimuli and perturbations explain a share of the squared residuals of "
        f"the gates: {shares}, on conditions that gates, but not the effects, were fitted to. They "
        f"are in `unexplained.csv`, the largest on {largest['molecule']} at "
        f"{largest['time_hours']:g} hours {where} ({largest['effect']:+.2f}). The network may lack "
        "an interaction there.\n"
    )


def _held_out_table(held_out: Mapping[str, Mapping[str, float]]) -> str:
    lines = [
        "| held out | MSE | first state held | training mean | coverage of 90 % | width |",
        "|---|---|---|---|---|---|",
    ]
    for split, found in held_out.items():
        errors = (found["mse"], found["mse_hold"], found["mse_training_mean"])
        columns = " | ".join(f"{value:.4f}" for value in errors)
        lines.append(f"| {split} | {columns} | {found['coverage']:.2f} | {found['width']:.2f} |")
    return "\n".join(lines) + "\n"
