"""The physical entities of BioPAX as molecules: their names, kinds, members and compartments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...model.network import Molecule
from ..compartments import compartment_of
from ..drawings import free_name
from ..identifiers import (
    GENE_NAMESPACES,
    SMALL_MOLECULE_NAMESPACES,
    Identifiers,
    identifier_key,
    key_of_address,
)
from ..names import Meaning
from .rdf import Graph, Node

PARTICIPANTS = (
    "physicalentityparticipant",
    "sequenceparticipant",
    "proteinparticipant",
    "dnaparticipant",
    "rnaparticipant",
    "smallmoleculeparticipant",
    "complexparticipant",
)
KIND_OF_ENTITY = {
    "protein": "protein",
    "complex": "complex",
    "smallmolecule": "small molecule",
    "rna": "RNA",
    "rnaregion": "RNA",
    "dna": "unknown",
    "dnaregion": "unknown",
    "gene": "protein",
    "physicalentity": "unknown",
    **dict.fromkeys(PARTICIPANTS, "unknown"),
}


class Entities:
    """Physical entities as molecules, each with a name that no other of the file has."""

    def __init__(self, graph: Graph, identifiers: Identifiers) -> None:
        self._graph, self._identifiers = graph, identifiers
        self._molecules: dict[object, Molecule] = {}
        self._taken: dict[str, None] = {}

    def molecule(self, node: Node) -> Molecule:
        identity: object = node.uri
        if node.type in PARTICIPANTS:
            # Level 2 states a participant anew for every reaction.
            identity = (
                *(entity.uri for entity in self._graph.linked(node, "entityreference")),
                self._location(node),
                tuple(sorted(self._features(node))),
            )
        if identity not in self._molecules:
            self._molecules[identity] = self._made(node)
        return self._molecules[identity]

    def _made(self, node: Node) -> Molecule:
        label = self._label(node)
        location = self._location(node)
        compartment = compartment_of([location])
        name = label
        if name in self._taken and location:
            name = f"{label} [{location}]"
        name = free_name(name, self._taken)
        self._taken[name] = None
        if node.type == "pathway":
            return Molecule(name, label, "process")
        kind, members = self._meaning(node)
        return Molecule(name, label, kind, members, compartment)

    def _label(self, node: Node) -> str:
        """What the source calls it, or failing that what it calls the molecule it is a form of."""
        for resource in (node, *self._graph.linked(node, "entityreference")):
            if label := resource.text("displayname", "standardname", "name"):
                return label
        return " ".join(node.fragment.split()) or "unnamed"

    def _location(self, node: Node) -> str:
        for vocabulary in self._graph.linked(node, "cellularlocation"):
            ids = [xref.text("id") for xref in self._graph.linked(vocabulary, "xref")]
            return vocabulary.text("term") or next(iter(ids), "") or vocabulary.fragment
        return node.text("cellularlocation")

    def _features(self, node: Node) -> Iterator[str]:
        for feature in self._graph.linked(node, "sequencefeaturelist"):
            types = self._graph.linked(feature, "featuretype")
            yield ", ".join(t.text("term") for t in types) or feature.uri

    def _meaning(self, node: Node) -> tuple[str, tuple[str, ...]]:
        """Kind and members: those of its parts and members, down to the last."""
        members: dict[str, None] = {}
        kinds: dict[str, None] = {}
        waiting, seen, kind = [node], {node.uri}, ""
        while waiting:
            part = waiting.pop()
            inner = self._graph.linked(part, "component", "memberphysicalentity")
            inner += self._graph.linked(part, "memberentityreference")
            references = self._graph.linked(part, "entityreference")
            state_of = [
                r
                for r in references
                if r.type in KIND_OF_ENTITY or "memberentityreference" in r.links
            ]
            if part is node:
                is_family = "memberphysicalentity" in part.links
                is_family |= any("memberentityreference" in r.links for r in references)
                own = next((r.type for r in state_of if part.type in PARTICIPANTS), part.type)
                kind = "family" if is_family else KIND_OF_ENTITY.get(own, "unknown")
            further = [p for p in (*inner, *state_of) if p.uri not in seen]
            seen.update(p.uri for p in further)
            waiting.extend(reversed(further))
            if not inner and not state_of:
                meaning = self._leaf(part, references)
                members.update(dict.fromkeys(meaning.members))
                kinds[meaning.kind] = None
        if kind == "unknown" and len(kinds) == 1:
            kind = next(iter(kinds))
        return kind, tuple(members)

    def _leaf(self, node: Node, references: list[Node]) -> Meaning:
        """What something without parts stands for, by the most specific key."""
        names = [
            name
            for resource in (*references, node)
            for p in ("displayname", "standardname", "name")
            for name in resource.texts.get(p, ())
        ]
        # Reactome writes `UniProt:Q96FJ2 DYNLL2`.
        names = [re.sub(r"^\w+:\w+ ", "", name) for name in names]
        keys = [key for resource in (*references, node) for key in self._keys(resource)]
        best = min(keys, key=self._vagueness, default=None)
        return self._identifiers.meaning([best] if best else [], names)

    def _keys(self, node: Node) -> Iterator[str]:
        """Keys of a resource: its own address, then unification, then relationships."""
        if key := key_of_address(node.uri):
            yield key
        xrefs = self._graph.linked(node, "xref")
        for kind in ("unificationxref", "relationshipxref"):
            for xref in xrefs:
                if xref.type == kind:
                    key = identifier_key(xref.text("db"), xref.text("id"))
                    key = key or key_of_address(xref.uri)
                    if key and not key.startswith(("go:", "interpro:", "pfam:", "ec:")):
                        yield key

    def _vagueness(self, key: str) -> tuple[bool, bool]:
        namespace = key.partition(":")[0]
        return (
            not self._identifiers.tokens_of(key),
            namespace not in GENE_NAMESPACES | SMALL_MOLECULE_NAMESPACES,
        )
