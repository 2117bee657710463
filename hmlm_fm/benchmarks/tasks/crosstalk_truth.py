"""The task `hmlm benchmark crosstalk`: does attention predict which pathways act on which?

The truth is the simulator's: the mean change of B's molecules, after 48 h and over ten stimuli,
when every molecule of A is knocked out. Networks are the one that is named and joined core
pathways with drawn kinetics; molecules of B that A has too are left out.

A shuffled graph keeps how many molecules a pathway has and how many interactions, and these alone
are predictive. So each correlation stands a second time, given these.

Shapes: N molecules, P pairs of pathways, K numbers that a shuffled graph keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import networkx as nx
import numpy as np
from scipy.stats import rankdata

from ...dynamics.draw import draw_dynamics
from ...dynamics.simulator import baseline_state, simulate
from ...formats.network_loading import load_core
from ...inference.context import make_context
from ...inference.crosstalk import (
    Pair,
    arrival,
    crosstalk,
    even_attention,
    gate_attention,
    mean_by_pair,
    molecular_attention,
    ordered_pairs,
    single_stimuli,
    wired,
)
from ...inference.loading import untrained_model
from ...inference.prediction import predict_states
from ...measurements.simulated import HORIZON_HOURS, visible_network, with_baseline_inputs
from ...model.conditions import Condition, Perturbation
from ...model.error_base import HMLMError
from ...model.modeling_hmlm import HMLMForSignaling
from ...model.network import SignalingNetwork, merge_networks
from ...model.tokenization_hmlm import HMLMTokenizer
from ..baselines.controls import shuffled
from ..entries import Entry, Result
from ..report import interval_table, plain_table

JOINED_PATHWAYS, JOINED_NETWORKS = 8, 6
FIRST_SEED = 100
"""Of joined networks; others were looked at while the score was chosen."""
TOLERANCE = 1e-3
RESAMPLES, NOTHING_LEFT = 1000, 1e-9
REFERENCE = "inverse-graph-distance"
FIGURES = {
    "spearman": "Spearman",
    "difference": "less that of inverse graph distance",
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
        treated = _with_knockouts(conditions, network, knocked_out)
        return simulate(network, treated, [HORIZON_HOURS], baseline, tolerance=TOLERANCE).numpy()

    untouched = states([])
    return lambda of_a: np.abs(states(of_a) - untouched)[:, 0].mean(0)


def predicted_change(
    model: HMLMForSignaling, tokenizer: HMLMTokenizer, network: SignalingNetwork
) -> Change:
    """The same, in the model's own roll-out from the wiring."""
    conditions = single_stimuli(network)
    context = make_context(tokenizer, network, None)

    def states(knocked_out: Sequence[int]) -> np.ndarray:
        treated = _with_knockouts(conditions, network, knocked_out)
        hours = np.array([HORIZON_HOURS])
        return predict_states(model, context, network, treated, hours).states

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


@dataclass
class ScoredNetwork:
    """One network without kinetics, and what the entries share."""

    network: SignalingNetwork
    model: HMLMForSignaling
    tokenizer: HMLMTokenizer

    @cached_property
    def stimuli(self) -> list[Condition]:
        return single_stimuli(self.network)

    @cached_property
    def untrained(self) -> HMLMForSignaling:
        return untrained_model(self.model.config, seed=0)

    def by_gates(self, model: HMLMForSignaling, network: SignalingNetwork) -> Scores:
        """Scores by the gate attention of a model on this network, or on its shuffled graph."""
        return crosstalk(network, gate_attention(model, self.tokenizer, network, self.stimuli))


def _by_size(on: ScoredNetwork) -> Scores:
    size = len(on.network.molecules)
    return mean_by_pair(on.network, lambda of_a: np.full(size, float(len(of_a))))


CROSSTALK_ENTRIES: tuple[Entry, ...] = (
    Entry("pathway-size", "size of the pathway", _by_size),
    Entry(
        "graph-distance", "graph distance",
        lambda on: mean_by_pair(on.network, nearness(on.network, lambda length: -length)),
    ),
    Entry(
        REFERENCE, "inverse graph distance",
        lambda on: mean_by_pair(
            on.network, nearness(on.network, lambda length: 1 / max(length, 1))
        ),
    ),
    Entry(
        "even-attention", "walk with even attention",
        lambda on: crosstalk(on.network, even_attention(on.network)),
    ),
    Entry(
        "hmlm-scratch-gate-attention", "HMLM from scratch, gate attention",
        lambda on: on.by_gates(on.untrained, on.network),
        starts_from="configuration", highlighted=True,
    ),
    Entry(
        "hmlm-molecular-attention", "HMLM pretrained, molecular attention",
        lambda on: crosstalk(on.network, molecular_attention(on.model, on.tokenizer, on.network)),
        starts_from="weights", highlighted=True,
    ),
    Entry(
        "hmlm-gate-attention", "HMLM pretrained, gate attention",
        lambda on: on.by_gates(on.model, on.network), starts_from="weights", highlighted=True,
    ),
    Entry(
        "hmlm-knockouts", "HMLM pretrained, knock-outs rolled out",
        lambda on: mean_by_pair(on.network, predicted_change(on.model, on.tokenizer, on.network)),
        starts_from="weights", highlighted=True,
    ),
    Entry(
        "hmlm-shuffled-gate-attention", "control: graph shuffled",
        lambda on: on.by_gates(on.model, shuffled(on.network, seed=0)), starts_from="weights",
    ),
)  # fmt: skip
"""Their factories take a `ScoredNetwork` and give `Scores`."""


def scores_of(
    network: SignalingNetwork, model: HMLMForSignaling, tokenizer: HMLMTokenizer, track: str
) -> dict[str, Scores]:
    """The scores of every entry on one network, which it is given without kinetics, by id."""
    on = ScoredNetwork(visible_network(network, track), model, tokenizer)
    return {entry.id: entry.make(on) for entry in CROSSTALK_ENTRIES}


def sizes_and_degrees(network: SignalingNetwork) -> dict[Pair, tuple[float, ...]]:
    """What a shuffled graph keeps of every ordered pair (A, B), K = 3 numbers: the molecules of A,
    the interactions that leave them, and the share of B's molecules that have a source at all."""
    graph = wired(network)
    leaving, regulated = graph.sum(0), graph.sum(1) > 0
    return {
        pair: (len(of_a), leaving[of_a].sum(), regulated[of_b].mean())
        for pair, (of_a, of_b) in ordered_pairs(network).items()
    }


@dataclass(frozen=True)
class MeasuredNetwork:
    """Truth (P), scores (P) and what a shuffled graph keeps (P, K), of one network."""

    truth: np.ndarray
    scores: dict[str, np.ndarray]
    kept: np.ndarray


def measure_network(
    network: SignalingNetwork, model: HMLMForSignaling, tokenizer: HMLMTokenizer, track: str
) -> MeasuredNetwork:
    """Truth and scores of one network with kinetics.

    Raises:
        HMLMError: it has no two pathways.
    """
    truth = with_baseline_inputs(network)
    pairs = list(ordered_pairs(truth))
    if len(pairs) < 3:
        raise HMLMError(
            f"network {network.name!r} has {len(pairs)} ordered pairs of pathways; "
            "expected at least 3"
        )
    changes = mean_by_pair(truth, true_change(truth))
    scores = scores_of(network, model, tokenizer, track)
    kept = sizes_and_degrees(truth)
    return MeasuredNetwork(
        np.array([changes[pair] for pair in pairs]),
        {name: np.array([own[pair] for pair in pairs]) for name, own in scores.items()},
        np.array([kept[pair] for pair in pairs]),
    )


def correlations(found: Sequence[MeasuredNetwork]) -> list[Result]:
    """Spearman's correlation of every entry, the mean over networks: as it is, less that of the
    reference, and given what a shuffled graph keeps; with bootstrap intervals over the pairs of
    each network."""
    rng = np.random.default_rng(0)
    every = [np.arange(len(of.truth)) for of in found]
    own = _figures(found, every)
    drawn = np.array(
        [_figures(found, [rng.choice(i, len(i)) for i in every]) for _ in range(RESAMPLES)]
    )
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    results = []
    by_id = {entry.id: entry for entry in CROSSTALK_ENTRIES}
    for i, id in enumerate(found[0].scores):
        figures = {}
        for j, figure in enumerate(FIGURES):
            figures[figure] = float(own[i, j])
            figures[f"{figure}_low"] = float(low[i, j])
            figures[f"{figure}_high"] = float(high[i, j])
        pairs, networks = sum(map(len, every)), len(found)
        results.append(
            by_id[id].result(
                "wiring alone", "pathway pairs", None, **figures, pairs=pairs, networks=networks
            )
        )
    return results


def _figures(found: Sequence[MeasuredNetwork], chosen: Sequence[np.ndarray]) -> np.ndarray:
    """The three figures of every entry (S, 3), over chosen pairs of each network."""
    of_networks = []
    for of, i in zip(found, chosen, strict=True):
        predicted = np.stack(list(of.scores.values()), axis=1)[i]
        alone = partial_spearman(predicted, of.truth[i])
        of_networks.append((alone, partial_spearman(predicted, of.truth[i], of.kept[i])))
    own, given = np.mean(of_networks, axis=0)
    reference = list(found[0].scores).index(REFERENCE)
    return np.stack([own, own - own[reference], given], axis=1)


def crosstalk_table(results: Sequence[Result], about: Mapping[str, Any]) -> str:
    """The results as Markdown, and the paper's pairs of molecules where they were measured."""
    caption = (
        f"Spearman's correlation with the simulator's knock-outs, {results[0]['pairs']} ordered "
        f"pairs of pathways in {results[0]['networks']} networks (95 % interval):"
    )
    table = interval_table(caption, results, FIGURES)
    pairs = about.get("molecule_pairs")
    if not pairs:
        return table
    lines = [
        [pair["source"], pair["target"], f"{pair['score']:.3f}",
         f"{pair['rank']} of {pair['sources']}", f"{pair['true_change']:.3f}"]
        for pair in pairs
    ]  # fmt: skip
    head = ["source", "target", "gate attention", "rank among all sources", "true change"]
    pairs_table = plain_table(f"The pairs of the paper, in {about['network']}:", head, lines)
    return f"{table}\n\n{pairs_table}"


def molecule_pairs(
    network: SignalingNetwork, model: HMLMForSignaling, tokenizer: HMLMTokenizer, track: str
) -> list[dict[str, Any]]:
    """The paper's pairs of molecules: their score, its rank among all sources of the target, and
    the target's true change when the source is knocked out; empty where they are not there."""
    pairs = [p for p in PAPER_PAIRS if set(p) <= set(network.names)]
    if not pairs:
        return []
    visible = visible_network(network, track)
    attention = gate_attention(model, tokenizer, visible, single_stimuli(visible))
    arrivals = np.stack([arrival(attention, [i]) for i in range(len(attention))])
    change = true_change(with_baseline_inputs(network))
    found = []
    for source, target in pairs:
        i, j = network.molecule_index[source], network.molecule_index[target]
        others = np.delete(arrivals[:, j], j)
        found.append(
            {
                "source": source,
                "target": target,
                "score": float(arrivals[i, j]),
                "rank": int((others > arrivals[i, j]).sum()) + 1,
                "sources": len(others),
                "true_change": float(change([i])[j]),
            }
        )
    return found


def _with_knockouts(
    conditions: Sequence[Condition], network: SignalingNetwork, knocked_out: Sequence[int]
) -> list[Condition]:
    gone = tuple(Perturbation(network.names[i], kind="knockout") for i in knocked_out)
    return [Condition(condition.stimuli, gone) for condition in conditions]


def partial_spearman(
    predicted: np.ndarray, truth: np.ndarray, given: np.ndarray | None = None
) -> np.ndarray:
    """Spearman's correlation of each of several (P, S) or one (P) with the truth (P), given the
    ranks of others (P, K).

    Pearson's correlation of the residuals of both ranks in a linear regression on those of the
    others; 0 where a residual is 0.
    """
    others = np.empty((len(truth), 0)) if given is None else rankdata(given, axis=0)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(len(truth)), others]))

    def left(values: np.ndarray) -> np.ndarray:
        ranks = rankdata(values, axis=0)
        rest = ranks - basis @ (basis.T @ ranks)
        size = np.linalg.norm(rest, axis=0)
        nothing = size < NOTHING_LEFT * np.linalg.norm(ranks, axis=0)
        return np.where(nothing, 0.0, rest / np.where(nothing, 1.0, size))

    return left(truth) @ left(predicted)
