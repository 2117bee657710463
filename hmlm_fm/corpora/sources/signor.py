"""SIGNOR: pathways where its table has them, else communities of its causal network.

A table without pathways is one network of thousands of molecules. It is parted into communities
(Louvain, seeded), and every statement goes to the community of its target, so that none is lost:
the regulators of a community that belong to others stand at its border.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import networkx as nx

from ...formats.identifiers import Identifiers
from ...formats.recognise import STATEMENTS, format_of
from ...formats.statement_tables import Table, network_of_statements, read_statement_table
from ...formats.statements import Statement
from ...model.network import SignalingNetwork
from ..harvesting import Collector, files_below
from ..records import Harvest

LICENCE = "CC BY 4.0 (SIGNOR)"
MOST_MOLECULES = 80
FEWEST_MOLECULES = 4
_SEED = 20251200


def read_folder(
    folder: Path, identifiers: Identifiers, progress: Callable[[str], object]
) -> Harvest:
    """The networks of all SIGNOR tables of a folder.

    Raises:
        FormatError: there is no such folder.
    """
    collector = Collector("signor", folder, LICENCE)
    for path in files_below(folder):
        location = collector.location(path)
        progress(location)
        collector.read(path, lambda p: _networks(p, identifiers))
    return collector.harvest


def _networks(path: Path, identifiers: Identifiers) -> list[SignalingNetwork]:
    if format_of(path) is not STATEMENTS:
        return list(format_of(path).read(path, identifiers))
    table = read_statement_table(path, identifiers)
    named = [table.network(p, p) for p in table.statements if p]
    return named + (_communities_of(table) if "" in table.statements else [])


def _communities_of(table: Table) -> list[SignalingNetwork]:
    statements = table.statements[""]
    community_of = {
        name: number for number, names in enumerate(communities(statements)) for name in names
    }
    by_community: dict[int, list[Statement]] = defaultdict(list)
    for statement in statements:
        by_community[community_of[statement.target]].append(statement)
    networks = []
    for _, inside in sorted(by_community.items()):
        hub = _hub(inside)
        networks.append(
            network_of_statements(
                f"signor-{hub}", f"Regulation around {hub}", tuple(inside), table.meanings
            )
        )
    return networks


def communities(statements: Sequence[Statement]) -> list[list[str]]:
    """Groups of molecules that act on each other more than on the rest, none above the limit.

    A group that is too large is parted again; what cannot be parted stays whole. Small groups
    join the neighbour that they share most statements with.
    """
    graph: nx.Graph = nx.Graph()
    for statement in statements:
        graph.add_edge(statement.source, statement.target)
    pending = [sorted(part) for part in nx.connected_components(graph)]
    done: list[list[str]] = []
    while pending:
        names = pending.pop()
        if len(names) <= MOST_MOLECULES:
            done.append(names)
            continue
        parts = [
            sorted(part)
            for part in nx.community.louvain_communities(_ordered(graph, names), seed=_SEED)
        ]
        if len(parts) == 1:
            done.append(names)
        else:
            pending += parts
    return sorted(_joined(graph, done))


def _ordered(graph: nx.Graph, names: list[str]) -> nx.Graph:
    """A subgraph whose nodes and edges come in one order, so that a seed decides alone."""
    ordered: nx.Graph = nx.Graph()
    ordered.add_nodes_from(names)
    ordered.add_edges_from(sorted(tuple(sorted(edge)) for edge in graph.subgraph(names).edges))
    return ordered


def _joined(graph: nx.Graph, groups: list[list[str]]) -> list[list[str]]:
    group_of = {name: number for number, names in enumerate(groups) for name in names}
    for number in sorted(range(len(groups)), key=lambda g: (len(groups[g]), groups[g])):
        names = groups[number]
        if len(names) >= FEWEST_MOLECULES:
            break
        shared: dict[int, int] = defaultdict(int)
        for name in names:
            for other in graph[name]:
                if group_of[other] != number:
                    shared[group_of[other]] += 1
        if shared:
            best = min(shared, key=lambda g: (-shared[g], groups[g]))
            groups[best] = sorted([*groups[best], *names])
            groups[number] = []
            group_of |= dict.fromkeys(names, best)
    return [names for names in groups if names]


def _hub(statements: Sequence[Statement]) -> str:
    """The target that most statements are about; the first by name where several are equal."""
    count: dict[str, int] = defaultdict(int)
    for statement in statements:
        count[statement.target] += 1
    return min(count, key=lambda name: (-count[name], name))
