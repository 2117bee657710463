"""Masked molecules on held-out networks, beside frequency and neighbour look-up.

Shapes: V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from scipy.special import logsumexp

from ..model.fields import to_device
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer
from .masked_baselines import Frequency, MembersOf, NeighbourLookUp
from .objectives import Encoding


@dataclass(frozen=True)
class MaskedQuery:
    """One molecule, masked alone with every node that carries its members.

    Attributes:
        network: unmasked.
        molecule: its position.
        encoding: of the network, masked.
        candidates: (V) the tokens that every method chooses from.
        own: members that are a hit.
    """

    network: SignalingNetwork
    molecule: int
    encoding: Encoding
    candidates: np.ndarray
    own: list[int]


class Scorer(Protocol):
    """A baseline of the masked-molecule objective."""

    def scores(self, network: SignalingNetwork, molecule: int) -> np.ndarray:
        """Scores over the vocabulary (V) for one molecule, from the rest of its network."""


def token_reader(tokenizer: HMLMTokenizer) -> MembersOf:
    """A function that gives the tokens of each molecule of a network; it reads a network once."""
    cache: dict[str, list[list[int]]] = {}

    def members_of(network: SignalingNetwork) -> list[list[int]]:
        if network.content_hash not in cache:
            ids = tokenizer.encode_network(network, warn_unknown=False)["input_ids"]
            unknown = tokenizer.unk_token_id
            cache[network.content_hash] = [[t for t in row if t > unknown] for row in ids.tolist()]
        return cache[network.content_hash]

    return members_of


def masked_queries(
    tokenizer: HMLMTokenizer,
    training: Sequence[SignalingNetwork],
    held_out: Sequence[SignalingNetwork],
) -> list[MaskedQuery]:
    """Each eligible molecule of the held-out networks masked alone, once.

    Candidates are the training tokens not visible in the network; a molecule is eligible when one
    of its members is a candidate, and a family is hit when any member is.
    """
    members_of = token_reader(tokenizer)
    in_training = np.zeros(tokenizer.vocab_size, dtype=bool)
    for network in training:
        in_training[[t for row in members_of(network) for t in row]] = True
    queries = []
    for network in held_out:
        members = members_of(network)
        encoding = tokenizer.encode_network(network, warn_unknown=False)
        for molecule, own in enumerate(members):
            masked = [i for i, m in enumerate(members) if not set(own).isdisjoint(m)]
            candidates = in_training.copy()
            candidates[[t for i, m in enumerate(members) if i not in masked for t in m]] = False
            own_candidates = [t for t in own if candidates[t]]
            if not own_candidates:
                continue
            ids = encoding["input_ids"].copy()
            ids[masked] = 0
            ids[masked, 0] = tokenizer.mask_token_id
            queries.append(
                MaskedQuery(
                    network, molecule, encoding | {"input_ids": ids}, candidates, own_candidates
                )
            )
    return queries


@torch.no_grad()
def ranks_of_model(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    queries: Sequence[MaskedQuery],
    batch_size: int = 32,
) -> tuple[list[int], list[float]]:
    """The rank of each masked molecule among its candidates, and its cross entropy in nats."""
    ranks, cross_entropies = [], []
    model.eval()
    for first in range(0, len(queries), batch_size):
        batch_queries = queries[first : first + batch_size]
        batch = tokenizer.pad([query.encoding for query in batch_queries])
        logits = model(**to_device(batch, model.device)).logits.float().cpu().numpy()
        for row, query in enumerate(batch_queries):
            scores = logits[row, query.molecule]
            ranks.append(rank_among_candidates(scores, query.candidates, query.own))
            cross_entropy = logsumexp(scores[query.candidates]) - logsumexp(scores[query.own])
            cross_entropies.append(float(cross_entropy))
    return ranks, cross_entropies


def ranks_of_baseline(baseline: Scorer, queries: Sequence[MaskedQuery]) -> list[int]:
    """The rank of each masked molecule among its candidates."""
    return [
        rank_among_candidates(baseline.scores(q.network, q.molecule), q.candidates, q.own)
        for q in queries
    ]


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
    """Each eligible molecule masked alone, once; see `masked_queries`.

    Returns:
        top1, top10 of the model and of frequency and neighbour look-up, with 95 % Wilson
        intervals, n, and the model's cross entropy among the candidates, in nats.
    """
    queries = masked_queries(tokenizer, training, held_out)
    members_of, size = token_reader(tokenizer), tokenizer.vocab_size
    ranks, cross_entropies = ranks_of_model(model, tokenizer, queries)
    found: dict[str, Any] = {"n": len(queries)}
    found["cross_entropy"] = float(np.mean(cross_entropies)) if cross_entropies else math.nan
    found |= top_shares(ranks)
    for name, kind in (("frequency", Frequency), ("neighbour", NeighbourLookUp)):
        shares = top_shares(ranks_of_baseline(kind(training, members_of, size), queries))
        found |= {f"{name}_{key}": value for key, value in shares.items()}
    return found


def rank_among_candidates(
    scores_V: np.ndarray, candidates_V: np.ndarray, own: Sequence[int]
) -> int:
    """How many candidates score above the best own member; ties count half against it.

    Scores that are not numbers rank last.
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
