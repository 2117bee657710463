"""A network for measured data that has none: what connects what was treated to what was measured.

The interactions of many networks are projected onto genes (`gene_graph`), and what lies on the
shortest directed paths from a treated molecule to a measured one is the network. The logic of the
sources is lost on the way: every edge is an interaction of its own.

What one treatment acts on, or one readout measures, is one molecule, since nobody can tell its
genes apart in the data. Where such sets of genes overlap (AKT1, and AKT1 with AKT2) they are
joined, again and again until none overlap: then each treatment and each readout is of exactly one
molecule, of the smallest number of genes for which that holds.

Genes between that no source tells apart, such as the subunits of AMPK where every source draws the
whole, are one molecule as well: as several they would act several times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..formats.names import family_name, kind_of_token, meaning_of
from ..model.error_base import HMLMError, quoted
from ..model.network import Interaction, Molecule, Pathway, SignalingNetwork
from .gene_graph import Edge, GeneGraph, LeftOut, build_gene_graph, names_of_small_molecules

FEWEST_OF_PATHWAY = 5
"""Molecules that a pathway of a source has in the result, or it is not named there."""

MOST_IN_NAME = 4
"""Genes in the name of a molecule that is no known family."""

Genes = Mapping[str, Sequence[str]]
Source = tuple[str, SignalingNetwork]


@dataclass(frozen=True, order=True)
class ConnectedPair:
    """What shortest paths say of a treatment and what it reaches.

    Attributes:
        treatment: a name of what was treated.
        end: a name of what was measured, or of something else that was treated.
        steps: of the shortest paths; 0 where both are one molecule.
        signs: what these paths amount to, multiplied along each: (1,), (-1,), both of (-1, 1), or
            (0,) among them where a sign is unknown.
    """

    treatment: str
    end: str
    steps: int
    signs: tuple[int, ...]


@dataclass(frozen=True)
class Connection:
    """A network between treatments and readouts, and how it came about.

    Attributes:
        network: the molecules on the paths, and all that were treated or measured.
        edges: with their evidence, in the order of the network's interactions after its inputs.
        molecule_of_treatment, molecule_of_readout: of each name, the molecule that it is of.
        readouts: paths from treatments to readouts, by treatment and readout.
        perturbed: paths from stimuli to what else was treated.
        unreached: readouts that no path within the limit reaches, each with the steps of the
            shortest that there is, or None where there is none.
        reaching_nothing: treatments from which no path leads to a readout other than of the
            molecule itself, each with the steps of the shortest that there is, or None.
        statements, left_out: of the sources: read, and not used.
    """

    network: SignalingNetwork
    edges: tuple[Edge, ...]
    molecule_of_treatment: Mapping[str, str]
    molecule_of_readout: Mapping[str, str]
    readouts: tuple[ConnectedPair, ...]
    perturbed: tuple[ConnectedPair, ...]
    unreached: Mapping[str, int | None]
    reaching_nothing: Mapping[str, int | None]
    statements: int
    left_out: LeftOut

    @property
    def in_conflict(self) -> tuple[Edge, ...]:
        """Edges of the network of which some source states the other sign."""
        return tuple(edge for edge in self.edges if edge.contrary)


def connect(
    treated: Genes,
    measured: Genes,
    networks: Iterable[Source],
    most_steps: int = 4,
    most_paths_longer: int = 0,
    *,
    stimuli: Collection[str] | None = None,
    unsigned: bool = False,
    alike_as_one: bool = True,
    name: str = "connected",
) -> Connection:
    """All shortest signed paths from what was treated to what was measured, as one network.

    An inhibitor changes nothing where nothing acts on its target, so paths lead from stimuli to
    the other treated molecules as well. Stimuli, and treated molecules on which nothing acts, have
    an input interaction. The result does not depend on the order of names, genes and networks,
    except that the order of corpora decides between signs of equal evidence.

    Args:
        treated: by name of a stimulus or of a drug's target, the genes (HGNC symbols, `CHEBI:…`,
            `process:…`) that it stands for.
        measured: by name of a readout, likewise.
        networks: each with the name of its corpus.
        most_steps: of a path; at least 1.
        most_paths_longer: how many steps a path may be longer than the shortest of its treatment
            and readout. From 2 on, loops that leave a path and come back to it are included.
        stimuli: names in `treated` of what was added; None for all of them.
        unsigned: whether interactions of unknown sign are used where no sign is known.
        alike_as_one: whether genes between, with the same evidence throughout, are one molecule.
        name: of the network.

    Raises:
        HMLMError: nothing was treated or measured, a name stands for no gene, a stimulus is not
            among `treated`, or a number is too small.
    """
    stimuli = set(treated if stimuli is None else stimuli)
    _check(treated, measured, stimuli, most_steps, most_paths_longer)
    networks = _in_order(networks)
    small = names_of_small_molecules(networks)
    groups: dict[str, tuple[str, ...]] = {name: (token,) for token, name in small.items()}
    groups |= _groups([*treated.values(), *measured.values()], small)
    node_of = {gene: node for node, genes in groups.items() for gene in genes}
    graph = build_gene_graph(networks, node_of, unsigned)
    starts = {t: node_of[genes[0]] for t, genes in sorted(treated.items())}
    ends = {r: node_of[genes[0]] for r, genes in sorted(measured.items())}
    paths = _Paths(graph, most_steps, most_paths_longer)
    readouts = paths.between(starts, ends)
    perturbed = paths.between(
        {t: starts[t] for t in starts if t in stimuli},
        {t: starts[t] for t in starts if t not in stimuli},
    )
    at_ends = {*starts.values(), *ends.values()}
    found = list(paths.edges.values())
    if alike_as_one:
        found, groups = _alike_joined(found, groups, at_ends)
    unregulated = {edge.source for edge in found} - {edge.target for edge in found}
    inputs = {starts[t] for t in stimuli} | unregulated & {*starts.values()}
    network, edges = _assembled(name, found, groups, inputs, at_ends, graph, networks)
    reached = {pair.end for pair in readouts}
    reaching = {pair.treatment for pair in readouts if pair.steps}
    return Connection(
        network=network,
        edges=edges,
        molecule_of_treatment=starts,
        molecule_of_readout=ends,
        readouts=readouts,
        perturbed=perturbed,
        unreached={r: paths.fewest(starts.values(), [ends[r]]) for r in ends if r not in reached},
        reaching_nothing={
            t: paths.fewest([starts[t]], {*ends.values()} - {starts[t]})
            for t in starts
            if t not in reaching
        },
        statements=graph.statements,
        left_out=graph.left_out,
    )


class _Paths:
    """The edges of the paths between pairs of nodes, collected."""

    def __init__(self, graph: GeneGraph, most_steps: int, longer: int) -> None:
        self.graph, self.most_steps, self.longer = graph, most_steps, longer
        self.edges: dict[tuple[str, str], Edge] = {}
        self._from: dict[str, dict[str, int]] = {}
        self._to: dict[str, dict[str, int]] = {}

    def steps_from(self, start: str) -> dict[str, int]:
        if start not in self._from:
            self._from[start] = self.graph.steps_from(start)
        return self._from[start]

    def steps_to(self, end: str) -> dict[str, int]:
        if end not in self._to:
            self._to[end] = self.graph.steps_to(end)
        return self._to[end]

    def fewest(self, starts: Iterable[str], ends: Collection[str]) -> int | None:
        """Steps of the shortest path from any to any, however long; None where there is none."""
        found = [self.steps_from(s)[e] for s in starts for e in ends if e in self.steps_from(s)]
        return min(found, default=None)

    def between(
        self, starts: Mapping[str, str], ends: Mapping[str, str]
    ) -> tuple[ConnectedPair, ...]:
        """The pairs that paths within the limit join; the edges of these paths are kept."""
        pairs = []
        for treatment, start in starts.items():
            steps = self.steps_from(start)
            signs = self._signs(start)
            for name, end in ends.items():
                if steps.get(end, self.most_steps + 1) <= self.most_steps:
                    self._keep(start, end)
                    pairs.append(ConnectedPair(treatment, name, steps[end], signs[end]))
        return tuple(pairs)

    def _signs(self, start: str) -> dict[str, tuple[int, ...]]:
        """What the shortest paths to each node amount to."""
        steps = self.steps_from(start)
        found: dict[str, set[int]] = defaultdict(set)
        found[start] = {1}
        for node, step in steps.items():  # in the order of steps
            if step >= self.most_steps:
                break
            for other, edge in self.graph.forward.get(node, {}).items():
                if steps[other] == step + 1:
                    found[other] |= {edge.sign * sign for sign in found[node]}
        return {node: tuple(sorted(signs)) for node, signs in found.items()}

    def _keep(self, start: str, end: str) -> None:
        """Keep each edge that lies on a path of no more steps than the limit of this pair."""
        before, after = self.steps_from(start), self.steps_to(end)
        limit = min(before[end] + self.longer, self.most_steps) if start != end else 0
        kept, front = {end}, [end]
        while front:
            node = front.pop()
            for other, edge in self.graph.backward.get(node, {}).items():
                if other in before and before[other] + 1 + after[node] <= limit:
                    self.edges[other, node] = edge
                    if other not in kept:
                        kept.add(other)
                        front.append(other)


def _check(
    treated: Genes, measured: Genes, stimuli: Collection[str], most_steps: int, longer: int
) -> None:
    for what, names in (("treated", treated), ("measured", measured)):
        if not names:
            raise HMLMError(f"nothing is {what}; expected genes by name")
        for name, genes in names.items():
            if not genes or isinstance(genes, str):
                raise HMLMError(
                    f"{what} {name!r} has the genes {genes!r}; expected a tuple of some"
                )
    unknown = [name for name in stimuli if name not in treated]
    if unknown:
        raise HMLMError(f"the stimulus {quoted(sorted(unknown))} is not among what was treated")
    if most_steps < 1 or longer < 0:
        raise HMLMError(
            f"paths of at most {most_steps} steps, and {longer} longer than the shortest; expected "
            "at least 1 and 0"
        )


def _in_order(networks: Iterable[Source]) -> list[Source]:
    """By corpus as they come, and by name within each."""
    by_corpus: dict[str, dict[str, SignalingNetwork]] = {}
    for corpus, network in networks:
        if network.name in by_corpus.setdefault(corpus, {}):
            raise HMLMError(f"corpus {corpus!r} has two networks {network.name!r}; expected one")
        by_corpus[corpus][network.name] = network
    return [(corpus, found[name]) for corpus, found in by_corpus.items() for name in sorted(found)]


def _groups(sets: Iterable[Sequence[str]], names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Disjoint sets of genes by the name of their molecule; those that overlap are joined."""
    group_of: dict[str, set[str]] = {}
    for genes in sets:
        joined = set(genes).union(*(group_of[gene] for gene in genes if gene in group_of))
        group_of |= dict.fromkeys(joined, joined)
    distinct = {tuple(sorted(group)) for group in group_of.values()}
    return {_name(genes, names): genes for genes in sorted(distinct)}


def _name(genes: tuple[str, ...], names: Mapping[str, str]) -> str:
    if len(genes) == 1:
        return names.get(genes[0], genes[0])
    known = family_name(genes)
    # A family may bear the name of a gene, which is another molecule.
    if known is not None and set(meaning_of(known).members) == set(genes):
        return known
    more = len(genes) - MOST_IN_NAME
    return "/".join(genes[:MOST_IN_NAME]) + (f"/+{more}" if more > 0 else "")


def _alike_joined(
    edges: Iterable[Edge], groups: Mapping[str, tuple[str, ...]], kept: Collection[str]
) -> tuple[list[Edge], dict[str, tuple[str, ...]]]:
    """Edges and molecules where genes that all edges treat alike are one; not of those `kept`."""
    wiring: dict[str, set[object]] = defaultdict(set)
    for e in edges:
        said = (e.sign, e.evidence, e.contrary)
        wiring[e.source].add(("to", e.target, *said))
        wiring[e.target].add(("from", e.source, *said))
    alike: dict[frozenset[object], list[str]] = defaultdict(list)
    for node in sorted(wiring.keys() - kept - groups.keys()):
        alike[frozenset(wiring[node])].append(node)
    groups = dict(groups)
    joined: dict[str, str] = {}
    for nodes in alike.values():
        if len(nodes) > 1:
            name = _name(tuple(nodes), {})
            groups[name] = tuple(nodes)
            joined |= dict.fromkeys(nodes, name)
    renamed = [
        replace(e, source=joined.get(e.source, e.source), target=joined.get(e.target, e.target))
        for e in edges
    ]
    return list(dict.fromkeys(renamed)), groups


def _order(inputs: Iterable[str], ends: Iterable[str], edges: Sequence[Edge]) -> list[str]:
    """The molecules by their steps from the inputs, then by name; the unreached last."""
    after = defaultdict(set)
    for edge in edges:
        after[edge.source].add(edge.target)
    depth = dict.fromkeys(inputs, 0)
    front = [*depth]
    while front:
        following = sorted({other for node in front for other in after[node]} - depth.keys())
        depth |= dict.fromkeys(following, depth[front[0]] + 1)
        front = following
    present = {*depth, *ends, *after, *(edge.target for edge in edges)}
    return sorted(present, key=lambda node: (depth.get(node, len(present)), node))


def _interactions(edges: Iterable[Edge], inputs: Iterable[str]) -> tuple[Interaction, ...]:
    return (
        *(Interaction((), (), node, "input") for node in inputs),
        *(Interaction((e.source,), (e.sign,), e.target, e.kind) for e in edges),
    )


def _molecules(
    order: Iterable[str],
    groups: Mapping[str, tuple[str, ...]],
    graph: GeneGraph,
    edges: Iterable[Edge],
) -> list[Molecule]:
    pathways = _pathways_of(edges)
    molecules = []
    for node in order:
        members = groups.get(node, (node,))
        kind = kind_of_token(members[0]) if len(members) == 1 else meaning_of(node).kind
        molecules.append(
            Molecule(
                node,
                kind="family" if kind == "unknown" else kind,
                members=members,
                compartment=_compartment(node, members, graph),
                pathways=tuple(sorted(p for p, nodes in pathways.items() if node in nodes)),
            )
        )
    return molecules


def _compartment(node: str, members: Sequence[str], graph: GeneGraph) -> str:
    of_all = {graph.compartments.get(part, "unknown") for part in members}
    return graph.compartments.get(node, of_all.pop() if len(of_all) == 1 else "unknown")


def _pathways_of(edges: Iterable[Edge]) -> dict[str, set[str]]:
    """The molecules of each pathway in which a source draws an edge, where they are not too few."""
    pathways: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        for evidence in edge.evidence:
            for pathway in evidence.pathways:
                pathways[pathway] |= {edge.source, edge.target}
    return {name: nodes for name, nodes in pathways.items() if len(nodes) >= FEWEST_OF_PATHWAY}


def _assembled(
    name: str,
    found: Sequence[Edge],
    groups: Mapping[str, tuple[str, ...]],
    inputs: Collection[str],
    ends: Iterable[str],
    graph: GeneGraph,
    networks: Sequence[Source],
) -> tuple[SignalingNetwork, tuple[Edge, ...]]:
    """The network of edges, and the edges in its order."""
    order = _order(inputs, ends, found)
    place = {node: i for i, node in enumerate(order)}
    edges = sorted(found, key=lambda e: (place[e.target], place[e.source]))
    molecules = _molecules(order, groups, graph, edges)
    interactions = _interactions(edges, [node for node in order if node in inputs])
    return _network(name, molecules, interactions, networks, edges), tuple(edges)


def _network(
    name: str,
    molecules: Sequence[Molecule],
    interactions: tuple[Interaction, ...],
    networks: Sequence[Source],
    edges: Iterable[Edge],
) -> SignalingNetwork:
    used = {(e.corpus, e.network) for edge in edges for e in edge.evidence}
    sources = [(corpus, n) for corpus, n in networks if (corpus, n.name) in used]
    stated: dict[str, Pathway] = {}
    for _, network in sources:
        for pathway in network.pathways:
            stated.setdefault(pathway.name, pathway)
    named = sorted({pathway for molecule in molecules for pathway in molecule.pathways})
    corpora = ", ".join(dict.fromkeys(corpus for corpus, _ in sources))
    return SignalingNetwork(
        name=name,
        molecules=tuple(molecules),
        interactions=interactions,
        pathways=tuple(stated[pathway] for pathway in named),
        title="Shortest paths from what was treated to what was measured",
        source=f"{len(sources)} networks of {corpora}" if sources else "",
        licence="; ".join(sorted({n.licence for _, n in sources if n.licence})),
        logic_known=False,
    )
