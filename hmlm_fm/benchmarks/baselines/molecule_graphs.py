"""Baselines of the masked-molecule objective that learn from the graph: node2vec, and a GNN.

Shapes: V vocabulary, D width, N molecules, E edges, W walks, S steps of a walk.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GINEConv, GPSConv

from ...model.losses import masked_molecule_loss
from ...model.network import MOLECULE_KINDS, SignalingNetwork
from ...model.tokenization_hmlm import HMLMTokenizer
from ...pretraining.masked_baselines import Frequency, MembersOf, edges_of
from ...pretraining.objectives import mask_molecules

WALKS_PER_TOKEN, STEPS_PER_WALK, WINDOW, NEGATIVES = 20, 20, 5, 5
HEADS = 4
TABLE_RATE_FACTOR = 10.0
NEVER_VISITED = -100.0


class Node2Vec:
    """Tokens that walks on the training interactions visit together stand close together.

    Grover and Leskovec (KDD 2016): walks that come back with weight 1/p and go away with weight
    1/q, and skip-gram with negative samples. A masked molecule is what its visible neighbours are
    most likely to be visited with; ties are broken by frequency.
    """

    def __init__(
        self,
        networks: Sequence[SignalingNetwork],
        members_of: MembersOf,
        size: int,
        p: float = 1.0,
        q: float = 1.0,
        width: int = 64,
        epochs: int = 3,
        seed: int = 0,
    ) -> None:
        self.members_of = members_of
        counts = Frequency(networks, members_of, size).counts
        self.frequency = counts / (1 + counts.max())
        rng = np.random.default_rng([seed, 11])
        neighbours = _token_neighbours(networks, members_of)
        walks = [
            _walk(start, neighbours, p, q, rng)
            for start in neighbours
            for _ in range(WALKS_PER_TOKEN)
        ]
        # Tables of the visited tokens alone; others are neighbours of none.
        self.visited = np.array(list(neighbours))
        place = np.full(size, -1)
        place[self.visited] = np.arange(len(self.visited))
        self.place = place
        centre, around = _windows(place[np.array(walks)])
        self.inner, self.outer = _skip_gram(centre, around, len(self.visited), width, epochs, seed)

    def scores(self, network: SignalingNetwork, molecule: int) -> np.ndarray:
        """Scores over the vocabulary (V) for one masked molecule, from its neighbours."""
        members = self.members_of(network)
        own = set(members[molecule])
        beside = [
            token
            for source, target in edges_of(network)
            if (source == molecule) != (target == molecule)
            for token in members[target if source == molecule else source]
            if own.isdisjoint(members[target if source == molecule else source])
        ]
        known = [self.place[token] for token in beside if self.place[token] >= 0]
        if not known:
            return self.frequency
        logits = self.inner[known] @ self.outer.T
        scores = np.full(len(self.place), NEVER_VISITED)
        scores[self.visited] = (logits - np.logaddexp(0, logits)).mean(0)
        return scores + 1e-3 * self.frequency


def _token_neighbours(
    networks: Sequence[SignalingNetwork], members_of: MembersOf
) -> dict[int, np.ndarray]:
    found: dict[int, set[int]] = {}
    for network in networks:
        members = members_of(network)
        for source, target in edges_of(network):
            for s in members[source]:
                for t in members[target]:
                    if s != t:
                        found.setdefault(s, set()).add(t)
                        found.setdefault(t, set()).add(s)
    return {token: np.array(sorted(of)) for token, of in sorted(found.items())}


def _walk(
    start: int, neighbours: dict[int, np.ndarray], p: float, q: float, rng: np.random.Generator
) -> list[int]:
    walk = [start]
    while len(walk) < STEPS_PER_WALK:
        options = neighbours[walk[-1]]
        if len(walk) == 1 or p == q == 1:
            walk.append(int(options[rng.integers(len(options))]))
            continue
        before = walk[-2]
        near = np.isin(options, neighbours[before])
        weight = np.where(options == before, 1 / p, np.where(near, 1.0, 1 / q))
        walk.append(int(rng.choice(options, p=weight / weight.sum())))
    return walk


def _windows(walks: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs at most `WINDOW` steps apart in walks (W, S), both ways."""
    steps = torch.from_numpy(walks)
    pairs = [
        torch.stack([steps[:, :-apart].flatten(), steps[:, apart:].flatten()])
        for apart in range(1, WINDOW + 1)
    ]
    both = torch.cat(pairs, dim=1)
    both = torch.cat([both, both.flip(0)], dim=1)
    return both[0], both[1]


def _skip_gram(
    centre: torch.Tensor, around: torch.Tensor, size: int, width: int, epochs: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Inner and outer vectors (V, D) of tokens, by Mikolov's skip-gram with negative samples."""
    generator = torch.Generator().manual_seed(seed)
    inner = (torch.randn(size, width, generator=generator) / width**0.5).requires_grad_()
    outer = torch.zeros(size, width, requires_grad=True)
    chance = torch.bincount(centre, minlength=size).double() ** 0.75
    optimizer = torch.optim.Adam([inner, outer], lr=0.01)
    for _ in range(epochs):
        for part in torch.randperm(len(centre), generator=generator).split(8192):
            others = torch.multinomial(
                chance, len(part) * NEGATIVES, replacement=True, generator=generator
            ).view(len(part), NEGATIVES)
            of_centre = inner[centre[part]]
            near = (of_centre * outer[around[part]]).sum(-1)
            far = (of_centre.unsqueeze(1) * outer[others]).sum(-1)
            loss = -nn.functional.logsigmoid(near) - nn.functional.logsigmoid(-far).sum(-1)
            optimizer.zero_grad()
            loss.mean().backward()
            optimizer.step()
    return inner.detach().numpy(), outer.detach().numpy()


class MaskedGraphNetwork:
    """GPSConv (Rampášek et al., NeurIPS 2022) trained to name masked molecules.

    Masked as HMLM's objective masks, on as many networks, with a tied table of tokens.
    """

    def __init__(
        self,
        networks: Sequence[SignalingNetwork],
        tokenizer: HMLMTokenizer,
        steps: int = 150,
        batch: int = 48,
        rate: float = 3e-3,
        width: int = 64,
        layers: int = 3,
        seed: int = 0,
    ) -> None:
        self.tokenizer = tokenizer
        rng = np.random.default_rng([seed, 12])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.module = _MaskedModule(tokenizer.vocab_size, width, layers)
            # A row of the table is touched seldom, so it moves further when it is, as HMLM's does.
            table = {id(self.module.tokens.weight), id(self.module.bias)}
            groups = [
                {"params": [p for p in self.module.parameters() if (id(p) in table) == is_table]}
                for is_table in (False, True)
            ]
            optimizer = torch.optim.AdamW(groups, rate, weight_decay=0.05)
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimizer, [rate, TABLE_RATE_FACTOR * rate], total_steps=steps
            )
            encodings = [tokenizer.encode_network(n, warn_unknown=False) for n in networks]
            wirings = [_wiring(network) for network in networks]
            for _ in range(steps):
                graphs, labels = [], []
                for i in rng.integers(len(networks), size=batch):
                    masked = mask_molecules(encodings[i], tokenizer, rng)
                    graphs.append(_graph(masked["input_ids"], networks[i], wirings[i]))
                    labels += [row[row > 0].tolist() for row in masked["masked_ids"]]
                chosen = [i for i, row in enumerate(labels) if row]
                wide = max(len(labels[i]) for i in chosen)
                wanted = torch.tensor([labels[i] + [-1] * (wide - len(labels[i])) for i in chosen])
                logits = self.module(Batch.from_data_list(graphs), torch.tensor(chosen))
                loss = masked_molecule_loss(logits, wanted)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
                optimizer.step()
                schedule.step()
        self.module.eval()

    @torch.no_grad()
    def scores(self, network: SignalingNetwork, molecule: int) -> np.ndarray:
        """Scores over the vocabulary (V) for one masked molecule and its twins."""
        ids = self.tokenizer.encode_network(network, warn_unknown=False)["input_ids"].copy()
        own = ids[molecule][ids[molecule] > self.tokenizer.unk_token_id]
        hidden = np.isin(ids, own).any(1)
        ids[hidden] = 0
        ids[hidden, 0] = self.tokenizer.mask_token_id
        graph = Batch.from_data_list([_graph(ids, network, _wiring(network))])
        return self.module(graph, torch.tensor([molecule]))[0].double().numpy()


class _MaskedModule(nn.Module):
    def __init__(self, size: int, width: int, layers: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(size, width, padding_idx=0)
        nn.init.normal_(self.tokens.weight, std=0.3)
        self.kinds = nn.Embedding(len(MOLECULE_KINDS), width)
        self.of_edge = nn.Embedding(6, width)
        self.layers = nn.ModuleList(
            GPSConv(width, GINEConv(_mlp(width)), heads=HEADS, norm="layer_norm")
            for _ in range(layers)
        )
        self.out = _mlp(width)
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, graph: Batch, chosen: torch.Tensor) -> torch.Tensor:
        """Logits (chosen, V)."""
        members = self.tokens(graph.ids).sum(1)
        count = (graph.ids > 0).sum(1, keepdim=True).clamp(min=1)
        node = members / count + self.kinds(graph.kind)
        edge = self.of_edge(graph.edge_kind)
        for layer in self.layers:
            node = layer(node, graph.edge_index, graph.batch, edge_attr=edge)
        return self.out(node[chosen]) @ self.tokens.weight.T + self.bias


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))


def _wiring(network: SignalingNetwork) -> tuple[torch.Tensor, torch.Tensor]:
    """Edges (2, 2E) both ways, and their kinds by direction and sign (2E)."""
    signs = [sign for i in network.interactions for sign in i.signs]
    forward = torch.tensor(edges_of(network), dtype=torch.long).view(-1, 2).T
    sign = torch.tensor(signs, dtype=torch.long)
    return torch.cat([forward, forward.flip(0)], dim=1), torch.cat([sign + 1, sign + 4])


MOST_MEMBERS = 32


def _graph(
    ids: np.ndarray, network: SignalingNetwork, wiring: tuple[torch.Tensor, torch.Tensor]
) -> Data:
    padded = np.zeros((len(ids), MOST_MEMBERS), dtype=np.int64)
    padded[:, : ids.shape[1]] = ids[:, :MOST_MEMBERS]
    kinds = [MOLECULE_KINDS.index(molecule.kind) for molecule in network.molecules]
    return Data(
        ids=torch.from_numpy(padded),
        kind=torch.tensor(kinds),
        edge_index=wiring[0],
        edge_kind=wiring[1],
        num_nodes=len(ids),
    )
