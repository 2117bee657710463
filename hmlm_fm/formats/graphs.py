"""Views of a network as graphs of networkx and torch_geometric.

Every source of an interaction becomes an edge to its target; the edges of one AND group share a
group id, the position of their interaction. Inputs have no source, so they are kept with the
molecule: its input's weight, or None where it has no input.
"""

from __future__ import annotations

from dataclasses import asdict

import networkx as nx
import torch
from torch_geometric.data import Data

from ..model.network import INTERACTION_KINDS, MOLECULE_KINDS, SignalingNetwork


def to_networkx(network: SignalingNetwork) -> nx.MultiDiGraph[str]:
    """The network as a directed multigraph.

    Nodes, by name and in file order, have the fields of `Molecule` and the flag `is_input` with
    `input_weight`. Edges have `sign`, `kind`, `and_group` (the position of the interaction, also
    the edge's key), `weight`, `n` and `ec50`. Title, source, licence, logic_known and pathways are
    attributes of the graph.
    """
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(
        name=network.name,
        title=network.title,
        source=network.source,
        licence=network.licence,
        logic_known=network.logic_known,
        pathways=tuple(asdict(pathway) for pathway in network.pathways),
    )
    input_weight = {i.target: i.weight for i in network.interactions if i.is_input}
    for molecule in network.molecules:
        fields = {name: value for name, value in asdict(molecule).items() if name != "name"}
        graph.add_node(
            molecule.name,
            **fields,
            is_input=molecule.name in input_weight,
            input_weight=input_weight.get(molecule.name),
        )
    for group, interaction in enumerate(network.interactions):
        for source, sign in zip(interaction.sources, interaction.signs, strict=True):
            graph.add_edge(
                source,
                interaction.target,
                key=group,
                sign=sign,
                kind=interaction.kind,
                and_group=group,
                weight=interaction.weight,
                n=interaction.n,
                ec50=interaction.ec50,
            )
    return graph


def to_pyg(network: SignalingNetwork) -> Data:
    """The network as a torch_geometric graph of N molecules and E edges.

    Returns:
        `edge_index` (2, E): source and target; `edge_sign` (E): 1, -1 or 0; `edge_kind` (E): index
        into `INTERACTION_KINDS`; `edge_and_group` (E): position of the interaction;
        `node_kind` (N): index into `MOLECULE_KINDS`; `is_input` (N); `names`: N names in file
        order. All integers are int64.
    """
    edges = [
        (
            network.molecule_index[source],
            network.molecule_index[interaction.target],
            sign,
            INTERACTION_KINDS.index(interaction.kind),
            group,
        )
        for group, interaction in enumerate(network.interactions)
        for source, sign in zip(interaction.sources, interaction.signs, strict=True)
    ]
    source, target, sign, kind, group = torch.tensor(edges, dtype=torch.long).reshape(-1, 5).T
    inputs = set(network.inputs)
    return Data(
        edge_index=torch.stack([source, target]),
        edge_sign=sign,
        edge_kind=kind,
        edge_and_group=group,
        node_kind=torch.tensor([MOLECULE_KINDS.index(m.kind) for m in network.molecules]),
        is_input=torch.tensor([name in inputs for name in network.names]),
        names=list(network.names),
        num_nodes=len(network.molecules),
    )
