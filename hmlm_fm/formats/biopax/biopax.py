"""BioPAX level 3: pathways as reactions between physical entities, written in RDF/XML.

Every pathway that has reactions of its own becomes a network. A physical entity is a molecule: a
protein and its phosphorylated form are two, and so is one protein in two compartments. Level 2 has
the same in other spellings, and is read as far as that goes.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations

from ...common.errors import FormatError
from ...common.files import stem
from ...model.network import Interaction, Molecule, NetworkError, Pathway, SignalingNetwork
from ..drawings import Oddities, free_name
from ..identifiers import Identifiers
from ..reactions import Reaction, interactions_of
from ..xml_documents import local_name, parse_xml, place_of
from .entities import KIND_OF_ENTITY, Entities
from .rdf import Graph, Node

REACTOME_LICENCE = "CC0"

_CONVERSIONS = (
    "conversion",
    "biochemicalreaction",
    "transport",
    "transportwithbiochemicalreaction",
    "complexassembly",
    "degradation",
)
_MEETINGS = ("molecularinteraction", "geneticinteraction", "interaction", "physicalinteraction")
_CONTROLS = ("control", "catalysis", "modulation", "templatereactionregulation")
_REACTIONS = (*_CONVERSIONS, "templatereaction", *_MEETINGS)

_MOST_PAIRED = 10
"""Participants of a meeting up to which each is paired with each; of more, the first with each."""

_KIND_OF_WORDS = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"dephosphorylat(es|ion|ing)", "dephosphorylation"),
        (r"phosphorylat(es|ion|ing)|phosphorylated by", "phosphorylation"),
        (r"de-?ubiquitin(yl)?at(es|ion|ing)", "deubiquitination"),
        (r"ubiquitin(yl)?at(es|ion|ing)|ubiquitin(yl)?ated by", "ubiquitination"),
        (r"deacetylat(es|ion|ing)", "deacetylation"),
        (r"acetylat(es|ion|ing)|acetylated by", "acetylation"),
        (r"\bmethylat(es|ion|ing)|\bmethylated by", "methylation"),
        (r"GTP (hydrolysis|hydrolyses)|hydroly[sz]\w+ (of )?GTP\b", "GTP hydrolysis"),
        (
            r"(nucleotide|GDP\W+GTP|GTP\W+GDP|GTP for GDP|GDP for GTP) exchange",
            "nucleotide exchange",
        ),
        (r"\bcleav(es|age|ing)|\bcleaved by|proteoly", "cleavage"),
        (r"translocat|\btransport|\b(im|ex)port(s|ed)?\b", "transport"),
        (r"\bdissociat", "dissociation"),
        (r"\bbind(s|ing)?\b|\bassociat(es|ion)|dimeri[sz]|\bassembl", "binding"),
    )
)
_REACTOME_ID = re.compile(r"R(EACT_|-[A-Z]{3}-)\d+")


def read_biopax(
    path: str | os.PathLike[str], identifiers: Identifiers | None = None
) -> tuple[SignalingNetwork, ...]:
    """Read a BioPAX file.

    Args:
        path: the file.
        identifiers: what cross-references mean; the package's own by default.

    Returns:
        One network per pathway that has reactions of its own, in the order of the file, and one of
        the reactions that are in no pathway, where there are any.

    Raises:
        FormatError: no well-formed XML, no RDF, or nothing of BioPAX in it.
    """
    root = parse_xml(path)
    if local_name(root) != "RDF":
        raise FormatError(
            f"the root is <{local_name(root)}>; expected <rdf:RDF>, as BioPAX has it",
            path=path,
            place=place_of(root),
        )
    odd = Oddities()
    graph = Graph(root, odd)
    reader = _Reader(graph, identifiers or Identifiers.shipped(), odd, stem(path))
    try:
        networks = tuple(reader.networks())
    except NetworkError as error:
        raise FormatError(str(error), path=path, place=place_of(root)) from None
    if not networks:
        raise FormatError(
            "it holds no reactions and no physical entities; expected BioPAX level 3",
            path=path,
            place=place_of(root),
        )
    odd.warn(path)
    return networks


@dataclass
class _Controls:
    """What acts on one reaction: ways to catalyse it, each of which is enough, and the rest."""

    catalyses: list[tuple[str, ...]] = field(default_factory=list)
    activators: list[str] = field(default_factory=list)
    inhibitors: list[str] = field(default_factory=list)
    directions: list[str] = field(default_factory=list)


class _Reader:
    """Pathways as networks, from the reactions that each of them has."""

    def __init__(self, graph: Graph, identifiers: Identifiers, odd: Oddities, name: str) -> None:
        self._graph, self._odd, self._fallback = graph, odd, name
        self._entities = Entities(graph, identifiers)
        self._molecule_of: dict[str, Molecule] = {}
        self._controls: dict[str, _Controls] = defaultdict(_Controls)
        self._controlled: dict[str, list[str]] = {}
        self._names: dict[str, None] = {}
        for node in graph.nodes.values():
            if node.type in _CONTROLS:
                self._note_control(node)

    def networks(self) -> Iterator[SignalingNetwork]:
        left = {n.uri: None for n in self._graph.nodes.values() if n.type in _REACTIONS}
        found = 0
        for pathway in self._of_type("pathway"):
            own = dict.fromkeys(self._components(pathway))
            for uri in own:
                left.pop(uri, None)
            if own and (network := self._network(pathway, own)):
                found += 1
                yield network
        if left and (network := self._network(None, left)):
            found += 1
            yield network
        if not found:
            entities = [node for kind in KIND_OF_ENTITY for node in self._of_type(kind)]
            if network := self._network(None, (), entities):
                yield network

    def _of_type(self, kind: str) -> Iterator[Node]:
        return (node for node in self._graph.nodes.values() if node.type == kind)

    def _components(self, pathway: Node) -> Iterator[str]:
        """Addresses of the reactions that a pathway has, or controls, itself."""
        parts = self._graph.linked(pathway, "pathwaycomponent")
        steps = self._graph.linked(pathway, "pathwayorder")
        steps += [part for part in parts if part.type in ("pathwaystep", "biochemicalpathwaystep")]
        for step in steps:
            parts += self._graph.linked(step, "stepprocess")
        for part in parts:
            if part.type in _REACTIONS:
                yield part.uri
            yield from self._controlled.get(part.uri, ())

    def _network(
        self, pathway: Node | None, reactions: Iterable[str], entities: Iterable[Node] = ()
    ) -> SignalingNetwork | None:
        """The network of some reactions and entities, or None where nothing takes part."""
        names: dict[str, None] = dict.fromkeys(self._name(entity) for entity in entities)
        interactions: dict[Interaction, None] = {}
        for uri in reactions:
            for reaction in self._reactions(self._graph.nodes[uri], names):
                interactions.update(dict.fromkeys(interactions_of([reaction])))
        if not names:
            return None
        title = pathway.text("displayname", "standardname", "name") if pathway else ""
        if not interactions:
            self._odd.note("networks without an interaction", repr(title or self._fallback))
        identifier, source, licence = self._origin(pathway)
        name = free_name(identifier or title or self._fallback, self._names)
        self._names[name] = None
        return SignalingNetwork(
            name=name,
            molecules=tuple(replace(self._molecule_of[n], pathways=(name,)) for n in names),
            interactions=tuple(interactions),
            pathways=(Pathway(name, title, source),),
            title=title,
            source=source,
            licence=licence,
        )

    def _origin(self, pathway: Node | None) -> tuple[str, str, str]:
        """The pathway's identifier, its source, and the licence where that is known."""
        xrefs = self._graph.linked(pathway, "xref") if pathway else []
        ids = [x.text("id") for x in xrefs if x.type == "unificationxref"]
        reactome = next((match[0] for i in ids if (match := _REACTOME_ID.match(i))), "")
        origins = self._graph.linked(pathway, "datasource") if pathway else []
        origins = origins or list(self._of_type("provenance")) or list(self._of_type("datasource"))
        source = next((t for o in origins if (t := o.text("displayname", "name"))), "")
        if reactome or "reactome" in source.lower():
            return reactome, f"Reactome {reactome}".strip(), REACTOME_LICENCE
        return "", source, ""

    def _name(self, entity: Node) -> str:
        molecule = self._entities.molecule(entity)
        self._molecule_of[molecule.name] = molecule
        return molecule.name

    def _named(self, node: Node, *properties: str) -> tuple[str, ...]:
        """Names of the physical entities, and pathways, that these properties link to."""
        found: dict[str, None] = {}
        for entity in self._graph.linked(node, *properties):
            if entity.type in KIND_OF_ENTITY or entity.type == "pathway":
                found[self._name(entity)] = None
            else:
                self._odd.note("participants that are no physical entities", repr(entity.uri))
        return tuple(found)

    # -- what acts on a reaction ------------------------------------------------------------

    def _note_control(self, control: Node) -> None:
        """Add a control to every reaction that it acts on, directly or by way of others."""
        reached: dict[str, int] = {}
        waiting, seen = [(control, 1)], {control.uri}
        while waiting:
            node, sign = waiting.pop()
            sign *= -1 if node.text("controltype").upper().startswith("INHIBIT") else 1
            for target in self._graph.linked(node, "controlled"):
                if target.type in _CONTROLS and target.uri not in seen:
                    seen.add(target.uri)
                    waiting.append((target, sign))
                elif target.type in (*_CONVERSIONS, "templatereaction"):
                    reached.setdefault(target.uri, sign)
        if not reached:
            self._odd.note("controls of what is no reaction are left out", repr(control.uri))
        self._controlled[control.uri] = list(reached)
        controllers = self._named(control, "controller")
        for uri, sign in reached.items():
            found = self._controls[uri]
            found.directions.append(control.text("conversiondirection"))
            if sign < 0:
                found.inhibitors.extend(controllers)
            elif control.type == "catalysis" and controllers:
                found.catalyses.append((*controllers, *self._named(control, "cofactor")))
            elif self._graph.nodes[uri].type == "templatereaction":
                # Each regulator of a gene is enough by itself, as an enzyme is.
                found.catalyses.extend((controller,) for controller in controllers)
            else:
                found.activators.extend(controllers)

    # -- reactions --------------------------------------------------------------------------

    def _reactions(self, node: Node, names: dict[str, None]) -> Iterator[Reaction]:
        """The reactions of one resource; the names of all that takes part go into `names`."""
        controls = self._controls.get(node.uri, _Controls())
        controllers = [*(c for way in controls.catalyses for c in way), *controls.activators]
        controllers += controls.inhibitors
        if node.type in _MEETINGS:
            partners = self._named(node, "participant")
            names.update(dict.fromkeys(partners))
            yield from _meeting(node, partners)
            return
        if node.type == "templatereaction":
            left, right = self._named(node, "template"), self._named(node, "product")
        else:
            left, right = self._named(node, "left"), self._named(node, "right")
        names.update(dict.fromkeys((*left, *controllers, *right)))
        inhibits_alone = controls.inhibitors and not (controls.catalyses or controls.activators)
        if node.type == "templatereaction":
            kind = "repression" if inhibits_alone else "expression"
        else:
            kind = self._kind(node, left, right)
        if node.type == "degradation" and not right:
            actors = [name for name in controllers if name not in controls.inhibitors]
            for actor in dict.fromkeys(actors):
                others = controls.inhibitors
                yield Reaction((), left, inhibitors=(actor,), activators=tuple(others), kind=kind)
            return
        if not right and not left:
            self._odd.note("reactions without participants", repr(node.uri))
        direction = self._direction(node, controls)
        back = self._kind(node, right, left)
        ways = {"left": [(right, left, back)], "both": [(left, right, kind), (right, left, back)]}
        for inputs, outputs, how in ways.get(direction, [(left, right, kind)]):
            for way in controls.catalyses or [()]:
                yield Reaction(
                    inputs=inputs,
                    outputs=outputs,
                    catalysts=way[:1],
                    activators=(*way[1:], *controls.activators),
                    inhibitors=tuple(controls.inhibitors),
                    kind=how if node.type != "templatereaction" else kind,
                )

    def _direction(self, node: Node, controls: _Controls) -> str:
        """`left`, `right` or `both`: by the reaction, or else by its controls."""
        for stated in (node.text("conversiondirection", "spontaneous"), *controls.directions):
            word = stated.upper().replace("_", "-")
            if word.endswith(("RIGHT-TO-LEFT", "R-L")):
                return "left"
            if word == "REVERSIBLE":
                return "both"
            if word:
                return "right"
        return "right"

    def _kind(self, node: Node, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> str:
        """The kind by the class, by the words of its name, then by what becomes of complexes."""
        if node.type == "degradation":
            return "inhibition"
        if node.type == "transport":
            return "transport"
        words = node.text("displayname", "standardname", "name")
        kind = next((kind for pattern, kind in _KIND_OF_WORDS if pattern.search(words)), "")
        complexes = [
            sum(self._molecule_of[n].kind == "complex" for n in s) for s in (inputs, outputs)
        ]
        joins = len(inputs) > 1 and len(outputs) == 1 and complexes[1] == 1
        parts = len(outputs) > 1 and len(inputs) == 1 and complexes[0] == 1
        if kind in ("", "binding", "dissociation") and (joins or parts):
            return "binding" if joins else "dissociation"
        if node.type == "complexassembly":
            return "dissociation" if len(outputs) > len(inputs) else "binding"
        if node.type == "transportwithbiochemicalreaction":
            return kind or "transport"
        return kind or "conversion"


def _meeting(node: Node, partners: tuple[str, ...]) -> Iterator[Reaction]:
    """Partners that meet, each with each, or with the first where there are many."""
    kind = "indirect" if node.type == "geneticinteraction" else "binding"
    pairs: Iterable[tuple[str, str]] = combinations(partners, 2)
    if len(partners) > _MOST_PAIRED:
        pairs = ((partners[0], partner) for partner in partners[1:])
    for one, other in pairs:
        yield Reaction((one,), (other,), kind=kind)
        yield Reaction((other,), (one,), kind=kind)
