"""How time and memory of HMLM grow with the network, at a constant mean degree.

Random networks, in which every molecule has two sources on average, are passed forward and backward
alone. The encoder under one loss is measured with the sparse backend, and with the dense one up to
a size; the whole objective of masked molecules is measured too, whose losses weigh every molecule
against every token of the batch.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from ...model.configuration_hmlm import HMLMConfig
from ...model.errors import HMLMError
from ...model.network import Interaction, Molecule, SignalingNetwork
from ...model.tokenization_hmlm import HMLMTokenizer
from ...model.vocabulary import SPECIAL_TOKENS
from .encoders import MaskedBatch, forward_and_backward, make_model, time_in_turns
from .peak_memory import Step, peak_megabytes

SIZES = (250, 500, 1000, 2000, 4000, 8000)
QUICK_SIZES = SIZES[:4]
MEAN_SOURCES = 2.0
INHIBITING_SHARE = 0.2
SERIES = {
    "encoder, sparse": "HMLM tiny, encoder and one loss, sparse",
    "encoder, sdpa": "HMLM tiny, encoder and one loss, sdpa",
    "whole objective, sparse": "HMLM tiny, whole objective, sparse",
}
# What the dense backend holds grows with the square of the size: 0.5 GB at 2,000.
LARGEST_DENSE = 2000


def random_network(size: int, tokens: Sequence[str], seed: int = 0) -> SignalingNetwork:
    """Molecules, each a token, with Poisson many sources drawn among all the others.

    Args:
        size: how many molecules.
        tokens: at least as many identifiers.
        seed: of all chance.
    """
    rng = np.random.default_rng([seed, size])
    names = list(tokens[:size])
    interactions = []
    for target, count in enumerate(rng.poisson(MEAN_SOURCES, size)):
        others = rng.choice(size - 1, min(count, size - 1), replace=False)
        for other in others:
            source = names[other + (other >= target)]
            inhibits = rng.random() < INHIBITING_SHARE
            sign, kind = (-1, "inhibition") if inhibits else (1, "activation")
            interactions.append(Interaction((source,), (sign,), names[target], kind))
    molecules = tuple(Molecule(name, members=(name,)) for name in names)
    return SignalingNetwork(f"random {size}", molecules, tuple(interactions))


def _batch(size: int, tokenizer: HMLMTokenizer) -> MaskedBatch:
    tokens = tokenizer.vocabulary.tokens[len(SPECIAL_TOKENS) :]
    return MaskedBatch.of([random_network(size, tokens)], tokenizer, np.random.default_rng(size))


def _model(name: str, tokenizer: HMLMTokenizer) -> nn.Module:
    return make_model(name, HMLMConfig.of_size("tiny", vocab_size=tokenizer.vocab_size))


def _prepare(name: str, size: int) -> tuple[Step, Step]:
    """A step with a small network, and one with a network of the size."""
    tokenizer = HMLMTokenizer()
    model = _model(name, tokenizer)
    small, batch = _batch(8, tokenizer), _batch(size, tokenizer)

    def first() -> None:
        forward_and_backward(model, small)
        model.zero_grad(set_to_none=True)

    return first, lambda: forward_and_backward(model, batch)


def measure_scaling(
    sizes: Sequence[int] = SIZES,
    repeats: int = 5,
    say: Callable[[str], object] = lambda line: None,
) -> list[dict[str, Any]]:
    """One row per series and size: milliseconds forward and backward, and peak memory.

    Args:
        sizes: molecules.
        repeats: how often each has its turn.
        say: told of progress.

    Raises:
        ValueError: this system cannot measure memory.
    """
    tokenizer = HMLMTokenizer()
    models = {series: _model(name, tokenizer) for series, name in SERIES.items()}
    rows = []
    for size in sizes:
        batch = _batch(size, tokenizer)
        own = [s for s in SERIES if size <= LARGEST_DENSE or not s.endswith("sdpa")]
        times = time_in_turns(
            {s: partial(forward_and_backward, models[s], batch) for s in own}, repeats
        )
        rows += [
            {
                "part": "scaling",
                "series": series,
                "molecules": size,
                "pairs": batch.fields["pair_index"].shape[1],
                "ms": 1e3 * min(times[series]),
                "ms_median": 1e3 * statistics.median(times[series]),
                "peak_mb": peak_megabytes(_prepare, SERIES[series], size),
            }
            for series in own
        ]
        told = ", ".join(f"{row['ms']:.0f} ms" for row in rows[-len(own) :])
        say(f"scaling: {size} molecules, {told}")
    return rows


def fit_exponents(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per series, the slope of log time and of log memory against log size.

    Over all its sizes, and between the two largest, where what a call costs whatever the size
    weighs least.

    Raises:
        ValueError: a series of fewer than two sizes.
    """
    found = []
    for series in dict.fromkeys(row["series"] for row in rows):
        own = sorted((r for r in rows if r["series"] == series), key=lambda r: r["molecules"])
        if len(own) < 2:
            raise HMLMError(f"{series}: an exponent takes at least two sizes")
        size = np.log([row["molecules"] for row in own])
        row = {"part": "exponents", "series": series, "smallest": own[0]["molecules"]}
        row |= {"largest": own[-1]["molecules"]}
        for name, column in (("time", "ms"), ("memory", "peak_mb")):
            value = np.log([row[column] for row in own])
            row[name] = float(np.polyfit(size, value, 1)[0])
            row[f"{name}_of_last_two"] = float(np.polyfit(size[-2:], value[-2:], 1)[0])
        found.append(row)
    return found
