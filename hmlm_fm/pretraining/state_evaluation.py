"""Next states of held-out networks, beside the simplest baselines.

Shapes: C conditions, T times, N molecules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..dynamics.trajectories import TIMES_HOURS, Trajectories
from ..model.condition_encoding import encode_conditions
from ..model.conditions import MODALITIES
from ..model.fields import to_device
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.tokenization_hmlm import HMLMTokenizer
from .objectives import Encoding, next_state_example

CONTEXTS = (0, 4, 16)
CONTEXT_TIMES = (0, 7, 13, 17)
"""Positions in `TIMES_HOURS` at which conditions of the context are observed: 0, 6, 24 and 72 h."""
QUERIES = 4
INTERVALS_HOURS = {
    "up to 1 h": (0, 1),
    "1 to 8 h": (1, 8),
    "8 to 24 h": (8, 24),
    "1 to 3 d": (24, 72),
}


class StateBaselines:
    """Simple predictors of states: the first state, the corpus's mean, the context's mean."""

    def __init__(self, training: Sequence[Trajectories]) -> None:
        sums: dict[tuple[str, ...], list[float]] = {}
        for sample in training:
            means = sample.states.astype(np.float64).mean((0, 1))
            for molecule, mean in zip(sample.drawn.molecules, means, strict=True):
                entry = sums.setdefault(molecule.members or (molecule.name,), [0.0, 0.0])
                entry[0] += mean
                entry[1] += 1
        self.by_members = {members: total / n for members, (total, n) in sums.items()}
        total, count = np.sum(list(sums.values()), axis=0) if sums else (0.0, 1.0)
        self.overall = float(total / max(count, 1.0))

    def corpus_mean(self, sample: Trajectories) -> np.ndarray:
        """Mean state (N) of each molecule over the training trajectories, by its members."""
        return np.array(
            [
                self.by_members.get(m.members or (m.name,), self.overall)
                for m in sample.drawn.molecules
            ]
        )

    @staticmethod
    def context_mean(sample: Trajectories, context: np.ndarray) -> np.ndarray:
        """Mean (T, N) over the conditions of the context, interpolated between observed times."""
        observed = sample.states[context][:, list(CONTEXT_TIMES)].astype(np.float64).mean(0)
        at = np.array(TIMES_HOURS)[list(CONTEXT_TIMES)]
        return np.stack(
            [np.interp(TIMES_HOURS, at, observed[:, n]) for n in range(observed.shape[1])], axis=1
        )


def held_out_query(
    sample: Trajectories, network: Encoding, context: int
) -> tuple[Encoding, np.ndarray]:
    """The fixed query of a held-out network: its first conditions, at all times, noise-free.

    Returns:
        The encoding, and which conditions are its context.
    """
    queries = np.arange(QUERIES)
    chosen = np.arange(QUERIES, QUERIES + context)
    states = sample.states.astype(np.float32)
    molecules = states.shape[-1]
    encoding = dict(network)
    encoding["baseline_state"] = sample.baseline.astype(np.float32)
    encoding["baseline_mask"] = np.ones(molecules, dtype=bool)
    if context:
        times = np.array(TIMES_HOURS, dtype=np.float32)[list(CONTEXT_TIMES)]
        encoding |= encode_conditions(sample.drawn, [sample.conditions[c] for c in chosen])
        encoding["condition_mask"] = np.ones(context, dtype=np.int64)
        width = molecules * len(times)
        encoding["observation_index"] = np.tile(np.arange(molecules), (context, len(times)))
        encoding["observation_modality"] = np.zeros((context, width), dtype=np.int64)
        encoding["observation_hours"] = np.tile(np.repeat(times, molecules), (context, 1))
        encoding["observation_value"] = states[chosen][:, list(CONTEXT_TIMES)].reshape(
            context, width
        )
    encoding |= encode_conditions(sample.drawn, [sample.conditions[c] for c in queries], "query_")
    encoding["query_initial_state"] = states[queries, 0]
    encoding["query_initial_mask"] = np.ones((QUERIES, molecules), dtype=bool)
    encoding["query_hours"] = np.tile(np.array(TIMES_HOURS[1:], dtype=np.float32), (QUERIES, 1))
    return encoding, chosen


@torch.no_grad()
def predict_held_out(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    held_out: Sequence[Trajectories],
    context: int,
    batch_size: int = 4,
) -> list[np.ndarray]:
    """Predicted states (query conditions, later times, N) of every held-out network."""
    model.eval()
    predictions: list[np.ndarray] = []
    for first in range(0, len(held_out), batch_size):
        samples = held_out[first : first + batch_size]
        encodings = [
            held_out_query(s, tokenizer.encode_network(s.visible, warn_unknown=False), context)[0]
            for s in samples
        ]
        states = (
            model(**to_device(tokenizer.pad(encodings), model.device)).states.float().cpu().numpy()
        )
        predictions += [states[row, :, :, : len(s.baseline)] for row, s in enumerate(samples)]
    return predictions


def evaluate_next_state(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    training: Sequence[Trajectories],
    held_out: Sequence[Trajectories],
    untrained: HMLMForSignaling | None = None,
) -> dict[str, Any]:
    """Mean squared error of predicted states on held-out networks, first state given.

    Args:
        model, tokenizer: those to evaluate.
        training: trajectories of the corpus's mean.
        held_out: the networks to predict.
        untrained: the same model before training, which follows the wiring with default gates and
            corrects them by the context: the control that shows what pretraining adds.

    Returns:
        `mse` (no context), the baselines, `by_context` with 95 % intervals over networks,
        `by_interval`, the ratios of errors with 16, 4 and no conditions with paired 95 %
        intervals, and `untrained_by_context` where an untrained model is given.
    """
    truths = [s.states[:QUERIES, 1:].astype(np.float64) for s in held_out]
    predictions = {
        context: predict_held_out(model, tokenizer, held_out, context) for context in CONTEXTS
    }
    errors = {context: _errors(found, truths) for context, found in predictions.items()}
    by_context = {
        str(context): {"mse": float(found.mean()), "interval": bootstrap_interval(found)}
        for context, found in errors.items()
    }
    found = {
        "mse": by_context["0"]["mse"],
        **_baseline_errors(training, held_out, truths),
        "n_networks": len(held_out),
        "by_context": by_context,
        "by_interval": _errors_by_interval(predictions[0], truths),
        "context_16_to_0": paired_ratio(errors[16], errors[0]),
        "context_4_to_0": paired_ratio(errors[4], errors[0]),
        "context_16_to_4": paired_ratio(errors[16], errors[4]),
    }
    if untrained is not None:
        found["untrained_by_context"] = {
            str(context): float(
                _errors(predict_held_out(untrained, tokenizer, held_out, context), truths).mean()
            )
            for context in CONTEXTS
        }
    return found


def _errors(predictions: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> np.ndarray:
    """The mean squared error of each network."""
    return np.array([((p - t) ** 2).mean() for p, t in zip(predictions, truths, strict=True)])


def _errors_by_interval(
    predictions: Sequence[np.ndarray], truths: Sequence[np.ndarray]
) -> dict[str, float]:
    """The mean squared error by how far ahead is predicted."""
    later, found = np.array(TIMES_HOURS[1:]), {}
    for name, (low, high) in INTERVALS_HOURS.items():
        chosen = (later > low) & (later <= high)
        within = [p[:, chosen] for p in predictions], [t[:, chosen] for t in truths]
        found[name] = float(_errors(*within).mean())
    return found


def _baseline_errors(
    training: Sequence[Trajectories],
    held_out: Sequence[Trajectories],
    truths: Sequence[np.ndarray],
) -> dict[str, float]:
    """The mean squared errors of the first state, the corpus's mean, and the context's mean."""
    baselines = StateBaselines(training)
    context = np.arange(QUERIES, QUERIES + CONTEXTS[-1])
    predicted = {
        "hold_mse": [s.states[:QUERIES, :1] for s in held_out],
        "corpus_mean_mse": [baselines.corpus_mean(s) for s in held_out],
        "context_mean_mse": [baselines.context_mean(s, context)[1:] for s in held_out],
    }
    return {
        name: float(
            _errors(
                [np.broadcast_to(p, t.shape) for p, t in zip(states, truths, strict=True)],
                truths,
            ).mean()
        )
        for name, states in predicted.items()
    }


@torch.no_grad()
def evaluate_modalities(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    held_out: Sequence[Trajectories],
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Root mean squared error per modality, beside the standard deviation of values."""
    model.eval()
    squared: dict[str, list[np.ndarray]] = {name: [] for name in MODALITIES}
    values: dict[str, list[np.ndarray]] = {name: [] for name in MODALITIES}
    for number, sample in enumerate(held_out):
        network = tokenizer.encode_network(sample.visible, warn_unknown=False)
        for draw in range(3):
            rng = np.random.default_rng([seed, number, draw])
            example = next_state_example(sample, network, rng, context=8)
            output = model(**to_device(tokenizer.pad([example]), model.device))
            states = example["target_states"]
            squared["activity"].append((output.states[0].cpu().numpy() - states).ravel() ** 2)
            values["activity"].append(states.ravel())
            for y, name in enumerate(MODALITIES):
                known = example["target_values_mask"][..., y]
                if known.any():
                    target = example["target_values"][..., y][known]
                    error = output.modality_values[0, ..., y].cpu().numpy()[known] - target
                    squared[name].append(error**2)
                    values[name].append(target)
    return {
        name: {
            "rmse": float(np.sqrt(np.concatenate(errors).mean())),
            "standard_deviation": float(np.concatenate(values[name]).std()),
        }
        for name, errors in squared.items()
        if errors
    }


def bootstrap_interval(errors: np.ndarray, seed: int = 0, draws: int = 2000) -> list[float]:
    """95 % interval of a mean over networks, by resampling networks."""
    rng = np.random.default_rng(seed)
    means = errors[rng.integers(len(errors), size=(draws, len(errors)))].mean(1)
    return [float(q) for q in np.percentile(means, [2.5, 97.5])]


def paired_ratio(
    numerator: np.ndarray, denominator: np.ndarray, seed: int = 0, draws: int = 2000
) -> dict[str, Any]:
    """Ratio of two mean errors on the same networks, with its paired bootstrap interval."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(numerator), size=(draws, len(numerator)))
    ratios = numerator[rows].mean(1) / denominator[rows].mean(1)
    return {
        "ratio": float(numerator.mean() / denominator.mean()),
        "interval": [float(q) for q in np.percentile(ratios, [2.5, 97.5])],
    }
