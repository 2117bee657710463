"""What `hmlm benchmark crosstalk` asks: does attention say which pathways act on which?

The truth is the simulator's: the mean change of B's molecules, after 48 h and over ten stimuli,
when every molecule of A is knocked out. Networks are the one that is named and joined core
pathways with drawn kinetics; molecules of B that A has too are left out.

A shuffled graph keeps how many molecules a pathway has and how many interactions, and these alone
say something. So each correlation stands a second time without what they say.

Shapes: N molecules, P pairs of pathways, K numbers that a shuffled graph keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from scipy.stats import rankdata

from ...dynamics.draw import draw_dynamics
from ...dynamics.simulator import baseline_state, simulate
from ...formats import load_core
from ...inference.context import make_context
from ...inference.crosstalk import (
    Pair,
    arrival,
    crosstalk,
    even_attention,
    gate_attention,
    molecular_attention,
    of_pairs,
    ordered_pairs,
    single_stimuli,
    wired,
)
from ...inference.loading import untrained_model
from ...inference.prediction import predict_states
from ...measurements.simulated import HORIZON_HOURS, visible_network, with_baseline_inputs
from ...model.conditions import Condition, Perturbation
from ...model.errors import HMLMError
from ...model.modeling_hmlm import HMLMForSignaling
from ...model.network import SignalingNetwork, merge_networks
from ...model.tokenization_hmlm import HMLMTokenizer
from ..entries import CONTROL_ROWS, shuffled
from ..report import interval_table

JOINED_PATHWAYS, JOINED_NETWORKS = 8, 6
FIRST_SEED = 100
"""Of joined networks; others were looked at while the score was chosen."""
TOLERANCE = 1e-3
RESAMPLES, NOTHING_LEFT = 1000, 1e-9
REFERENCE = "inverse graph distance"
FIGURES = {
    "spearman": "Spearman",
    "difference": f"less that of {REFERENCE}",
    "given_degrees": "Spearman given sizes and degrees",
}
PAPER_PAIRS = (("TGFB1R", "smad3"), ("smad3", "proCI"), ("YAP", "aSMA"))
"""Pairs of molecules that the paper's attention singles out."""

Change = Callable[[list[int]], np.ndarray]
Scores = dict[Pair, float]


def joined_network(seed: int) -> SignalingNetwork:
    """Eight core pathways, each chosen by how many molecules it shares, with drawn kinetics."""
    core = load_core()
    rng = np.random.default_rng([2026, 5, seed])
    chosen = [core[rng.integers(len(core))]]
    while len(chosen) < JOINED_PATHWAYS:
        names = {name for network in chosen for name in network.names}
        rest = [network for network in core if network not in chosen]
        shared = np.array([len(names.intersection(network.names)) for network in rest], float)
        share = shared / shared.sum() if shared.any() else None
        chosen.append(rest[rng.choice(len(rest), p=share)])
    return draw_dynamics(merge_networks(chosen, "+".join(n.name for n in chosen)), rng)


def true_change(network: SignalingNetwork) -> Change:
    """How far each molecule's state is moved (N) by knocking out some, in the simulator."""
    conditions = single_stimuli(network)
    baseline = baseline_state(network)

    def states(knocked_out: Sequence[int]) -> np.ndarray:
        rows = _with_knockouts(conditions, network, knocked_out)
        return simulate(network, rows, [HORIZON_HOURS], baseline, tolerance=TOLERANCE).numpy()

    untouched = states([])
    return lambda of_a: np.abs(states(of_a) - untouched)[:, 0].mean(0)


def predicted_change(
    model: HMLMForSignaling, tokenizer: HMLMTokenizer, network: SignalingNetwork
) -> Change:
    """The same, in the model's own roll-out from the wiring."""
    conditions = single_stimuli(network)
    context = make_context(tokenizer, network, None)

    def states(knocked_out: Sequence[int]) -> np.ndarray:
        rows = _with_knockouts(conditions, network, knocked_out)
        hours = np.array([HORIZON_HOURS])
        return predict_states(model, context, network, rows, hours).states

    untouched = states([])
    return lambda of_a: np.abs(states(of_a) - untouched)[:, 0].mean(0)


def nearness(network: SignalingNetwork, of_distance: Callable[[float], float]) -> Change:
    """How near each molecule is (N) to a set, by the length of the shortest directed path."""
    graph = nx.from_numpy_array(wired(network).T, create_using=nx.DiGraph)
    farthest = len(network.molecules)

    def near(of_a: list[int]) -> np.ndarray:
        lengths = nx.multi_source_dijkstra_path_length(graph, set(of_a), weight=None)
        return np.array([of_distance(lengths.get(i, farthest)) for i in range(farthest)])

    return near


def scores_of(
    network: SignalingNetwork, model: HMLMForSignaling, tokenizer: HMLMTokenizer, track: str
) -> dict[str, Scores]:
    """What every row says of one network, which it sees without kinetics."""
    shown = visible_network(network, track)
    stimuli = single_stimuli(shown)
    untrained = untrained_model(model.config, seed=0)
    dealt = shuffled(shown, seed=0)
    size = len(shown.molecules)
    return {
        "size of the pathway": of_pairs(shown, lambda of_a: np.full(size, float(len(of_a)))),
        "graph distance": of_pairs(shown, nearness(shown, lambda length: -length)),
        REFERENCE: of_pairs(shown, nearness(shown, lambda length: 1 / max(length, 1))),
        "walk with even attention": crosstalk(shown, even_attention(shown)),
        "HMLM from scratch, gate attention": crosstalk(
            shown, gate_attention(untrained, tokenizer, shown, stimuli)
        ),
        "HMLM pretrained, molecular attention": crosstalk(
            shown, molecular_attention(model, tokenizer, shown)
        ),
        "HMLM pretrained, gate attention": crosstalk(
            shown, gate_attention(model, tokenizer, shown, stimuli)
        ),
        "HMLM pretrained, knock-outs rolled out": of_pairs(
            shown, predicted_change(model, tokenizer, shown)
        ),
        CONTROL_ROWS[0]: crosstalk(dealt, gate_attention(model, tokenizer, dealt, stimuli)),
    }


def sizes_and_degrees(network: SignalingNetwork) -> dict[Pair, tuple[float, ...]]:
    """What a shuffled graph keeps of every ordered pair (A, B), K = 3 numbers: the molecules of A,
    the interactions that leave them, and the share of B's molecules that have a source at all."""
    graph = wired(network)
    leaving, listens = graph.sum(0), graph.sum(1) > 0
    return {
        pair: (len(of_a), leaving[of_a].sum(), listens[of_b].mean())
        for pair, (of_a, of_b) in ordered_pairs(network).items()
    }


@dataclass(frozen=True)
class OfNetwork:
    """Truth (P), scores (P) and what a shuffled graph keeps (P, K), of one network."""

    truth: np.ndarray
    scores: dict[str, np.ndarray]
    kept: np.ndarray


def measure_network(
    network: SignalingNetwork, model: HMLMForSignaling, tokenizer: HMLMTokenizer, track: str
) -> OfNetwork:
    """Truth and scores of one network with kinetics.

    Raises:
        ValueError: it has no two pathways.
    """
    truth = with_baseline_inputs(network)
    pairs = list(ordered_pairs(truth))
    if len(pairs) < 3:
        raise HMLMError(
            f"network {network.name!r} has {len(pairs)} ordered pairs of pathways; "
            "expected at least 3"
        )
    changes = of_pairs(truth, true_change(truth))
    scores = scores_of(network, model, tokenizer, track)
    kept = sizes_and_degrees(truth)
    return OfNetwork(
        np.array([changes[pair] for pair in pairs]),
        {name: np.array([own[pair] for pair in pairs]) for name, own in scores.items()},
        np.array([kept[pair] for pair in pairs]),
    )


def summarise(found: Sequence[OfNetwork]) -> list[dict[str, Any]]:
    """Spearman's correlation of every row, the mean over networks: as it is, less that of the
    reference, and given what a shuffled graph keeps; with bootstrap intervals over the pairs of
    each network."""
    rng = np.random.default_rng(0)
    names = list(found[0].scores)
    reference = names.index(REFERENCE)
    every = [np.arange(len(of.truth)) for of in found]

    def correlations(chosen: Sequence[np.ndarray]) -> np.ndarray:
        """Of every row the three figures (rows, 3)."""
        of_networks = []
        for of, i in zip(found, chosen, strict=True):
            told = np.stack(list(of.scores.values()), axis=1)[i]
            alone = partial_spearman(told, of.truth[i])
            of_networks.append((alone, partial_spearman(told, of.truth[i], of.kept[i])))
        own, given = np.mean(of_networks, axis=0)
        return np.stack([own, own - own[reference], given], axis=1)

    own = correlations(every)
    drawn = np.array(
        [correlations([rng.choice(i, len(i)) for i in every]) for _ in range(RESAMPLES)]
    )
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    rows = []
    for row, name in enumerate(names):
        figures = {}
        for place, figure in enumerate(FIGURES):
            figures[figure] = float(own[row, place])
            figures[f"{figure}_low"] = float(low[row, place])
            figures[f"{figure}_high"] = float(high[row, place])
        rows.append(
            {
                "model": name,
                "budget": "wiring alone",
                "split": "pathway pairs",
                **figures,
                "pairs": sum(map(len, every)),
                "networks": len(found),
            }
        )
    return rows


def crosstalk_table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    caption = (
        f"Spearman's correlation with the simulator's knock-outs, {rows[0]['pairs']} ordered pairs "
        f"of pathways in {rows[0]['networks']} networks (95 % interval):"
    )
    return interval_table(caption, rows, FIGURES)


def molecule_pairs_table(
    network: SignalingNetwork, model: HMLMForSignaling, tokenizer: HMLMTokenizer, track: str
) -> str:
    """The paper's pairs of molecules: their score, its place among all sources of the target, and
    the target's true change when the source is knocked out; empty where they are not there."""
    pairs = [p for p in PAPER_PAIRS if set(p) <= set(network.names)]
    if not pairs:
        return ""
    shown = visible_network(network, track)
    attention = gate_attention(model, tokenizer, shown, single_stimuli(shown))
    arrivals = np.stack([arrival(attention, [i]) for i in range(len(attention))])
    change = true_change(with_baseline_inputs(network))
    lines = [
        f"The paper's pairs, in {network.name}:",
        "",
        "| source | target | gate attention | place among all sources | true change |",
        "|---|---|---|---|---|",
    ]
    for source, target in pairs:
        i, j = network.molecule_index[source], network.molecule_index[target]
        others = np.delete(arrivals[:, j], j)
        place = int((others > arrivals[i, j]).sum()) + 1
        lines.append(
            f"| {source} | {target} | {arrivals[i, j]:.3f} | {place} of {len(others)} | "
            f"{change([i])[j]:.3f} |"
        )
    return "\n".join(lines)


def _with_knockouts(
    conditions: Sequence[Condition], network: SignalingNetwork, knocked_out: Sequence[int]
) -> list[Condition]:
    gone = tuple(Perturbation(network.names[i], kind="knockout") for i in knocked_out)
    return [Condition(condition.stimuli, gone) for condition in conditions]


def partial_spearman(
    told: np.ndarray, truth: np.ndarray, given: np.ndarray | None = None
) -> np.ndarray:
    """Spearman's correlation of each of several (P, rows) or one (P) with the truth (P), without
    what the ranks of others (P, K) say of both.

    Pearson's correlation of what a linear regression on these ranks leaves of the two's ranks. 0
    where it leaves nothing of either.
    """
    others = np.empty((len(truth), 0)) if given is None else rankdata(given, axis=0)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(len(truth)), others]))

    def left(values: np.ndarray) -> np.ndarray:
        ranks = rankdata(values, axis=0)
        rest = ranks - basis @ (basis.T @ ranks)
        size = np.linalg.norm(rest, axis=0)
        nothing = size < NOTHING_LEFT * np.linalg.norm(ranks, axis=0)
        return np.where(nothing, 0.0, rest / np.where(nothing, 1.0, size))

    return left(truth) @ left(told)
