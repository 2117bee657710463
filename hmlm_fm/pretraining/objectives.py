"""The two objectives as training examples: masked molecules, and next states in context.

Every example is drawn from a generator of its own, seeded by its number, so that a run can be
resumed at any step and train on the same data.

Shapes: N molecules, K members, C context conditions, O observations, Q query conditions, U query
times, Y modalities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from ..corpora.tokenised import TokenisedCorpus
from ..dynamics.draw import EXPRESSION_KINDS
from ..dynamics.trajectories import TIMES_HOURS, Trajectories
from ..model.condition_encoding import encode_conditions
from ..model.conditions import MODALITIES, Condition
from ..model.error_base import HMLMError
from ..model.tokenization_hmlm import HMLMTokenizer

MASKED_SHARE = 0.15
LARGEST_CONTEXT = 16
MOST_ROUNDS = 4
QUERY_CONDITIONS = 4
QUERY_TIMES = 5

Encoding = dict[str, np.ndarray]


def mask_molecules(
    encoding: Encoding, tokenizer: HMLMTokenizer, rng: np.random.Generator
) -> Encoding:
    """Mask about 15 % of the molecules that have an identity; a family is masked as one.

    Of those chosen, 80 % become [MASK], 10 % another token, 10 % stay. Every other node that
    carries one of the masked members is masked too, since it would reveal them.

    Returns:
        The encoding with `input_ids` (N, K) masked; `masked_ids` (N, K), the labels, -1 where
        nothing is to be predicted; and `chance_seed` (1).
    """
    encoding = encoding | {"chance_seed": rng.integers(2**31, size=1)}
    known = np.flatnonzero(encoding["input_ids"][:, 0] > tokenizer.unk_token_id)
    if not len(known):
        return encoding | {"masked_ids": np.full_like(encoding["input_ids"], -1)}
    count = max(1, round(MASKED_SHARE * len(known)))
    chosen = rng.choice(known, size=count, replace=False)
    fate = rng.random(count)
    ids, labels = encoding["input_ids"].copy(), np.full_like(encoding["input_ids"], -1)
    members = encoding["input_ids"][chosen]
    labels[chosen] = np.where(members > 0, members, -1)
    masked = chosen[fate < 0.8]
    shared = np.isin(encoding["input_ids"], encoding["input_ids"][masked]) & (
        encoding["input_ids"] > tokenizer.unk_token_id
    )
    ids[shared.any(1)] = 0
    ids[shared.any(1), 0] = tokenizer.mask_token_id
    swapped = chosen[(fate >= 0.8) & (fate < 0.9)]
    ids[swapped] = 0
    ids[swapped, 0] = rng.integers(tokenizer.unk_token_id + 1, tokenizer.vocab_size, len(swapped))
    return encoding | {"input_ids": ids, "masked_ids": labels}


@dataclass
class Instrument:
    """A random observation model of one modality: gain and offset per molecule, saturation, noise.

    value = offset + gain · x · (1 + half) / (x + half) + noise, where x is the state, or the drive
    for mRNA. Activity is the state itself with noise.
    """

    gain_N: np.ndarray
    offset_N: np.ndarray
    half: float
    noise: float

    @classmethod
    def draw(cls, modality: str, molecules: int, rng: np.random.Generator) -> Instrument:
        noise = float(rng.choice([0.0, rng.uniform(0.0, 0.08)]))
        if modality == "activity":
            return cls(np.ones(molecules), np.zeros(molecules), math.inf, noise)
        gain = math.exp(rng.normal(0, 0.4)) * np.exp(rng.normal(0, 0.2, molecules))
        offset = np.full(molecules, rng.uniform(0, 0.2))
        return cls(gain, offset, math.exp(rng.normal(1.0, 0.7)), noise)

    def read(self, x: np.ndarray) -> np.ndarray:
        """Noise-free values of signals whose last axis is N."""
        if math.isinf(self.half):
            return x
        return self.offset_N + self.gain_N * x * (1 + self.half) / (x + self.half)


def next_state_example(
    sample: Trajectories,
    network: Encoding,
    rng: np.random.Generator,
    context: int | None = None,
) -> Encoding:
    """States to predict at random intervals, given a random context of other conditions.

    Args:
        sample: a drawn network with its trajectories.
        network: the encoding of `sample.visible`.
        rng: the only source of chance.
        context: how many conditions are given as context; 0 to 16 at random by default.

    Returns:
        The encoding with the fields of the context, the queries and their targets; see
        `fields.FIELDS`.
    """
    order = rng.permutation(len(sample.conditions))
    queried, others = order[:QUERY_CONDITIONS], order[QUERY_CONDITIONS:]
    given = others[: draw_context(rng) if context is None else context]
    molecules = len(sample.baseline)
    panel = _draw_panel(sample, rng)
    example = dict(network)
    if rng.random() < 0.9:
        example["baseline_state"] = sample.baseline.astype(np.float32)
        example["baseline_mask"] = np.ones(molecules, dtype=bool)
    if len(given):
        example |= encode_conditions(sample.drawn, [sample.conditions[c] for c in given])
        example["condition_mask"] = np.ones(len(given), dtype=np.int64)
        example |= _draw_observations(sample, given, panel, rng)
    return example | _draw_queries(sample, queried, panel, rng)


def draw_context(rng: np.random.Generator) -> int:
    """How many conditions the context has; 0 in a third of the examples, so that predictions from
    the wiring alone are learned too."""
    return 0 if rng.random() < 0.3 else int(rng.integers(1, LARGEST_CONTEXT + 1))


def draw_rounds(rng: np.random.Generator) -> np.ndarray:
    """How often gates are inferred and states smoothed in turn (1): 1 to 4, with probabilities
    that fall as 1 / rounds, so that what is learned is right after any number of rounds."""
    rounds = np.arange(1, MOST_ROUNDS + 1)
    return rng.choice(rounds, size=1, p=(1 / rounds) / (1 / rounds).sum())


def _draw_panel(sample: Trajectories, rng: np.random.Generator) -> dict[int, Instrument]:
    """The modalities of one data set, with an instrument each; activity alone in half of them."""
    chosen = {0}
    if rng.random() < 0.5:
        chosen = {y for y in range(len(MODALITIES)) if rng.random() < 0.5} or {0}
    return {y: Instrument.draw(MODALITIES[y], len(sample.baseline), rng) for y in sorted(chosen)}


def _signal(sample: Trajectories, modality: int) -> tuple[np.ndarray, np.ndarray]:
    """What a modality reads (C, T, N), and on which molecules (N)."""
    every = np.ones(len(sample.baseline), dtype=bool)
    if MODALITIES[modality] != "mRNA":
        return sample.states, every
    expressed = {
        sample.drawn.molecule_index[i.target]
        for i in sample.drawn.interactions
        if i.kind in EXPRESSION_KINDS
    }
    return sample.drives, np.isin(np.arange(len(every)), list(expressed))


def _draw_observations(
    sample: Trajectories,
    given: np.ndarray,
    panel: Mapping[int, Instrument],
    rng: np.random.Generator,
) -> Encoding:
    """0 to 16 irregular times per condition, partly missing, each time in one modality."""
    columns: list[list[np.ndarray]] = []
    share = rng.uniform(0.3, 1.0)
    most = int(rng.integers(1, 17))
    for condition in given:
        count = int(rng.integers(0 if len(given) > 1 else 1, most + 1))
        times = rng.choice(len(TIMES_HOURS), size=min(count, len(TIMES_HOURS)), replace=False)
        parts = [(np.empty(0, np.int64),) * 2 + (np.empty(0, np.float32),) * 2]
        for t in np.sort(times):
            modality = int(rng.choice(list(panel)))
            signal, readable = _signal(sample, modality)
            observed = np.flatnonzero(readable & (rng.random(len(readable)) < share))
            instrument = panel[modality]
            values = instrument.read(signal[condition, t].astype(np.float32))[observed]
            values = values + instrument.noise * rng.standard_normal(len(observed))
            parts.append(
                (
                    observed,
                    np.full(len(observed), modality),
                    np.full(len(observed), TIMES_HOURS[t], np.float32),
                    values.astype(np.float32),
                )
            )
        columns.append([np.concatenate(column) for column in zip(*parts, strict=True)])
    width = max(len(parts[0]) for parts in columns)
    names = ("index", "modality", "hours", "value")
    table = {}
    for k, name in enumerate(names):
        pad = -1 if name == "index" else 0
        array = np.full((len(columns), width), pad, dtype=np.float32 if k > 1 else np.int64)
        for row, parts_of_condition in enumerate(columns):
            array[row, : len(parts_of_condition[k])] = parts_of_condition[k]
        table[f"observation_{name}"] = array
    return table


def _draw_queries(
    sample: Trajectories,
    queried: np.ndarray,
    panel: Mapping[int, Instrument],
    rng: np.random.Generator,
) -> Encoding:
    """First states, later times, and sometimes observations of the query conditions themselves."""
    molecules, last = len(sample.baseline), len(TIMES_HOURS) - 1
    start = 0 if rng.random() < 0.7 else int(rng.integers(1, last - QUERY_TIMES))
    hours = np.array(TIMES_HOURS[start:], dtype=np.float32) - TIMES_HOURS[start]
    # Intervals from minutes to days: every query has later times of its own.
    later = np.stack([np.sort(1 + rng.permutation(len(hours) - 1)[:QUERY_TIMES]) for _ in queried])
    states = sample.states[queried, start:].astype(np.float32)
    rows = np.arange(len(queried))[:, None]
    queries = encode_conditions(
        sample.drawn, [_from(sample.conditions[c], TIMES_HOURS[start]) for c in queried], "query_"
    )
    queries |= {
        "query_initial_state": states[:, 0],
        "query_initial_mask": np.ones((len(queried), molecules), dtype=bool),
        "query_hours": hours[later],
        "target_states": states[rows, later],
        "target_states_mask": np.ones((len(queried), later.shape[1], molecules), dtype=bool),
    }
    if rng.random() < 0.25:
        count = int(rng.integers(2, 7))
        times = np.sort(rng.choice(len(hours), size=min(count, len(hours)), replace=False))
        noise = rng.uniform(0.0, 0.08)
        observed = states[:, times] + noise * rng.standard_normal(states[:, times].shape)
        queries |= {
            "query_observation_hours": np.tile(hours[times], (len(queried), 1)),
            "query_observation_value": observed.astype(np.float32),
            "query_observation_mask": rng.random(observed.shape) < rng.uniform(0.3, 1.0),
        }
    values = np.zeros((*states[rows, later].shape, len(MODALITIES)), dtype=np.float32)
    known = np.zeros(values.shape, dtype=bool)
    for modality, instrument in panel.items():
        if modality == 0:
            continue
        signal, readable = _signal(sample, modality)
        values[..., modality] = instrument.read(
            signal[queried, start:].astype(np.float32)[rows, later]
        )
        known[..., readable, modality] = True
    return queries | {"target_values": values, "target_values_mask": known}


def _from(condition: Condition, hours: float) -> Condition:
    """What remains of a condition from a later start, its windows in hours from there."""
    left = tuple(
        replace(p, start_hours=max(p.start_hours - hours, 0.0), end_hours=p.end_hours - hours)
        for p in condition.perturbations
        if p.end_hours > hours
    )
    return Condition(condition.stimuli, left)


class PretrainingExamples(Dataset):
    """Examples of both objectives, by number; each holds one of next state and a few of language.

    The networks of one batch are of similar size, and each has equally many context conditions,
    so that little of a batch is padding.

    Args:
        corpus: networks of the training side for masked molecules, and trajectories of networks
            drawn from them for next states.
        tokenizer: the one that encoded them.
        length: how many examples there are.
        seed: of all random draws.
        batch_size: how many consecutive examples make a batch, on all processes together.
        language_networks: masked networks of average size per example, of smaller ones more and of
            larger ones fewer; 0 switches the objective off.
        next_state: False switches the objective off.

    Raises:
        HMLMError: both objectives are switched off.
    """

    def __init__(
        self,
        corpus: TokenisedCorpus,
        tokenizer: HMLMTokenizer,
        length: int,
        seed: int,
        batch_size: int = 1,
        language_networks: int = 4,
        next_state: bool = True,
    ) -> None:
        if not language_networks and not next_state:
            raise HMLMError("both objectives are switched off; expected at least one")
        self.tokenizer, self.length, self.seed = tokenizer, length, seed
        self.batch_size, self.corpus = batch_size, corpus
        self.language_networks, self.next_state = language_networks, next_state
        sizes = corpus.language_sizes
        self.groups = group_by_size(sizes)
        self.trajectory_groups = group_by_size(corpus.trajectory_sizes)
        molecules = np.array([sizes[group].sum() for group in self.groups])
        self.share_of_molecules = molecules / molecules.sum()
        mean_of_group = molecules / [len(group) for group in self.groups]
        # With as many molecules from every group, and groups drawn by their molecules, every
        # network is drawn equally often.
        self.networks_of_group = np.maximum(
            1, np.round(language_networks * sizes.mean() / mean_of_group)
        ).astype(int)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> dict[str, Any]:
        rng = np.random.default_rng([self.seed, number])
        batch_rng = np.random.default_rng([self.seed, number // self.batch_size, 1])
        example: dict[str, Any] = {}
        if self.next_state:
            count = len(self.corpus.trajectories)
            share = [len(group) / count for group in self.trajectory_groups]
            members = self.trajectory_groups[batch_rng.choice(len(share), p=share)]
            i = int(rng.choice(members))
            example["next_state"] = next_state_example(
                self.corpus.trajectories[i], self.corpus.dynamics[i], rng, draw_context(batch_rng)
            )
            example["next_state"]["inference_rounds"] = draw_rounds(batch_rng)
        if self.language_networks:
            group = batch_rng.choice(len(self.groups), p=self.share_of_molecules)
            chosen = rng.choice(self.groups[group], size=self.networks_of_group[group])
            example["language"] = [
                mask_molecules(self.corpus.language[i], self.tokenizer, rng) for i in chosen
            ]
        return example

    def collate(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """A batch: the fields of the next-state objective, and `language` with the masked ones."""
        batch: dict[str, Any] = {}
        if self.next_state:
            batch |= self.tokenizer.pad([e["next_state"] for e in examples])
        if self.language_networks:
            language = dict(self.tokenizer.pad([n for e in examples for n in e["language"]]))
            batch |= {"language": language} if self.next_state else language
        return batch


def group_by_size(sizes: np.ndarray) -> list[np.ndarray]:
    """Positions of networks in groups of which the largest is at most a quarter larger than the
    smallest, small ones first."""
    order = np.argsort(sizes, kind="stable")
    groups: list[list[int]] = []
    for position in order.tolist():
        if groups and sizes[position] <= 1.25 * sizes[groups[-1][0]]:
            groups[-1].append(position)
        else:
            groups.append([position])
    return [np.array(group) for group in groups]


def count_molecules(batch: Mapping[str, Any]) -> tuple[int, int]:
    """Molecule tokens that a batch holds, conditions counted: the real ones, and with padding."""
    mask = batch["attention_mask"]
    conditions = batch.get("condition_mask", mask[:, :0])
    real = int((mask.sum(-1) * (1 + conditions.sum(-1))).sum())
    computed = mask.numel() * (1 + conditions.shape[1])
    if "language" in batch:
        more = count_molecules(batch["language"])
        return real + more[0], computed + more[1]
    return real, computed
