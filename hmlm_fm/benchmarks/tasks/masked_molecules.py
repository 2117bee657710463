"""What `hmlm benchmark molecules` asks: which molecule was masked, in pathways never trained on.

Sides of the corpus are split after clustering pathways by their members. Every row chooses among
the training molecules that are not visible; hyperparameters of the rivals are chosen on the
validation side of seed 0.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ...corpora.corpus_loading import Sides, load_for_training
from ...model.modeling_hmlm import HMLMForSignaling
from ...model.tokenization_hmlm import HMLMTokenizer
from ...pretraining.masked_baselines import Frequency, NeighbourLookUp
from ...pretraining.masked_evaluation import (
    Scorer,
    masked_queries,
    ranks_of_baseline,
    ranks_of_model,
    token_reader,
    top_shares,
)
from ...pretraining.pretraining_options import PretrainingOptions
from ...pretraining.pretraining_run import run_pretraining
from ...pretraining.resuming import last_checkpoint
from ..baselines.molecule_graphs import MaskedGraphNetwork, Node2Vec
from ..report import interval_table

STEPS, QUICK_STEPS = 150, 30
GRAPH_NETWORK_STEPS = 4
"""For each of HMLM's: it learns more slowly, and a step costs it less."""
SCRATCH, PRETRAINED = "HMLM from scratch, on this corpus alone", "HMLM pretrained"

Maker = Callable[..., Scorer]


def measure_molecules(
    corpus: str,
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    seeds: int,
    folder: Path,
    quick: bool = False,
    only: str = "",
    say: Callable[[str], object] = lambda line: None,
) -> list[dict[str, Any]]:
    """Measure every row; the hits of all seeds together.

    Args:
        corpus: as `load_corpus`.
        model: the pretrained one; which corpus it has read is its own affair.
        seeds: of the split, from 0 on.
        folder: where models that are trained here are kept.
        quick: fewer steps, for a look.
        only: a part of the names of rows.
        say: told of every row.

    Raises:
        FormatError: the corpus cannot be read.
        ValueError: it is too small for three sides.
    """
    steps = QUICK_STEPS if quick else STEPS
    members_of, size = token_reader(tokenizer), tokenizer.vocab_size
    makers: dict[str, tuple[Maker, Sequence[dict[str, Any]]]] = {
        "frequency": (lambda networks: Frequency(networks, members_of, size), [{}]),
        "neighbour look-up": (lambda networks: NeighbourLookUp(networks, members_of, size), [{}]),
        "node2vec": (
            lambda networks, **chosen: Node2Vec(networks, members_of, size, **chosen),
            Node2Vec.grid[:1] if quick else Node2Vec.grid,
        ),
        "GPSConv": (
            lambda networks, **chosen: MaskedGraphNetwork(networks, tokenizer, **chosen),
            [
                {**chosen, "steps": GRAPH_NETWORK_STEPS * steps}
                for chosen in MaskedGraphNetwork.grid[: 1 if quick else None]
            ],
        ),
    }
    ranks: dict[str, list[int]] = {}
    chosen: dict[str, dict[str, Any]] = {}

    def told(name: str, own: list[int]) -> None:
        ranks.setdefault(name, []).extend(own)
        share = top_shares(own)
        say(f"{name}: top-1 {share['top1']:.3f}  top-10 {share['top10']:.3f}  n {len(own)}")

    for seed in range(seeds):
        _, sides = load_for_training(corpus, seed)
        questions = masked_queries(tokenizer, sides["train"], sides["test"])
        for name, (make, grid) in makers.items():
            if only in name:
                if name not in chosen:
                    chosen[name] = _choose(make, grid, tokenizer, sides)
                told(name, ranks_of_baseline(make(sides["train"], **chosen[name]), questions))
        if only in SCRATCH:
            own_model = _trained(corpus, seed, steps, folder)
            told(SCRATCH, ranks_of_model(own_model, tokenizer, questions)[0])
        if only in PRETRAINED:
            told(PRETRAINED, ranks_of_model(model, tokenizer, questions)[0])
    return [
        {"model": name, "budget": corpus, "split": "held-out pathways", "n": len(of), **_flat(of)}
        for name, of in ranks.items()
    ]


def molecules_table(rows: Sequence[dict[str, Any]], has_read: str) -> str:
    """The rows as Markdown, and what the pretrained model has read."""
    caption = (
        f"Masked molecules of held-out pathways, {rows[0]['budget']}, n = {rows[0]['n']} "
        "(95 % interval):"
    )
    table = interval_table(caption, rows, {"top1": "top-1", "top10": "top-10"})
    if any(row["model"] == PRETRAINED for row in rows):
        table += f"\n\n{PRETRAINED}: {has_read}"
    return table


def what_it_has_read(folder: str | Path, corpus: str) -> str:
    """What the card of a checkpoint says of its corpus, in words."""
    info = Path(folder) / "training_info.json"
    if not info.exists():
        return "it does not say what it was trained on, which may be these pathways."
    read = json.loads(info.read_text(encoding="utf-8")).get("corpus")
    if read is None:
        return "it was fine-tuned, and does not say what its checkpoint had read."
    if Path(read["name"]).name == Path(corpus).name:
        return f"it was trained on one side of {corpus} by a split of its own."
    return (
        f"it was trained on {read['networks']} networks of {Path(read['name']).name}, where "
        "relatives of these pathways may be; the other rows were not."
    )


def _flat(ranks: Sequence[int]) -> dict[str, float]:
    found = top_shares(ranks)
    flat: dict[str, float] = {}
    for top in ("top1", "top10"):
        flat |= {top: found[top]}
        flat[f"{top}_low"], flat[f"{top}_high"] = found[f"{top}_interval"]
    return flat


def _choose(
    make: Maker,
    grid: Sequence[dict[str, Any]],
    tokenizer: HMLMTokenizer,
    sides: Sides,
) -> dict[str, Any]:
    """The member of the grid with the most hits among ten on the validation side."""
    if len(grid) == 1:
        return grid[0]
    training = sides["train"]
    questions = masked_queries(tokenizer, training, sides["validation"])
    shares = [
        top_shares(ranks_of_baseline(make(training, **chosen), questions))["top10"]
        for chosen in grid
    ]
    return grid[shares.index(max(shares))]


def _trained(corpus: str, seed: int, steps: int, folder: Path) -> HMLMForSignaling:
    """HMLM tiny, trained on the training side by the masked objective alone; kept in the folder."""
    options = PretrainingOptions(
        corpus=corpus, seed=seed, steps=steps, next_state=False, save_steps=steps
    )
    key = sha256(json.dumps(asdict(options), sort_keys=True).encode()).hexdigest()[:12]
    target = folder / f"molecules-{key}"
    if not (target / "training_info.json").exists():
        # What a stopped run left is gone on from.
        resumed = "true" if last_checkpoint(target) else None
        # What is printed is the table; how the training goes is told beside.
        with contextlib.redirect_stdout(sys.stderr):
            run_pretraining(
                replace(options, output_dir=str(target), resume_from_checkpoint=resumed)
            )
    return HMLMForSignaling.from_pretrained(target).eval()
