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

import numpy as np
from torch import nn

from ...model.configuration_hmlm import HMLMConfig
from ...model.error_base import HMLMError
from ...model.network import Interaction, Molecule, SignalingNetwork
from ...model.tokenization_hmlm import HMLMTokenizer
from ...model.vocabulary import SPECIAL_TOKENS
from ..entries import Result
from .encoders import BY_ID, MaskedBatch, forward_and_backward, make_model, time_in_turns
from .peak_memory import Step, peak_megabytes

SIZES = (250, 500, 1000, 2000, 4000, 8000)
QUICK_SIZES = SIZES[:4]
MEAN_SOURCES = 2.0
INHIBITING_SHARE = 0.2
SERIES = ("hmlm-encoder-sparse", "hmlm-encoder-sdpa", "hmlm-objective-sparse")
"""Ids of `ENCODERS`."""
DENSE = ("hmlm-encoder-sdpa",)
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
    return MaskedBatch.from_networks(
        [random_network(size, tokens)], tokenizer, np.random.default_rng(size)
    )


def _model(id: str, tokenizer: HMLMTokenizer) -> nn.Module:
    return make_model(id, HMLMConfig.of_size("tiny", vocab_size=tokenizer.vocab_size))


def _prepare(id: str, size: int) -> tuple[Step, Step]:
    """A step with a small network, and one with a network of the size."""
    tokenizer = HMLMTokenizer()
    model = _model(id, tokenizer)
    small, batch = _batch(8, tokenizer), _batch(size, tokenizer)

    def first() -> None:
        forward_and_backward(model, small)
        model.zero_grad(set_to_none=True)

    return first, lambda: forward_and_backward(model, batch)


def measure_scaling(
    sizes: Sequence[int] = SIZES,
    repeats: int = 5,
    log: Callable[[str], object] = lambda line: None,
) -> list[Result]:
    """One result per series and size: milliseconds forward and backward, and peak memory.

    Args:
        sizes: molecules.
        repeats: how often each has its turn.
        log: is called with a line of progress now and then.

    Raises:
        HMLMError: this system cannot measure memory.
    """
    tokenizer = HMLMTokenizer()
    models = {id: _model(id, tokenizer) for id in SERIES}
    results = []
    for size in sizes:
        batch = _batch(size, tokenizer)
        own = [id for id in SERIES if size <= LARGEST_DENSE or id not in DENSE]
        times = time_in_turns(
            {id: partial(forward_and_backward, models[id], batch) for id in own}, repeats
        )
        results += [
            BY_ID[id].result(
                f"{size} molecules",
                "scaling",
                None,
                molecules=size,
                pairs=batch.fields["pair_index"].shape[1],
                ms=1e3 * min(times[id]),
                ms_median=1e3 * statistics.median(times[id]),
                peak_mb=peak_megabytes(_prepare, id, size),
            )
            for id in own
        ]
        log(
            f"scaling: {size} molecules, "
            + ", ".join(f"{result['ms']:.0f} ms" for result in results[-len(own) :])
        )
    return results


def fit_exponents(results: Sequence[Result]) -> list[Result]:
    """Per series, the slope of log time and of log memory against log size.

    Over all its sizes, and between the two largest, where the cost of a call whatever the size
    weighs least.

    Raises:
        HMLMError: a series of fewer than two sizes.
    """
    found = []
    for id in dict.fromkeys(result["entry"] for result in results):
        own = sorted((r for r in results if r["entry"] == id), key=lambda r: r["molecules"])
        if len(own) < 2:
            raise HMLMError(f"{own[0]['label']}: an exponent takes at least two sizes")
        sizes = [result["molecules"] for result in own]
        figures: dict[str, float] = {"smallest": sizes[0], "largest": sizes[-1]}
        size = np.log(sizes)
        for name, column in (("time", "ms"), ("memory", "peak_mb")):
            value = np.log([result[column] for result in own])
            figures[name] = float(np.polyfit(size, value, 1)[0])
            figures[f"{name}_of_last_two"] = float(np.polyfit(size[-2:], value[-2:], 1)[0])
        same = {key: own[0][key] for key in ("entry", "label")}
        span = f"{sizes[0]} to {sizes[-1]} molecules"
        found.append({**same, "budget": span, "split": "exponents", "seed": None, **figures})
    return found
