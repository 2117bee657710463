"""Views of a network in networkx and torch_geometric hold what the network holds."""

from __future__ import annotations

import networkx as nx
import pytest
import torch

from hmlm_fm.formats.graphs import to_networkx, to_pyg
from hmlm_fm.formats.network_loading import load_network
from hmlm_fm.model.network import (
    INTERACTION_KINDS,
    MOLECULE_KINDS,
    Interaction,
    Molecule,
    SignalingNetwork,
)


@pytest.fixture
def network() -> SignalingNetwork:
    return SignalingNetwork(
        name="small",
        molecules=(Molecule("A"), Molecule("B", kind="small molecule"), Molecule("C")),
        interactions=(
            Interaction((), (), "A", "input", weight=0.4),
            Interaction(("A", "B"), (1, -1), "C", "phosphorylation"),
            Interaction(("A",), (0,), "C", "binding"),
            Interaction(("C",), (1,), "C", "expression"),
        ),
    )


def test_networkx_has_every_signed_edge(network):
    graph = to_networkx(network)
    assert isinstance(graph, nx.MultiDiGraph)
    assert list(graph.nodes) == ["A", "B", "C"]
    edges = [
        (source, target, data["sign"], data["kind"], data["and_group"])
        for source, target, data in graph.edges(data=True)
    ]
    assert sorted(edges) == [
        ("A", "C", 0, "binding", 2),
        ("A", "C", 1, "phosphorylation", 1),
        ("B", "C", -1, "phosphorylation", 1),
        ("C", "C", 1, "expression", 3),
    ]


def test_networkx_keeps_molecules_and_inputs(network):
    nodes = to_networkx(network).nodes
    assert nodes["B"]["kind"] == "small molecule"
    assert [nodes[name]["is_input"] for name in network.names] == [True, False, False]
    assert nodes["A"]["input_weight"] == 0.4


def test_pyg_has_every_signed_edge(network):
    data = to_pyg(network)
    data.validate()
    assert data.names == ["A", "B", "C"]
    assert data.edge_index.tolist() == [[0, 1, 0, 2], [2, 2, 2, 2]]
    assert data.edge_sign.tolist() == [1, -1, 0, 1]
    assert [INTERACTION_KINDS[kind] for kind in data.edge_kind] == [
        "phosphorylation",
        "phosphorylation",
        "binding",
        "expression",
    ]
    assert data.edge_and_group.tolist() == [1, 1, 2, 3]
    assert [MOLECULE_KINDS[kind] for kind in data.node_kind] == [
        "protein",
        "small molecule",
        "protein",
    ]
    assert data.is_input.tolist() == [True, False, False]


def test_pyg_of_a_network_without_edges():
    data = to_pyg(SignalingNetwork(name="lonely", molecules=(Molecule("A"),)))
    assert data.edge_index.shape == (2, 0)
    assert data.edge_index.dtype == torch.long
    assert data.num_nodes == 1


def test_both_views_of_the_fibroblast_network():
    network = load_network("cardiac-fibroblast")
    graph, data = to_networkx(network), to_pyg(network)
    assert graph.number_of_nodes() == data.num_nodes == 109
    # seven of the published 212 signed edges stand in two AND groups
    assert graph.number_of_edges() == data.edge_index.shape[1] == 219
    signed = torch.cat([data.edge_index, data.edge_sign[None]])
    assert torch.unique(signed, dim=1).shape[1] == 212
    groups = torch.unique(data.edge_and_group, return_counts=True)[1]
    assert int((groups > 1).sum()) == 46
    assert int(data.is_input.sum()) == 10


def test_networkx_keeps_kinetics_and_provenance(toy_network):
    graph = to_networkx(toy_network)
    assert graph.graph["title"] == "A toy"
    assert graph.graph["pathways"][0]["source"] == "doi:1"
    assert graph.nodes["EGF"]["tau_hours"] == 1.0
    assert graph.edges["EGF", "EGFR", 1] == {
        "sign": 1,
        "kind": "binding",
        "and_group": 1,
        "weight": 1.0,
        "n": 1.25,
        "ec50": 0.6,
    }
