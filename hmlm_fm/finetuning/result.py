"""A fine-tuned model: it predicts, and is saved as a folder that loads, with tables and a card.

Shapes: C conditions, T times, N molecules.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..common.environment import environment
from ..common.files import check_folder, whole_folder, write_text
from ..fitting.ensemble import Fit
from ..formats.json_format import write_json
from ..inference.context import known_states, make_context
from ..inference.figures import Band, plot_bands
from ..inference.gate_tables import gate_tables, unexplained_table
from ..inference.pipeline import BASELINE_FILE, NETWORK_FILE, SignalingPipeline
from ..inference.prediction import Prediction, predict_states
from ..measurements.measured import Measurements
from ..measurements.metrics import MARKERS
from ..measurements.time_scale import time_scale_for
from ..model.conditions import Condition, Observation
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.tokenization_hmlm import HMLMTokenizer
from .card import CardFacts, model_card

UNEXPLAINED_FILE = "unexplained.csv"
FIGURE_FILE, MOST_DRAWN, TIMES_DRAWN = "trajectories.png", 8, 49


@dataclass(frozen=True)
class FittedModel:
    """A model with the fitted gates of one network.

    Attributes:
        model, tokenizer: as Hugging Face knows them.
        data: the measurements that were fitted to.
        fit: of all members.
        checkpoint: the one that was fine-tuned.
        tunable: the parts of gates that were fitted.
        adapted: whether the weights that infer gates were adapted first.
    """

    model: HMLMForSignaling
    tokenizer: HMLMTokenizer
    data: Measurements
    fit: Fit
    checkpoint: str
    tunable: tuple[str, ...]
    adapted: bool = False
    metrics: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tissue = self.model.next_state.tissue
        assert tissue is not None
        parts = {"activities": tissue.discrepancy, "other modalities": tissue.shown_discrepancy}
        self.metrics.update(
            held_out_mse=float(self.fit.held_out_error.mean()),
            held_out_mse_at_start=float(self.fit.error_at_start.mean()),
            held_out_beside=dict(self.fit.compared),
            steps=self.fit.steps,
            time_scale=time_scale_for(self.data.times_hours),
            discrepancy_explains={
                what: part.explained for what, part in parts.items() if part is not None
            },
        )

    @cached_property
    def pipeline(self) -> SignalingPipeline:
        """The pipeline that predicts the fitted network."""
        data = self.data
        known = known_states(data.network, data.baseline)
        return SignalingPipeline(self.model, self.tokenizer, data.network, known)

    def predict(
        self,
        conditions: Mapping[str, Condition],
        hours: Iterable[float],
        modality: str = "activity",
        observed: Mapping[str, Sequence[Observation]] | None = None,
    ) -> pd.DataFrame:
        """As `SignalingPipeline.predict`."""
        return self.pipeline.predict(conditions, hours, modality, observed)

    def predict_held_out(self, queries: Mapping[str, Measurements]) -> dict[str, Prediction]:
        """Predictions of held-out conditions, by split."""
        context = make_context(self.tokenizer, self.data.network, self.data.baseline)
        return {
            split: predict_states(
                self.model, context, self.data.network, truth.conditions, truth.times_hours
            )
            for split, truth in queries.items()
        }

    def save_pretrained(
        self,
        folder: str | Path,
        options: Mapping[str, Any] | None = None,
        held_out: tuple[Measurements, Prediction] | None = None,
    ) -> None:
        """Write the folder that `SignalingPipeline.from_pretrained` loads: weights, tokenizer,
        network and state at rest, gates and time constants as tables, figure, metrics and card. It
        appears only when it is complete.

        Args:
            folder: new or empty.
            options: of the run, to be kept in training_info.json.
            held_out: simulated truth and predictions to draw, instead of the measurements.

        Raises:
            OptionsError: the folder is not empty, or cannot be made.
        """
        check_folder(Path(folder))
        with whole_folder(Path(folder)) as target:
            self.model.save_pretrained(target)
            self.tokenizer.save_pretrained(target)
            self._save_network(target)
            self._save_tables(target)
            if held_out is not None:
                draw_held_out(*held_out, target / FIGURE_FILE)
            else:
                self._draw_measured(target / FIGURE_FILE)
            info = {
                "options": dict(options or {}),
                "environment": environment(),
                "network_hash": self.data.network.content_hash,
            }
            for name, content in (("metrics", self.metrics), ("training_info", info)):
                write_text(target / f"{name}.json", json.dumps(content, indent=2) + "\n")
            facts = CardFacts(
                self.data, self.metrics, self.checkpoint, self.tunable, self.adapted,
                self.unexplained,
            )  # fmt: skip
            write_text(target / "README.md", model_card(facts))

    @cached_property
    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Time constants of molecules, and gates of interactions; see `gate_tables`."""
        return gate_tables(self.model.to("cpu"), self.tokenizer, self.data)  # type: ignore[arg-type]

    @cached_property
    def unexplained(self) -> pd.DataFrame:
        """Effects of treatments that gates leave unexplained; see `unexplained_table`."""
        return unexplained_table(self.model, self.data.network)

    def _save_network(self, folder: Path) -> None:
        network, baseline = self.data.network, self.data.baseline
        write_json(network, folder / NETWORK_FILE)
        known = np.isfinite(baseline)
        names = [name for name, k in zip(network.names, known, strict=True) if k]
        pd.DataFrame({"molecule": names, "state": baseline[known]}).to_csv(
            folder / BASELINE_FILE, index=False
        )

    def _save_tables(self, folder: Path) -> None:
        molecules, gates = self.tables
        molecules.to_csv(folder / "time_constants.csv", index=False)
        gates.to_csv(folder / "gates.csv", index=False)
        if len(self.unexplained):
            self.unexplained.to_csv(folder / UNEXPLAINED_FILE, index=False)

    def _draw_measured(self, path: Path) -> None:
        """Draw the condition with the most measurements, or the largest changes among several with
        as many; of it the molecules that were measured most often and changed most, each in its
        modality."""
        data = self.data
        courses = [_courses(data, condition) for condition in range(len(data.conditions))]
        sizes = [np.sum([_extent(c) for c in own.values()], 0).tolist() for own in courses]
        row = sizes.index(max(sizes))
        largest = sorted(courses[row].items(), key=lambda item: _extent(item[1]), reverse=True)
        hours = np.linspace(0, data.times_hours.max(), TIMES_DRAWN)
        context = make_context(self.tokenizer, data.network, data.baseline)
        predicted = {
            modality: predict_states(
                self.model, context, data.network, [data.conditions[row]], hours, modality=modality
            )
            for modality in {modality for (_, modality), _ in largest[:MOST_DRAWN]}
        }
        panels = []
        for (i, modality), course in largest[:MOST_DRAWN]:
            times, values = np.array(course).T
            name, found = data.network.names[i], predicted[modality]
            is_activity = modality == "activity"
            label = name if is_activity else f"{name}, {modality}"
            panels.append(
                Band(label, found.states[0, :, i], found.scale[0, :, i], times, values, is_activity)
            )
        named = f"condition {data.names[row]}" if data.names else "a condition"
        title = f"{data.network.name}, {named}: {describe(data.conditions[row])}"
        plot_bands(title, hours, panels, ("ko", "measured"), path)


def draw_held_out(truth: Measurements, predicted: Prediction, path: Path) -> None:
    """Draw the first of the held-out conditions: fibrosis markers, or what changes most."""
    names, hours = truth.network.names, truth.times_hours
    chosen = [i for i, name in enumerate(names) if name in MARKERS]
    chosen = chosen or np.argsort(-np.ptp(truth.states[0], axis=0))[:MOST_DRAWN].tolist()
    panels = [
        Band(
            names[i], predicted.states[0, :, i], predicted.scale[0, :, i], hours,
            truth.states[0, :, i],
        )
        for i in chosen
    ]  # fmt: skip
    title = f"{truth.network.name}, a held-out condition: {describe(truth.conditions[0])}"
    plot_bands(title, hours, panels, ("k--", "true"), path)


def describe(condition: Condition) -> str:
    """Stimuli and perturbations of a condition, in words."""
    words = [f"{name} {level:.2f}" for name, level in condition.stimuli.items()]
    words += [f"{p.kind} of {p.target}" for p in condition.perturbations]
    return ", ".join(words) or "no stimulus"


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


def _extent(course: Sequence[tuple[float, float]]) -> tuple[int, float]:
    """How often something was measured, and the range of its values."""
    return len(course), float(np.ptp([value for _, value in course]))
