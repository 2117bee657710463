"""The context of a query: the network, its state at rest, and measured conditions.

Shapes: N molecules.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..measurements.measured import Measurements
from ..model.conditions import Condition, Observation
from ..model.network import SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer

LARGEST_CONTEXT, MOST_CONTEXT_TIMES = 64, 8
"""How many conditions of a set of measurements a context holds, and at how many times each: more
take long to encode and add little. Fits use all of them."""


def known_states(network: SignalingNetwork, baseline: np.ndarray) -> dict[str, float]:
    """The states at rest (N) that are known, by molecule."""
    return {
        name: float(state)
        for name, state in zip(network.names, baseline, strict=True)
        if np.isfinite(state)
    }


def make_context(
    tokenizer: HMLMTokenizer,
    network: SignalingNetwork,
    baseline: np.ndarray | None,
    conditions: Sequence[Condition] = (),
    observations: Sequence[Sequence[Observation]] = (),
) -> dict[str, torch.Tensor]:
    """A network, its state at rest and its context, as a batch of one.

    Args:
        baseline: (N) the state at rest, in [0, 1]; NaN where it is not known.
    """
    return dict(
        tokenizer(
            network,
            conditions=list(conditions) if len(conditions) else None,
            observations=list(observations) if len(conditions) else None,
            baseline=None if baseline is None else known_states(network, baseline),
            return_tensors="pt",
            # No warning of molecules without a token at every query.
            warn_unknown=False,
        )
    )


def measured_context(
    tokenizer: HMLMTokenizer, data: Measurements, chosen: Sequence[int] | None = None
) -> dict[str, torch.Tensor]:
    """A network with some of its measured conditions as context, as a batch of one.

    Args:
        chosen: positions of conditions; by default as many as a context holds, spread evenly over
            those of which anything was measured after time 0.
    """
    if chosen is None:
        later = data.times_hours > 0
        useful = [
            c
            for c, measured in enumerate(data.measured)
            if measured[later].any() or (data.others and data.others[c])
        ]
        count = min(len(useful), LARGEST_CONTEXT)
        chosen = [useful[i] for i in np.linspace(0, len(useful) - 1, count).astype(int)]
    return make_context(
        tokenizer,
        data.network,
        data.baseline,
        [data.conditions[c] for c in chosen],
        [context_observations(data, c) for c in chosen],
    )


def context_observations(data: Measurements, condition: int) -> list[Observation]:
    """What was measured of a condition after its start, at a few of its times."""
    times = np.flatnonzero(data.measured[condition].any(1) & (data.times_hours > 0))
    if len(times) > MOST_CONTEXT_TIMES:
        times = times[np.linspace(0, len(times) - 1, MOST_CONTEXT_TIMES).astype(int)]
    names = data.network.names
    activities = [
        Observation(names[i], float(data.times_hours[t]), float(data.states[condition, t, i]))
        for t in times
        for i in np.flatnonzero(data.measured[condition, t])
    ]
    return activities + list(data.others[condition] if data.others else ())
