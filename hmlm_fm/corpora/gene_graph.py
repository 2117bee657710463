"""What many networks state about pairs of genes: one signed, directed graph with its evidence.

Networks draw one gene in many ways: alone, in a family, in a complex. Here every interaction is
projected onto the genes (and small molecules) of its ends, so that statements of different
sources meet. Processes and molecules without members are no nodes: two sources may mean different
things by one name. What was treated or measured as a family is one node of the graph.

Terms
    statement: one signed source of one interaction of one network, and its target.
    evidence: a network of a corpus that states an edge. A network counts once for an edge and
        sign, however many of its statements say so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from ..model.network import INTERACTION_KINDS, Interaction, Molecule, SignalingNetwork
from ..model.vocabulary import Vocabulary
from .relatives import MOST_MEMBERS

Pair = tuple[str, str]
Rank = tuple[bool, int]


@dataclass(frozen=True, order=True)
class Evidence:
    """A network that states an edge.

    Attributes:
        corpus: its name, as it was given.
        network: the name of the network, which is that of a pathway in most corpora.
        sign: +1, -1 or 0, as that network has it.
        kind: of the interaction, one of `INTERACTION_KINDS`.
        rule: the interaction as that network has it, by its own names.
        pathways: those of the network that both ends belong to.
        reference: what the network, or else its only pathway, names as its source; may be empty.
    """

    corpus: str
    network: str
    sign: int
    kind: str
    rule: str
    pathways: tuple[str, ...] = ()
    reference: str = ""


@dataclass(frozen=True)
class Edge:
    """A directed pair of nodes, its sign, and who states it.

    Attributes:
        source, target: the nodes.
        sign: that of most evidence.
        evidence: networks that state this sign; of an unknown sign, all that state the pair.
        contrary: networks that state the other one.
    """

    source: str
    target: str
    sign: int
    evidence: tuple[Evidence, ...]
    contrary: tuple[Evidence, ...] = ()

    @property
    def kind(self) -> str:
        """What most of the evidence calls it."""
        count = Counter(e.kind for e in self.evidence)
        return min(count, key=lambda kind: (-count[kind], INTERACTION_KINDS.index(kind)))


@dataclass
class LeftOut:
    """Statements that are no edges, counted.

    Attributes:
        without_genes: an end has no member that is a gene or a small molecule.
        within_one: both ends are the same node, or source and target share all that would act.
        too_large: an end is a family or complex of more than `MOST_MEMBERS` nodes.
        without_sign: of unknown sign, where those are not used.
        undecided: pairs whose signs have equal evidence, where unknown signs are not used.
    """

    without_genes: int = 0
    within_one: int = 0
    too_large: int = 0
    without_sign: int = 0
    undecided: list[Pair] = field(default_factory=list)


@dataclass(frozen=True)
class GeneGraph:
    """Edges by source and target, and by target and source.

    Attributes:
        forward, backward: the edges, sorted.
        compartments: of nodes, what most molecules made of this one alone state.
        statements: how many were read.
        left_out: what of them is no edge.
    """

    forward: Mapping[str, Mapping[str, Edge]]
    backward: Mapping[str, Mapping[str, Edge]]
    compartments: Mapping[str, str]
    statements: int
    left_out: LeftOut

    def steps_from(self, start: str) -> dict[str, int]:
        """The fewest steps from a node to each that it reaches, itself included."""
        return _steps(start, self.forward)

    def steps_to(self, end: str) -> dict[str, int]:
        """The fewest steps to a node from each that reaches it, itself included."""
        return _steps(end, self.backward)


def names_of_small_molecules(
    networks: Iterable[tuple[str, SignalingNetwork]],
) -> dict[str, str]:
    """What most networks call each small molecule; not what is the name of a gene, or of two."""
    called: dict[str, Counter[str]] = defaultdict(Counter)
    for _, network in networks:
        for molecule in network.molecules:
            if len(molecule.members) == 1 and molecule.members[0].startswith("CHEBI:"):
                called[molecule.members[0]][molecule.name] += 1
    names = {t: min(count, key=lambda n: (-count[n], n)) for t, count in called.items()}
    bearers = Counter(names.values())
    tokens = Vocabulary.shipped().index
    return {t: n for t, n in sorted(names.items()) if bearers[n] == 1 and n not in tokens}


def build_gene_graph(
    networks: Iterable[tuple[str, SignalingNetwork]],
    node_of: Mapping[str, str],
    unsigned: bool = False,
) -> GeneGraph:
    """The graph of what networks state.

    Of a pair with both signs the one that more networks state is kept; where as many state either,
    the corpus that comes first and is not divided itself decides; else the sign is unknown.

    Args:
        networks: each with the name of its corpus. A name of network is unique in its corpus.
        node_of: the node of genes and small molecules; those that are not in here are nodes by
            their own identifiers, but for processes, which are none.
        unsigned: whether interactions of unknown sign are edges too, where no sign is known.
    """
    found: dict[Pair, dict[tuple[str, str, int], tuple[Rank, Evidence]]] = defaultdict(dict)
    compartments: dict[str, Counter[str]] = defaultdict(Counter)
    corpora: dict[str, int] = {}
    left_out, statements = LeftOut(), 0
    for corpus, network in networks:
        corpora.setdefault(corpus, len(corpora))
        nodes = {m.name: _nodes(m, node_of) for m in network.molecules}
        for molecule in network.molecules:
            if len(nodes[molecule.name]) == 1 and molecule.compartment != "unknown":
                compartments[min(nodes[molecule.name])][molecule.compartment] += 1
        for interaction in network.interactions:
            for name, sign in zip(interaction.sources, interaction.signs, strict=True):
                statements += 1
                ends = _ends(nodes[name], nodes[interaction.target], left_out)
                if sign == 0 and not unsigned and ends:
                    left_out.without_sign += 1
                    continue
                evidence = _evidence(corpus, network, interaction, name, sign)
                # What a network states of the genes themselves says more than of a family.
                rank = evidence.kind == "unknown", len(ends)
                for pair in ends:
                    key = (corpus, network.name, sign)
                    if key not in found[pair] or rank < found[pair][key][0]:
                        found[pair][key] = rank, evidence
    edges: list[Edge] = []
    for pair, stated in sorted(found.items()):
        edge = _edge(pair, sorted(evidence for _, evidence in stated.values()), corpora)
        if edge.sign == 0 and not unsigned:
            left_out.undecided.append(pair)
        else:
            edges.append(edge)
    most = {n: min(count, key=lambda c: (-count[c], c)) for n, count in compartments.items()}
    return GeneGraph(*_both_ways(edges), most, statements, left_out)


def _nodes(molecule: Molecule, node_of: Mapping[str, str]) -> frozenset[str]:
    return frozenset(
        node_of.get(member, member)
        for member in molecule.members
        if member in node_of or not member.startswith("process:")
    )


def _ends(sources: frozenset[str], targets: frozenset[str], left_out: LeftOut) -> list[Pair]:
    """The pairs that a statement is about; what source and target share does not act on itself,
    so that the assembly of a complex is no step."""
    if not sources or not targets:
        left_out.without_genes += 1
        return []
    if max(len(sources), len(targets)) > MOST_MEMBERS:
        left_out.too_large += 1
        return []
    pairs = list(product(sorted(sources - targets), sorted(targets - sources)))
    left_out.within_one += not pairs
    return pairs


def _evidence(
    corpus: str, network: SignalingNetwork, interaction: Interaction, source: str, sign: int
) -> Evidence:
    target = network.molecule(interaction.target).pathways
    pathways = tuple(p for p in network.molecule(source).pathways if p in target)
    reference = network.source
    if not reference and len(pathways) == 1:
        reference = network.pathways[network.pathway_index[pathways[0]]].source
    return Evidence(
        corpus, network.name, sign, interaction.kind, interaction.rule, pathways, reference
    )


def _edge(pair: Pair, stated: Sequence[Evidence], corpora: Mapping[str, int]) -> Edge:
    sign = _sign(stated, corpora)
    if not sign:
        return Edge(*pair, 0, tuple(stated))
    agree = tuple(e for e in stated if e.sign == sign)
    return Edge(*pair, sign, agree, tuple(e for e in stated if e.sign == -sign))


def _sign(stated: Sequence[Evidence], corpora: Mapping[str, int]) -> int:
    in_all = sum(e.sign for e in stated)
    for corpus in sorted(corpora, key=corpora.__getitem__):
        if in_all:
            break
        in_all = sum(e.sign for e in stated if e.corpus == corpus)
    return (in_all > 0) - (in_all < 0)


def _both_ways(
    edges: Iterable[Edge],
) -> tuple[dict[str, dict[str, Edge]], dict[str, dict[str, Edge]]]:
    forward: dict[str, dict[str, Edge]] = defaultdict(dict)
    backward: dict[str, dict[str, Edge]] = defaultdict(dict)
    for edge in edges:
        forward[edge.source][edge.target] = edge
        backward[edge.target][edge.source] = edge
    return dict(forward), dict(backward)


def _steps(start: str, neighbours: Mapping[str, Mapping[str, Edge]]) -> dict[str, int]:
    steps, front = {start: 0}, [start]
    while front:
        after = []
        for node in front:
            for other in neighbours.get(node, ()):
                if other not in steps:
                    steps[other] = steps[node] + 1
                    after.append(other)
        front = after
    return steps
