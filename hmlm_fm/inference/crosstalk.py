"""Crosstalk between pathways, from the attention of a model.

Attention weighs the sources of a molecule; a walk that follows it against the interactions leads
to where its signals come from. The score of an ordered pair of pathways (A, B) is the chance that
such a walk, begun at the molecules of B, arrives in A before it dies out.

Shapes: N molecules, L pairs, H heads, Q conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import permutations

import numpy as np
import pandas as pd
import torch

from ..measurements.simulated import HORIZON_HOURS
from ..model.conditions import Condition
from ..model.error_base import HMLMError
from ..model.fields import to_device
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer
from ..model.transducer import Drive
from .context import make_context
from .loading import load_foundation
from .prediction import predict_states

DAMPING = 0.8
"""Probability that a walk continues at each molecule: distant sources count less than near ones."""
STIMULUS, MOST_STIMULI = 0.8, 10
SETTLED, MOST_STEPS = 1e-6, 100

Pair = tuple[str, str]


def members_of(network: SignalingNetwork) -> dict[str, list[int]]:
    """Positions of the molecules of every pathway."""
    return {
        pathway.name: [i for i, m in enumerate(network.molecules) if pathway.name in m.pathways]
        for pathway in network.pathways
    }


def ordered_pairs(network: SignalingNetwork) -> dict[Pair, tuple[list[int], list[int]]]:
    """Of every ordered pair (A, B) of pathways the molecules of A, and those of B alone.

    Pairs of which B has no molecule of its own are left out.
    """
    found = {}
    for (a, of_a), (b, of_b) in permutations(members_of(network).items(), 2):
        alone = sorted(set(of_b) - set(of_a))
        if of_a and alone:
            found[a, b] = (of_a, alone)
    return found


def single_stimuli(network: SignalingNetwork, seed: int = 0) -> list[Condition]:
    """At most ten conditions of one stimulus each, drawn among the inputs."""
    inputs = network.inputs
    order = np.random.default_rng([seed, 10]).permutation(len(inputs))[:MOST_STIMULI]
    return [Condition({inputs[i]: STIMULUS}) for i in order] or [Condition()]


@torch.no_grad()
def gate_attention(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    network: SignalingNetwork,
    conditions: Sequence[Condition],
) -> np.ndarray:
    """How far each molecule's gate depends on each of its sources (N, N), targets by sources.

    The root of how far a molecule's drive falls or rises when one source is set to 0, on average
    over the conditions, with every state where the model expects it after 48 h; a row sums to at
    most 1. The root keeps weak interactions on long paths from being lost.
    """
    context = make_context(tokenizer, network, None)
    predicted = predict_states(model, context, network, conditions, np.array([HORIZON_HOURS]))
    logits, wiring = model.infer_gates(**to_device(context, model.device))
    gates = logits.gates(wiring)
    size = len(network.molecules)
    effect = torch.zeros(size, size)
    each = torch.arange(size)
    for states, condition in zip(predicted.states[:, 0], conditions, strict=True):
        state = torch.tensor(states, dtype=torch.float32, device=model.device)
        inputs = gates.input_F.clone()
        for name, level in condition.stimuli.items():
            inputs[network.molecule_index[name]] = level
        without_source = state[:, None].repeat(1, size + 1)
        without_source[each, each] = 0.0
        drive = Drive(gates, wiring, inputs[:, None])(without_source)
        effect += (drive[:, :size] - drive[:, size:]).abs().cpu()
    attention = (effect / len(conditions)).sqrt().double().numpy()
    return attention / np.maximum(attention.sum(1, keepdims=True), 1.0)


@torch.no_grad()
def molecular_attention(
    model: HMLMForSignaling, tokenizer: HMLMTokenizer, network: SignalingNetwork
) -> np.ndarray:
    """Weights of the encoder's molecular attention along interactions (N, N), targets by sources.

    The mean over layers and heads; each row with sources sums to 1.
    """
    context = make_context(tokenizer, network, None)
    output = model.hmlm(
        **to_device(context, model.device),
        output_attentions=True,
    )
    pairs = context["pair_index"][0].numpy()
    weights = torch.stack([of_layer[0, 0] for of_layer in output.attentions.molecular])
    dense = np.zeros((len(network.molecules),) * 2)
    dense[pairs[:, 0], pairs[:, 1]] = weights.mean((0, 1)).double().cpu().numpy()
    return _rows_to_one(dense * wired(network))


def wired(network: SignalingNetwork) -> np.ndarray:
    """Where there is an interaction (N, N), targets by sources."""
    found = np.zeros((len(network.molecules),) * 2)
    for interaction in network.interactions:
        for source in interaction.sources:
            place = network.molecule_index[interaction.target], network.molecule_index[source]
            found[place] = 1.0
    return found


def even_attention(network: SignalingNetwork) -> np.ndarray:
    """Attention by the wiring alone: equal weights of all sources (N, N)."""
    return _rows_to_one(wired(network))


def arrival(attention: np.ndarray, within: Iterable[int]) -> np.ndarray:
    """The chance (N) that a walk along attention from each molecule arrives within a set."""
    chosen = list(within)
    chance = np.zeros(len(attention))
    chance[chosen] = 1.0
    for _ in range(MOST_STEPS):
        after = DAMPING * attention @ chance
        after[chosen] = 1.0
        settled = np.abs(after - chance).max() < SETTLED
        chance = after
        if settled:
            break
    return chance


def crosstalk(network: SignalingNetwork, attention: np.ndarray) -> dict[Pair, float]:
    """The score of every ordered pair of pathways."""
    return mean_by_pair(network, lambda of_a: arrival(attention, of_a))


def score_crosstalk(network: SignalingNetwork, checkpoint: str) -> pd.DataFrame:
    """Columns from, to and score of every ordered pair of pathways, the strongest first.

    Args:
        network: with at least two pathways.
        checkpoint: the model whose gates are the attention.

    Raises:
        HMLMError: there are no two pathways, or the checkpoint is fine-tuned.
    """
    visible = network.without_kinetics()
    if not ordered_pairs(visible):
        raise HMLMError(
            f"network {network.name!r} has {len(network.pathways)} pathways; expected at least 2 "
            "that differ in their molecules"
        )
    model, tokenizer = load_foundation(checkpoint)
    attention = gate_attention(model, tokenizer, visible, single_stimuli(visible))
    scores = crosstalk(visible, attention)
    rows = [{"from": a, "to": b, "score": score} for (a, b), score in scores.items()]
    return pd.DataFrame(rows).sort_values("score", ascending=False, ignore_index=True)


def mean_by_pair(
    network: SignalingNetwork, from_pathway: Callable[[list[int]], np.ndarray]
) -> dict[Pair, float]:
    """For every ordered pair (A, B), the mean over B's own molecules of the effect of A on each.

    Args:
        from_pathway: effects (N) of a pathway, given by the positions of its molecules.
    """
    found: dict[Pair, float] = {}
    known: dict[str, np.ndarray] = {}
    for (a, b), (of_a, of_b) in ordered_pairs(network).items():
        if a not in known:
            known[a] = from_pathway(of_a)
        found[a, b] = float(known[a][of_b].mean())
    return found


def _rows_to_one(values: np.ndarray) -> np.ndarray:
    total = values.sum(1, keepdims=True)
    return np.divide(values, total, out=np.zeros_like(values), where=total > 0)
