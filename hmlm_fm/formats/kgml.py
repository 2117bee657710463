"""KGML, the maps of KEGG: entries, the relations between them, and reactions.

Versions 0.6 and 0.7 are read alike. A map is a drawing: one gene may stand in it several times
and is one molecule here, and it never states how the relations on one target combine. The names of
types and subtypes are those of https://www.kegg.jp/kegg/xml/docs/.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from ..common.errors import FormatError
from ..common.files import stem
from ..model.network import Molecule, NetworkError, Pathway, SignalingNetwork
from .drawings import DrawnMolecules, Oddities, but_vague_loops, free_name
from .identifiers import Identifiers, identifier_key
from .reactions import Reaction, interactions_of
from .statements import Statement, interactions_of_statements
from .xml_documents import attribute, children, local_name, parse_xml, place_of

LICENCE = "KEGG: academic use, not to be passed on"

SUBTYPES = {
    "phosphorylation": (0, "phosphorylation"),
    "dephosphorylation": (0, "dephosphorylation"),
    "ubiquitination": (0, "ubiquitination"),
    "methylation": (0, "methylation"),
    "expression": (1, "expression"),
    "repression": (-1, "repression"),
    "binding/association": (0, "binding"),
    "dissociation": (0, "dissociation"),
    "indirect effect": (0, "indirect"),
    "activation": (1, "activation"),
    "inhibition": (-1, "inhibition"),
    "demethylation": (0, ""),
    "glycosylation": (0, ""),
    "state change": (0, ""),
    "missing interaction": (0, ""),
}
"""Sign and kind of a subtype; of several on one relation the first here names the kind."""

COMPOUND_LINKS = ("compound", "hidden compound")

_ENZYME_TYPES = ("gene", "ortholog", "enzyme", "group")


def read_kgml(
    path: str | os.PathLike[str], identifiers: Identifiers | None = None
) -> SignalingNetwork:
    """Read a KGML file.

    Genes, orthologs and enzymes with several identifiers are families, groups are complexes, and
    links to other maps are left out. All that a map states of one pair of entries is one
    interaction, of unknown sign where its subtypes contradict each other. A relation by way of a
    compound is two conversions, and every reaction joins its substrates and its enzyme by AND.

    Args:
        path: the file.
        identifiers: what gene and compound ids mean; the package's own by default.

    Raises:
        FormatError: no well-formed XML, another root than <pathway>, or nothing in it.
    """
    root = parse_xml(path)
    if local_name(root) != "pathway":
        raise FormatError(
            f"the root is <{local_name(root)}>; expected <pathway>, as KGML has it",
            path=path,
            place=place_of(root),
        )
    odd = Oddities()
    name = attribute(root, "name").removeprefix("path:").strip() or stem(path)
    entries = _entries(root, odd)
    drawing = _Drawing(name, identifiers or Identifiers.shipped(), entries, odd)
    statements = [
        s for relation in children(root, "relation") for s in drawing.statements_of(relation)
    ]
    reactions = [r for reaction in children(root, "reaction") for r in drawing.reactions(reaction)]
    interactions = (
        *but_vague_loops(interactions_of_statements(statements)),
        *interactions_of(reactions),
    )
    if not interactions:
        odd.note("there are no relations between molecules")
    title, number = attribute(root, "title"), attribute(root, "number")
    source = f"KEGG {name}"
    try:
        network = SignalingNetwork(
            name=name,
            molecules=tuple(drawing.molecules),
            interactions=tuple(dict.fromkeys(interactions)),
            pathways=(Pathway(name, title, source),),
            title=title,
            source=source,
            licence=LICENCE,
            logic_known=False,
            # The maps of one number are one drawing, coloured for each organism.
            family=f"map{number}" if number else "",
        )
    except NetworkError as error:
        raise FormatError(str(error), path=path, place=place_of(root)) from None
    odd.warn(path)
    return network


@dataclass(frozen=True)
class _Entry:
    """A node of a map: its type, KEGG's identifiers, the label, and the parts of a group."""

    id: str
    type: str
    ids: tuple[str, ...]
    label: str = ""
    reactions: tuple[str, ...] = ()
    components: tuple[str, ...] = ()

    @property
    def is_map(self) -> bool:
        return self.type == "map" or any(i.startswith("path:") for i in self.ids)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the label: the symbol and synonyms of its first gene."""
        label = self.label.rstrip(". ")
        parts = label.split(", ") if self.type in ("gene", "ortholog") else [label]
        return tuple(name for part in parts if (name := part.strip()))


def _entries(root: Element, odd: Oddities) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    for element in children(root, "entry"):
        entry = _entry(element)
        if not entry.id or entry.id in entries:
            odd.note("entries without an id of their own", place_of(element))
            entry = replace(entry, id=free_name(f"{entry.id or 'entry'} again", entries))
        entries[entry.id] = entry
    return entries


def _entry(element: Element) -> _Entry:
    labels = (" ".join(attribute(graphics, "name").split()) for graphics in element)
    identifiers = attribute(element, "name").split()
    return _Entry(
        id=attribute(element, "id"),
        type=attribute(element, "type").lower(),
        ids=tuple(dict.fromkeys(i for i in identifiers if i != "undefined")),
        label=next((label for label in labels if label and label != "undefined"), ""),
        reactions=tuple(attribute(element, "reaction").split()),
        components=tuple(attribute(part, "id") for part in children(element, "component")),
    )


class _Drawing:
    """The entries of a map as molecules, and what its relations and reactions state of them."""

    def __init__(
        self, pathway: str, identifiers: Identifiers, entries: dict[str, _Entry], odd: Oddities
    ) -> None:
        self.molecules = DrawnMolecules(pathway)
        self._identifiers, self._entries, self._odd = identifiers, entries, odd
        self._name_of: dict[str, str] = {}
        self._entries_of_id: dict[str, list[str]] = defaultdict(list)
        self._enzymes: dict[str, dict[str, None]] = defaultdict(dict)
        for entry in entries.values():
            if not entry.is_map and entry.type != "group":
                self._draw(entry)
        for entry in entries.values():
            if entry.type == "group" and not entry.is_map:
                self._draw_group(entry)
        for entry in entries.values():
            if entry.id in self._name_of and entry.type in _ENZYME_TYPES:
                for reaction in entry.reactions:
                    self._enzymes[reaction][self._name_of[entry.id]] = None

    # -- entries ----------------------------------------------------------------------------

    def _draw(self, entry: _Entry) -> str:
        for identifier in entry.ids:
            self._entries_of_id[identifier].append(entry.id)
        kind, members = self._meaning(entry)
        names = entry.names
        fallback = entry.ids[0] if entry.ids else f"entry {entry.id}"
        molecule = Molecule(names[0] if names else fallback, entry.label, kind, members)
        self._name_of[entry.id] = self.molecules.add(molecule).name
        return self._name_of[entry.id]

    def _meaning(self, entry: _Entry) -> tuple[str, tuple[str, ...]]:
        """Kind and members of an entry that is no group."""
        keys = [identifier_key(*i.split(":", 1)) or i if ":" in i else i for i in entry.ids]
        # The label names the first gene alone, and must not stand for the others.
        meanings = [self._identifiers.meaning(keys[:1], entry.names)]
        meanings += [self._identifiers.meaning([key]) for key in keys[1:]]
        members = tuple(dict.fromkeys(m for meaning in meanings for m in meaning.members))
        if entry.type in ("gene", "ortholog", "enzyme"):
            known = meanings[0].kind if meanings[0].kind in ("RNA", "family", "complex") else ""
            return ("family" if len(keys) > 1 else known or "protein"), members
        if entry.type in ("compound", "reaction"):
            return ("small molecule" if entry.type == "compound" else "process"), members
        return meanings[0].kind if len(keys) < 2 else "family", members

    def _draw_group(self, group: _Entry) -> None:
        """A complex of all that is in the group, of groups in it too."""
        parts: dict[str, None] = {}
        waiting, seen = [group.id], set()
        while waiting:
            identifier = waiting.pop()
            entry = self._entries.get(identifier)
            if entry is None or identifier in seen:
                self._odd.note("components that do not exist are left out", repr(identifier))
            elif entry.type == "group":
                waiting.extend(reversed(entry.components))
            elif identifier in self._name_of:
                parts[self._name_of[identifier]] = None
            seen.add(identifier)
        members = tuple(dict.fromkeys(m for part in parts for m in self.molecules[part].members))
        name = " ".join(group.names) or ";".join(parts) or f"entry {group.id}"
        molecule = Molecule(name, group.label, "complex", members)
        same = (molecule.label, frozenset(parts)) if parts else None
        self._name_of[group.id] = self.molecules.add(molecule, same=same).name

    # -- relations --------------------------------------------------------------------------

    def statements_of(self, relation: Element) -> Iterator[Statement]:
        """What a relation states; the statement of the most specific subtype comes first."""
        kind = attribute(relation, "type").lower()
        ends = [attribute(relation, end) for end in ("entry1", "entry2")]
        if any(end in self._entries and self._entries[end].is_map for end in ends):
            if kind != "maplink":
                self._odd.note(
                    "relations between a molecule and another map are left out",
                    place_of(relation),
                )
            return
        if any(end not in self._name_of for end in ends):
            self._odd.note(
                "relations of entries that do not exist are left out", place_of(relation)
            )
            return
        source, target = (self._name_of[end] for end in ends)
        signed: set[str] = set()
        compounds: dict[str, None] = {}
        linked = False
        for subtype in children(relation, "subtype"):
            word = attribute(subtype, "name").lower()
            if word in COMPOUND_LINKS:
                linked = True
                value = attribute(subtype, "value")
                if value in self._name_of:
                    compounds[self._name_of[value]] = None
                else:
                    self._odd.note("compounds of relations that do not exist", repr(value))
            elif word in SUBTYPES:
                signed.add(word)
            else:
                self._odd.note("unknown subtypes of relations", repr(word))
        for compound in compounds:
            yield Statement(source, compound, 0, "conversion")
            yield Statement(compound, target, 0, "conversion")
        for word, (sign, how) in SUBTYPES.items():
            if word in signed:
                yield Statement(source, target, sign, how)
        if not signed and not compounds:
            yield Statement(source, target, 0, "conversion" if linked else "")

    # -- reactions --------------------------------------------------------------------------

    def reactions(self, element: Element) -> Iterator[Reaction]:
        """A reaction, and the way back where it is reversible."""
        names = attribute(element, "name").split()
        catalysts = dict.fromkeys(e for name in names for e in self._enzymes.get(name, ()))
        entry = self._entries.get(attribute(element, "id"))
        if not catalysts and entry and entry.type in _ENZYME_TYPES and entry.id in self._name_of:
            catalysts = {self._name_of[entry.id]: None}
        sides = [
            tuple(dict.fromkeys(n for part in children(element, side) for n in self._part(part)))
            for side in ("substrate", "product")
        ]
        if not all(sides):
            self._odd.note(
                "reactions without substrates or products are left out", place_of(element)
            )
            return
        forward = Reaction(sides[0], sides[1], tuple(catalysts))
        yield forward
        if attribute(element, "type").lower() == "reversible":
            yield replace(forward, inputs=forward.outputs, outputs=forward.inputs)

    def _part(self, element: Element) -> tuple[str, ...]:
        """Names of the substrate or product: by entry id, else by its KEGG identifier."""
        identifier, name = attribute(element, "id"), attribute(element, "name")
        entry = self._entries.get(identifier)
        if identifier in self._name_of and (not name or entry and name in entry.ids):
            return (self._name_of[identifier],)
        drawn = self._entries_of_id.get(name, [])
        if drawn:
            return (self._name_of[drawn[0]],)
        if identifier in self._name_of:
            return (self._name_of[identifier],)
        if not name or name.startswith("path:"):
            return ()
        # It takes part without being drawn: named by its identifier, it is still known.
        return (self._draw(_Entry(name, "compound", (name,))),)
