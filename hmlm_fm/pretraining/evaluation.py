"""What a model learned, on networks it never saw, beside the simplest rivals.

Shapes: C conditions, T times, N molecules, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from scipy.special import logsumexp

from ..dynamics.trajectories import TIMES_HOURS, Trajectories
from ..model.condition_encoding import encode_conditions
from ..model.conditions import MODALITIES
from ..model.configuration_hmlm import PARTS
from ..model.fields import to_device
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer
from .masked_baselines import Frequency, MembersOf, NeighbourLookUp
from .objectives import Encoding, next_state_example

CONTEXTS = (0, 4, 16)
SHOWN_TIMES = (0, 7, 13, 17)
"""Positions in `TIMES_HOURS` at which conditions of the context are observed: 0, 6, 24 and 72 h."""
ASKED = 4
INTERVALS_HOURS = {
    "up to 1 h": (0, 1),
    "1 to 8 h": (1, 8),
    "8 to 24 h": (8, 24),
    "1 to 3 d": (24, 72),
}


@dataclass(frozen=True)
class MaskedQuestion:
    """One molecule, masked alone with every node that carries its members.

    Attributes:
        network: unmasked.
        molecule: its position.
        encoding: of the network, masked.
        candidates: (V) whom every row chooses from.
        own: members that are a hit.
    """

    network: SignalingNetwork
    molecule: int
    encoding: Encoding
    candidates: np.ndarray
    own: list[int]


class Scorer(Protocol):
    """A rival of the masked-molecule objective."""

    def scores(self, network: SignalingNetwork, molecule: int) -> np.ndarray:
        """Scores over the vocabulary (V) for one molecule, from the rest of its network."""


def token_reader(tokenizer: HMLMTokenizer) -> MembersOf:
    """What gives the tokens of each molecule of a network; a network is read once."""
    cache: dict[str, list[list[int]]] = {}

    def members_of(network: SignalingNetwork) -> list[list[int]]:
        if network.content_hash not in cache:
            ids = tokenizer.encode_network(network, warn_unknown=False)["input_ids"]
            unknown = tokenizer.unk_token_id
            cache[network.content_hash] = [[t for t in row if t > unknown] for row in ids.tolist()]
        return cache[network.content_hash]

    return members_of


def masked_questions(
    tokenizer: HMLMTokenizer,
    training: Sequence[SignalingNetwork],
    held_out: Sequence[SignalingNetwork],
) -> list[MaskedQuestion]:
    """Each eligible molecule of the held-out networks masked alone, once.

    Candidates are the training tokens not visible in the network; a molecule is eligible when one
    of its members is a candidate, and a family is hit when any member is.
    """
    members_of = token_reader(tokenizer)
    in_training = np.zeros(tokenizer.vocab_size, dtype=bool)
    for network in training:
        in_training[[t for row in members_of(network) for t in row]] = True
    questions = []
    for network in held_out:
        members = members_of(network)
        encoding = tokenizer.encode_network(network, warn_unknown=False)
        for molecule, own in enumerate(members):
            hidden = [i for i, m in enumerate(members) if not set(own).isdisjoint(m)]
            candidates = in_training.copy()
            candidates[[t for i, m in enumerate(members) if i not in hidden for t in m]] = False
            own_candidates = [t for t in own if candidates[t]]
            if not own_candidates:
                continue
            ids = encoding["input_ids"].copy()
            ids[hidden] = 0
            ids[hidden, 0] = tokenizer.mask_token_id
            questions.append(
                MaskedQuestion(
                    network, molecule, encoding | {"input_ids": ids}, candidates, own_candidates
                )
            )
    return questions


@torch.no_grad()
def ranks_of_model(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    questions: Sequence[MaskedQuestion],
    batch_size: int = 32,
) -> tuple[list[int], list[float]]:
    """The rank of each answer among its candidates, and its surprise in nats."""
    ranks, surprises = [], []
    model.eval()
    for first in range(0, len(questions), batch_size):
        asked = questions[first : first + batch_size]
        batch = tokenizer.pad([question.encoding for question in asked])
        logits = model(**to_device(batch, model.device)).logits.float().cpu().numpy()
        for row, question in enumerate(asked):
            scores = logits[row, question.molecule]
            ranks.append(_rank(scores, question.candidates, question.own))
            surprise = logsumexp(scores[question.candidates]) - logsumexp(scores[question.own])
            surprises.append(float(surprise))
    return ranks, surprises


def ranks_of_rival(rival: Scorer, questions: Sequence[MaskedQuestion]) -> list[int]:
    """The rank of each answer among its candidates."""
    return [_rank(rival.scores(q.network, q.molecule), q.candidates, q.own) for q in questions]


def top_shares(ranks: Sequence[int]) -> dict[str, Any]:
    """top1 and top10 with their 95 % Wilson intervals."""
    found: dict[str, Any] = {}
    for top in (1, 10):
        hits = int(sum(rank < top for rank in ranks))
        found[f"top{top}"] = hits / max(len(ranks), 1)
        found[f"top{top}_interval"] = wilson_interval(hits, len(ranks))
    return found


def evaluate_masked_molecules(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    training: Sequence[SignalingNetwork],
    held_out: Sequence[SignalingNetwork],
) -> dict[str, Any]:
    """Each eligible molecule masked alone, once; see `masked_questions`.

    Returns:
        top1, top10 of the model and of frequency and neighbour look-up, with 95 % Wilson
        intervals, n, and the model's cross entropy among the candidates, in nats.
    """
    questions = masked_questions(tokenizer, training, held_out)
    members_of, size = token_reader(tokenizer), tokenizer.vocab_size
    ranks, surprises = ranks_of_model(model, tokenizer, questions)
    found: dict[str, Any] = {"n": len(questions)}
    found["cross_entropy"] = float(np.mean(surprises)) if surprises else math.nan
    found |= top_shares(ranks)
    for name, of in (("frequency", Frequency), ("neighbour", NeighbourLookUp)):
        shares = top_shares(ranks_of_rival(of(training, members_of, size), questions))
        found |= {f"{name}_{key}": value for key, value in shares.items()}
    return found


def _rank(scores_V: np.ndarray, candidates_V: np.ndarray, own: Sequence[int]) -> int:
    """How many candidates score above the best own member; ties count half against it.

    Scores that are no numbers rank last.
    """
    rest = candidates_V.copy()
    rest[own] = False
    best = scores_V[own].max()
    if not np.isfinite(scores_V[candidates_V]).all():
        return int(rest.sum())
    return int((scores_V[rest] > best).sum() + (scores_V[rest] == best).sum() // 2)


def wilson_interval(hits: int, n: int, z: float = 1.96) -> list[float]:
    """95 % interval of a share (Wilson, J Am Stat Assoc 1927;22:209-212)."""
    if not n:
        return [0.0, 1.0]
    centre = (hits + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * np.sqrt(hits * (n - hits) / n + z * z / 4)
    return [max(float(centre - half), 0.0), min(float(centre + half), 1.0)]


class StateRivals:
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
    def context_mean(sample: Trajectories, shown: np.ndarray) -> np.ndarray:
        """Mean (T, N) over the shown conditions, interpolated between the times they were seen."""
        seen = sample.states[shown][:, list(SHOWN_TIMES)].astype(np.float64).mean(0)
        at = np.array(TIMES_HOURS)[list(SHOWN_TIMES)]
        return np.stack(
            [np.interp(TIMES_HOURS, at, seen[:, n]) for n in range(seen.shape[1])], axis=1
        )


def question(sample: Trajectories, network: Encoding, context: int) -> tuple[Encoding, np.ndarray]:
    """The fixed question about a held-out network: the first conditions, at all times, noise-free.

    Returns:
        The encoding, and which conditions are shown.
    """
    asked = np.arange(ASKED)
    shown = np.arange(ASKED, ASKED + context)
    states = sample.states.astype(np.float32)
    molecules = states.shape[-1]
    encoding = dict(network)
    encoding["baseline_state"] = sample.baseline.astype(np.float32)
    encoding["baseline_mask"] = np.ones(molecules, dtype=bool)
    if context:
        times = np.array(TIMES_HOURS, dtype=np.float32)[list(SHOWN_TIMES)]
        encoding |= encode_conditions(sample.drawn, [sample.conditions[c] for c in shown])
        encoding["condition_mask"] = np.ones(context, dtype=np.int64)
        width = molecules * len(times)
        encoding["observation_index"] = np.tile(np.arange(molecules), (context, len(times)))
        encoding["observation_modality"] = np.zeros((context, width), dtype=np.int64)
        encoding["observation_hours"] = np.tile(np.repeat(times, molecules), (context, 1))
        encoding["observation_value"] = states[shown][:, list(SHOWN_TIMES)].reshape(context, width)
    encoding |= encode_conditions(sample.drawn, [sample.conditions[c] for c in asked], "query_")
    encoding["query_initial_state"] = states[asked, 0]
    encoding["query_initial_mask"] = np.ones((ASKED, molecules), dtype=bool)
    encoding["query_hours"] = np.tile(np.array(TIMES_HOURS[1:], dtype=np.float32), (ASKED, 1))
    return encoding, shown


@torch.no_grad()
def predict_held_out(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    held_out: Sequence[Trajectories],
    context: int,
    batch_size: int = 4,
) -> list[np.ndarray]:
    """Predicted states (asked conditions, later times, N) of every held-out network."""
    model.eval()
    predictions: list[np.ndarray] = []
    for first in range(0, len(held_out), batch_size):
        samples = held_out[first : first + batch_size]
        encodings = [
            question(s, tokenizer.encode_network(s.visible, warn_unknown=False), context)[0]
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
        model, tokenizer: what is evaluated.
        training: what the corpus's mean is taken over.
        held_out: what is asked about.
        untrained: the same model before training, which follows the wiring with default gates and
            corrects them by the context: the rival that shows what pretraining adds.

    Returns:
        `mse` (no context), the baselines, `by_context` with 95 % intervals over networks,
        `by_interval`, the ratios of errors with 16, 4 and no conditions with paired 95 %
        intervals, and `untrained_by_context` where an untrained model is given.
    """
    rivals = StateRivals(training)
    late = np.array(TIMES_HOURS[1:])
    truths = [s.states[:ASKED, 1:].astype(np.float64) for s in held_out]

    def errors(predictions: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([((p - t) ** 2).mean() for p, t in zip(predictions, truths, strict=True)])

    by_context, model_errors, interval_errors = {}, {}, {}
    for context in CONTEXTS:
        predictions = predict_held_out(model, tokenizer, held_out, context)
        model_errors[context] = errors(predictions)
        by_context[str(context)] = {
            "mse": float(model_errors[context].mean()),
            "interval": bootstrap_interval(model_errors[context]),
        }
        if context == 0:
            for name, (low, high) in INTERVALS_HOURS.items():
                chosen = (late > low) & (late <= high)
                interval_errors[name] = float(
                    np.mean(
                        [
                            ((p[:, chosen] - t[:, chosen]) ** 2).mean()
                            for p, t in zip(predictions, truths, strict=True)
                        ]
                    )
                )
    hold = errors(
        [
            np.broadcast_to(s.states[:ASKED, :1], t.shape)
            for s, t in zip(held_out, truths, strict=True)
        ]
    )
    corpus = errors(
        [
            np.broadcast_to(rivals.corpus_mean(s), t.shape)
            for s, t in zip(held_out, truths, strict=True)
        ]
    )
    shown = np.arange(ASKED, ASKED + CONTEXTS[-1])
    context_mean = errors(
        [
            np.broadcast_to(rivals.context_mean(s, shown)[1:], t.shape)
            for s, t in zip(held_out, truths, strict=True)
        ]
    )
    found = {
        "mse": by_context["0"]["mse"],
        "hold_mse": float(hold.mean()),
        "corpus_mean_mse": float(corpus.mean()),
        "context_mean_mse": float(context_mean.mean()),
        "n_networks": len(held_out),
        "by_context": by_context,
        "by_interval": interval_errors,
        "context_16_to_0": paired_ratio(model_errors[16], model_errors[0]),
        "context_4_to_0": paired_ratio(model_errors[4], model_errors[0]),
        "context_16_to_4": paired_ratio(model_errors[16], model_errors[4]),
    }
    if untrained is not None:
        found["untrained_by_context"] = {
            str(context): float(
                errors(predict_held_out(untrained, tokenizer, held_out, context)).mean()
            )
            for context in CONTEXTS
        }
    return found


@torch.no_grad()
def evaluate_modalities(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    held_out: Sequence[Trajectories],
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Root mean squared error per modality, beside a spread of values that explains nothing."""
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


def evaluate_ablations(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    training: Sequence[SignalingNetwork],
    held_out: Sequence[SignalingNetwork],
    unseen: Sequence[Trajectories],
) -> dict[str, dict[str, float]]:
    """Held-out errors of a trained model with each part taken out, `none` being the whole.

    Returns:
        per part, the errors of states with each size of context, of states when the context has
        several modalities, of values in the other modalities, and of masked molecules.
    """
    table = {}
    whole = list(model.config.disabled_parts)
    try:
        for part in ("none", *PARTS):
            model.config.disabled_parts = whole if part == "none" else [*whole, part]
            row = {}
            if unseen:
                next_state = evaluate_next_state(model, tokenizer, unseen, unseen)
                row = {f"mse_{c}": e["mse"] for c, e in next_state["by_context"].items()}
                modalities = evaluate_modalities(model, tokenizer, unseen)
                row["mixed_modalities_rmse"] = modalities.pop("activity")["rmse"]
                row["values_rmse"] = float(np.mean([m["rmse"] for m in modalities.values()]))
            masked = evaluate_masked_molecules(model, tokenizer, training, held_out)
            row["masked_cross_entropy"] = masked["cross_entropy"]
            table[part] = row | {"masked_top10": masked["top10"]}
    finally:
        model.config.disabled_parts = whole
    return table


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
