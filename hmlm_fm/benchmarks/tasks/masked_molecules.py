"""The task `hmlm benchmark molecules`: which molecule was masked, in held-out pathways.

Sides of the corpus are split after clustering pathways by their members. Every entry chooses among
the training molecules that are not visible; hyperparameters of the baselines are chosen on the
validation side of seed 0.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from ...corpora.corpus_loading import Sides, load_for_training
from ...model.modeling_hmlm import HMLMForSignaling
from ...model.network import SignalingNetwork
from ...model.tokenization_hmlm import HMLMTokenizer
from ...pretraining.masked_baselines import Frequency, NeighbourLookUp
from ...pretraining.masked_evaluation import (
    MaskedQuery,
    Scorer,
    masked_queries,
    ranks_of_baseline,
    ranks_of_model,
    token_reader,
    top_shares,
    wilson_interval,
)
from ...pretraining.pretraining_options import PretrainingOptions
from ...pretraining.pretraining_run import run_pretraining
from ...pretraining.resuming import last_checkpoint
from ..baselines.molecule_graphs import MaskedGraphNetwork, Node2Vec
from ..entries import Entry, Hyperparameters, Result
from ..report import by_entry, interval_table

STEPS, QUICK_STEPS = 150, 30
GRAPH_NETWORK_STEPS = 4
"""For each of HMLM's: it learns more slowly, and a step costs it less."""
SPLIT = "held-out pathways"
TOPS = {"top1": "top-1", "top10": "top-10"}

Ranker = Callable[[Sequence[MaskedQuery]], list[int]]
"""Ranks of the right molecules among the candidates, best first from 1 on."""


@dataclass(frozen=True)
class MaskedCorpus:
    """What the entries share at one seed.

    Attributes:
        name: of the corpus, as `load_corpus`.
        seed: of the split.
        sides: its networks.
        model, tokenizer: the pretrained ones.
        steps: of HMLM where it is trained here.
        cache: the folder where models that are trained here are kept.
    """

    name: str
    seed: int
    sides: Sides
    model: HMLMForSignaling
    tokenizer: HMLMTokenizer
    steps: int
    cache: Path

    @property
    def training(self) -> Sequence[SignalingNetwork]:
        return self.sides["train"]


def _by_counts(kind: Callable[..., Scorer], of: MaskedCorpus, **chosen: Any) -> Ranker:
    """A baseline that learns from which tokens stand together."""
    tokenizer = of.tokenizer
    scorer = kind(of.training, token_reader(tokenizer), tokenizer.vocab_size, **chosen)
    return partial(ranks_of_baseline, scorer)


def _graph_network(of: MaskedCorpus, **chosen: Any) -> Ranker:
    steps = GRAPH_NETWORK_STEPS * of.steps
    scorer = MaskedGraphNetwork(of.training, of.tokenizer, steps=steps, **chosen)
    return partial(ranks_of_baseline, scorer)


def _by_model(model: HMLMForSignaling, tokenizer: HMLMTokenizer) -> Ranker:
    return lambda questions: ranks_of_model(model, tokenizer, questions)[0]


MASKED_ENTRIES: tuple[Entry, ...] = (
    Entry("frequency", "frequency", partial(_by_counts, Frequency)),
    Entry("neighbour-look-up", "neighbour look-up", partial(_by_counts, NeighbourLookUp)),
    Entry(
        "node2vec", "node2vec", partial(_by_counts, Node2Vec),
        grid=({"q": 1.0}, {"q": 0.5}, {"q": 2.0}),
    ),
    Entry(
        "gpsconv-masked", "GPSConv", _graph_network, grid=({"rate": 3e-3}, {"rate": 1e-2}),
    ),
    Entry(
        "hmlm-this-corpus", "HMLM from scratch, on this corpus alone",
        lambda of: _by_model(trained_on(of), of.tokenizer),
        starts_from="configuration", highlighted=True,
    ),
    Entry(
        "hmlm-pretrained", "HMLM pretrained", lambda of: _by_model(of.model, of.tokenizer),
        starts_from="weights", highlighted=True,
    ),
)  # fmt: skip
"""Their factories take a `MaskedCorpus` and hyperparameters, and give a `Ranker`."""


def measure_molecules(
    corpus: str,
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    seeds: int,
    cache: Path,
    quick: bool = False,
    entries: Sequence[Entry] = MASKED_ENTRIES,
    log: Callable[[str], object] = lambda line: None,
) -> list[Result]:
    """Measure entries; one result per entry and seed of the split.

    Args:
        corpus: as `load_corpus`.
        model: the pretrained one; which corpus it was trained on is stated by its card.
        seeds: of the split, from 0 on.
        cache: the folder where models that are trained here are kept.
        quick: fewer steps and no choice of hyperparameters, for a look.
        log: is called with a line for every entry.

    Raises:
        HMLMError: the corpus cannot be read, or is too small for three sides.
    """
    chosen: dict[str, Hyperparameters] = {}
    results = []
    for seed in range(seeds):
        _, sides = load_for_training(corpus, seed)
        steps = QUICK_STEPS if quick else STEPS
        given = MaskedCorpus(corpus, seed, sides, model, tokenizer, steps, cache)
        questions = masked_queries(tokenizer, given.training, sides["test"])
        for entry in entries:
            if entry.id not in chosen:
                chosen[entry.id] = entry.grid[0] if quick else _choose(entry, given)
            ranks = entry.make(given, **chosen[entry.id])(questions)
            figures = _figures(ranks)
            results.append(entry.result(corpus, SPLIT, seed, n=len(ranks), **figures))
            log(
                f"{entry.label}: top-1 {figures['top1']:.3f}  top-10 {figures['top10']:.3f}  "
                f"n {len(ranks)}"
            )
    # Entry by entry, and seed by seed within.
    return [result for entry in entries for result in results if result["entry"] == entry.id]


def pooled(results: Sequence[Result]) -> list[dict[str, Any]]:
    """One summary per entry: the hits of all seeds together, with Wilson's interval."""
    rows = []
    for group in by_entry(results):
        first, n = group[0], sum(result["n"] for result in group)
        row = {key: first[key] for key in ("entry", "label", "budget", "split")} | {"n": n}
        for top in TOPS:
            hits = sum(round(result[top] * result["n"]) for result in group)
            row[f"{top}_low"], row[f"{top}_high"] = wilson_interval(hits, n)
            row[top] = hits / n
        rows.append(row)
    return rows


def molecules_table(results: Sequence[Result], about: Mapping[str, Any]) -> str:
    """The results as Markdown, and what the pretrained model was trained on."""
    rows = pooled(results)
    caption = (
        f"Masked molecules of held-out pathways, {rows[0]['budget']}, n = {rows[0]['n']} "
        "(95 % interval):"
    )
    table = interval_table(caption, rows, TOPS)
    for row in rows:
        if row["entry"] == "hmlm-pretrained":
            table += f"\n\n{row['label']}: {about['pretrained_model']}"
    return table


def corpus_of_checkpoint(folder: str | Path, corpus: str) -> str:
    """What the card of a checkpoint states about its corpus, in words."""
    info = Path(folder) / "training_info.json"
    if not info.exists():
        return "its card does not state what it was trained on, which may be these pathways."
    read = json.loads(info.read_text(encoding="utf-8")).get("corpus")
    if read is None:
        return "it was fine-tuned, and its card does not state what its checkpoint was trained on."
    if Path(read["name"]).name == Path(corpus).name:
        return f"it was trained on one side of {corpus} by a split of its own."
    return (
        f"it was trained on {read['networks']} networks of {Path(read['name']).name}, where "
        "related pathways may be; the other entries were not."
    )


def _figures(ranks: Sequence[int]) -> dict[str, float]:
    found = top_shares(ranks)
    figures: dict[str, float] = {}
    for top in TOPS:
        figures |= {top: found[top]}
        figures[f"{top}_low"], figures[f"{top}_high"] = found[f"{top}_interval"]
    return figures


def _choose(entry: Entry, given: MaskedCorpus) -> Hyperparameters:
    """The member of the grid with the most hits among ten on the validation side."""
    if len(entry.grid) == 1:
        return entry.grid[0]
    questions = masked_queries(given.tokenizer, given.training, given.sides["validation"])
    shares = [top_shares(entry.make(given, **chosen)(questions))["top10"] for chosen in entry.grid]
    return entry.grid[shares.index(max(shares))]


def trained_on(of: MaskedCorpus) -> HMLMForSignaling:
    """HMLM tiny, trained on the training side by the masked objective alone; kept in the cache."""
    options = PretrainingOptions(
        corpus=of.name, seed=of.seed, steps=of.steps, next_state=False, save_steps=of.steps
    )
    key = sha256(json.dumps(asdict(options), sort_keys=True).encode()).hexdigest()[:12]
    target = of.cache / f"molecules-{key}"
    if not (target / "training_info.json").exists():
        # A training that was stopped is resumed.
        resumed = "true" if last_checkpoint(target) else None
        # The output is the table; the log of the training goes to stderr.
        with contextlib.redirect_stdout(sys.stderr):
            run_pretraining(
                replace(options, output_dir=str(target), resume_from_checkpoint=resumed)
            )
    return HMLMForSignaling.from_pretrained(target).eval()
