"""GPML, the diagrams of PathVisio and WikiPathways, in the dialects from GenMAPP's to GPML2021.

A diagram draws nodes, groups of them, and lines. A line ends at a node, at a group, or at an
anchor: a point on another line. The dialects differ in the names of elements and attributes
alone. Copies of a node are one molecule, and a diagram never states how the lines on one target
combine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from ..common.errors import FormatError
from ..common.files import stem
from ..model.network import Molecule, NetworkError, Pathway, SignalingNetwork
from .drawings import DrawnMolecules, Oddities, but_vague_loops
from .edge_table import KIND_OF_ARROW
from .identifiers import Identifiers, identifier_key
from .statements import Statement, interactions_of_statements
from .xml_documents import attribute, children, descendants, local_name, parse_xml, place_of

LICENCE = "CC0"

SIGN_OF_ARROW = {
    "arrow": 1,
    "mim-stimulation": 1,
    "mim-necessary-stimulation": 1,
    "mim-transcription-translation": 1,
    "mim-catalysis": 1,
    "mim-modification": 1,
    "tbar": -1,
    "mim-inhibition": -1,
    "mim-conversion": 0,
    "mim-binding": 0,
    "mim-covalent-bond": 0,
    "mim-cleavage": 0,
    "mim-translocation": 0,
    "mim-gap": 0,
    "mim-branching-left": 0,
    "mim-branching-right": 0,
    "ligandround": 0,
    "ligandsquare": 0,
    "receptor": 0,
    "receptorround": 0,
    "receptorsquare": 0,
}
"""Sign of an arrow head, by its name in lower case; the signs of WikiPathways' edge table."""

SAME_ARROW = {
    "directed": "arrow",
    "conversion": "mim-conversion",
    "inhibition": "mim-inhibition",
    "catalysis": "mim-catalysis",
    "stimulation": "mim-stimulation",
    "binding": "mim-binding",
    "translocation": "mim-translocation",
    "transcription-translation": "mim-transcription-translation",
}
"""Arrow heads of GPML2021 by their earlier names."""

NO_ARROW = ("", "line", "none", "undirected")

_KINDS = KIND_OF_ARROW | {
    "mim-translocation": "transport",
    "ligandround": "binding",
    "receptorround": "binding",
}
_KIND_OF_TYPE = {
    "geneproduct": "protein",
    "protein": "protein",
    "rna": "RNA",
    "metabolite": "small molecule",
    "complex": "complex",
    "pathway": "process",
    "event": "process",
    "disease": "phenotype",
    "phenotype": "phenotype",
}
_REFERENCE = ("GraphRef", "elementRef")
# Of a file such as Hs_ACE_Inhibitor_Pathway_WP554_69950.gpml it is the part WP554.
_WIKIPATHWAYS_ID = re.compile(r"(?<![A-Za-z0-9])WP\d+(?:_r\d+)?(?![A-Za-z0-9])")


def read_gpml(
    path: str | os.PathLike[str], identifiers: Identifiers | None = None
) -> SignalingNetwork:
    """Read a GPML file.

    A line between nodes or groups is one interaction of the two. A line to an anchor acts on the
    target of the line that bears it, and a line from an anchor starts where that line does. A
    group at the end of a line is one molecule of all its nodes. All lines from one molecule to
    another are one interaction, of unknown sign where they contradict each other; a line without
    an arrow head is a binding.

    Args:
        path: the file.
        identifiers: what the nodes' cross-references mean; the package's own by default.

    Raises:
        FormatError: no well-formed XML, another root than <Pathway>, or no node in it.
    """
    root = parse_xml(path)
    if local_name(root) != "Pathway":
        raise FormatError(
            f"the root is <{local_name(root)}>; expected <Pathway>, as GPML has it",
            path=path,
            place=place_of(root),
        )
    odd = Oddities()
    name, source, licence = _origin(root, path)
    diagram = _Diagram(root, name, identifiers or Identifiers.shipped(), odd)
    statements = [statement for line in diagram.lines for statement in diagram.statements(line)]
    interactions = tuple(but_vague_loops(interactions_of_statements(statements)))
    if not interactions:
        odd.note("no line connects two molecules")
    title = _attribute(root, "Name", "title")
    try:
        network = SignalingNetwork(
            name=name,
            molecules=tuple(diagram.molecules),
            interactions=interactions,
            pathways=(Pathway(name, title, source),),
            title=title,
            source=source,
            licence=licence,
            logic_known=False,
        )
    except NetworkError as error:
        raise FormatError(str(error), path=path, place=place_of(root)) from None
    odd.warn(path)
    return network


@dataclass(frozen=True)
class _Line:
    """A line of a diagram: what its two ends refer to, and their arrow heads in lower case."""

    ends: tuple[str, str]
    heads: tuple[str, str]
    place: str

    @property
    def directions(self) -> tuple[tuple[int, int], ...]:
        """Source and target, as positions of `ends`: both ways where both ends have a head."""
        ways = tuple((1 - end, end) for end in (1, 0) if self.heads[end])
        return ways or ((0, 1),)

    def sources(self) -> tuple[str, ...]:
        """Where it starts; a line without a head, drawn between partners, starts at both."""
        if not any(self.heads):
            return self.ends
        return tuple(self.ends[start] for start, _ in self.directions)

    def targets(self) -> tuple[str, ...]:
        return tuple(self.ends[end] for _, end in self.directions)


@dataclass(eq=False)
class _Group:
    """A group of a diagram, with the names of its nodes and the groups within it."""

    label: str
    kind: str
    nodes: list[str] = field(default_factory=list)
    groups: list[_Group] = field(default_factory=list)

    def all_nodes(self) -> list[str]:
        """Names of the nodes at any depth, sorted, each once."""
        found: set[str] = set()
        waiting, seen = [self], {self}
        while waiting:
            group = waiting.pop()
            found.update(group.nodes)
            waiting += [inner for inner in group.groups if inner not in seen]
            seen.update(group.groups)
        return sorted(found)


class _Diagram:
    """What a diagram draws: its molecules, its lines, and what the end of a line stands for."""

    def __init__(
        self, root: Element, pathway: str, identifiers: Identifiers, odd: Oddities
    ) -> None:
        self.molecules = DrawnMolecules(pathway)
        self.lines: list[_Line] = []
        self._identifiers, self._odd = identifiers, odd
        self._groups: dict[str, _Group] = {}
        self._nodes: dict[str, str] = {}
        self._stands_for: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._line_of_anchor: dict[str, _Line] = {}
        self._read_groups(root)
        self._read_nodes(root)
        for element in descendants(root, "Label", "Shape"):
            if text := _text(element):
                self._texts.setdefault(_id(element), text)
        self._read_lines(root)
        for group in dict.fromkeys(self._groups.values()):
            if group.kind == "complex" and group.all_nodes():
                self._draw_group(group)

    # -- what is drawn ----------------------------------------------------------------------

    def _read_groups(self, root: Element) -> None:
        inner: list[tuple[str, _Group]] = []
        for element in descendants(root, "Group"):
            style = _attribute(element, "Style", "type").lower()
            group = _Group(_text(element), "complex" if style == "complex" else "family")
            # Nodes name a group by its GroupId, lines by its GraphId; GPML2021 has one id.
            for identifier in {_id(element), attribute(element, "GroupId")} - {""}:
                self._groups.setdefault(identifier, group)
            inner.append((_attribute(element, "GroupRef"), group))
        for outer, group in inner:
            if outer in self._groups:
                self._groups[outer].groups.append(group)

    def _read_nodes(self, root: Element) -> None:
        for element in descendants(root, "DataNode"):
            identifier = _id(element)
            for state in descendants(element, "State"):
                self._stands_for[_id(state)] = identifier
            original = _attribute(element, "aliasRef", *_REFERENCE)
            if original and identifier and original != identifier:
                self._stands_for[identifier] = original
                continue
            name = self._draw_node(element)
            if identifier and self._nodes.setdefault(identifier, name) != name:
                self._odd.note("nodes with the id of another", repr(identifier))
            group = _attribute(element, "GroupRef")
            if group in self._groups:
                self._groups[group].nodes.append(name)
            elif group:
                self._odd.note("nodes of groups that do not exist", repr(group))
        for state in descendants(root, "State"):
            if node := _attribute(state, *_REFERENCE):
                self._stands_for[_id(state)] = node

    def _draw_node(self, element: Element) -> str:
        label, keys = _text(element), _keys(element)
        if not label:
            self._odd.note("nodes without a label", place_of(element))
        meaning = self._identifiers.meaning(keys, [label] if label else [])
        kind = _KIND_OF_TYPE.get(_attribute(element, "Type").lower(), meaning.kind)
        if kind == "protein" and meaning.kind in ("family", "complex", "RNA"):
            kind = meaning.kind
        name = label or (keys[0] if keys else f"node {_id(element)}".strip())
        return self.molecules.add(Molecule(name, kind=kind, members=meaning.members)).name

    def _draw_group(self, group: _Group) -> str:
        nodes = group.all_nodes()
        if len(nodes) == 1:
            return nodes[0]
        members = dict.fromkeys(m for node in nodes for m in self.molecules[node].members)
        molecule = Molecule(";".join(nodes), group.label, group.kind, tuple(members))
        return self.molecules.add(molecule, same=(group.kind, *nodes)).name

    def _draw_text(self, text: str) -> str:
        meaning = self._identifiers.meaning([], [text])
        return self.molecules.add(Molecule(text, kind=meaning.kind, members=meaning.members)).name

    def _read_lines(self, root: Element) -> None:
        for element in descendants(root, "Interaction", "Line"):
            points = list(descendants(element, "Point"))
            if len(points) < 2:
                self._odd.note("lines without two points", place_of(element))
                continue
            first, last = points[0], points[-1]
            line = _Line(
                ends=(_attribute(first, *_REFERENCE), _attribute(last, *_REFERENCE)),
                heads=(self._head(first), self._head(last)),
                place=place_of(element),
            )
            self.lines.append(line)
            for anchor in (element, *descendants(element, "Anchor")):
                if identifier := _id(anchor):
                    self._line_of_anchor.setdefault(identifier, line)

    def _head(self, point: Element) -> str:
        """The arrow head at a point by its name in `SIGN_OF_ARROW`; empty where there is none."""
        head = _attribute(point, "ArrowHead", "Head").lower()
        head = SAME_ARROW.get(head, head)
        if head in NO_ARROW:
            return ""
        if head not in SIGN_OF_ARROW:
            self._odd.note("unknown arrow heads", repr(head))
        return head

    # -- what the lines state ---------------------------------------------------------------

    def statements(self, line: _Line) -> Iterator[Statement]:
        if not all(line.ends):
            self._odd.note("lines with a loose end are left out", line.place)
            return
        for start, end in line.directions:
            sources = self._reached(line.ends[start], sources=True)
            targets = self._reached(line.ends[end], sources=False)
            if not sources or not targets:
                self._odd.note("lines to or from nothing with a name are left out", line.place)
                continue
            head = line.heads[end]
            sign = SIGN_OF_ARROW.get(head, 0)
            kind = _KINDS.get(head, "") if head else "binding"
            for source in map(self._name, sources):
                for target in map(self._name, targets):
                    yield Statement(source, target, sign, kind)

    def _reached(self, end: str, *, sources: bool) -> list[str]:
        """Ids of what has a name, from one end of a line on, through anchors, states and aliases.

        Args:
            end: what the end of the line refers to.
            sources: from an anchor on to where its line starts, else to where it ends.
        """
        found: dict[str, None] = {}
        waiting, seen = [end], {""}
        while waiting:
            identifier = waiting.pop()
            if identifier in seen:
                continue
            seen.add(identifier)
            if identifier in self._nodes or identifier in self._texts:
                found[identifier] = None
            elif identifier in self._groups and self._groups[identifier].all_nodes():
                found[identifier] = None
            elif identifier in self._stands_for:
                waiting.append(self._stands_for[identifier])
            elif identifier in self._line_of_anchor:
                line = self._line_of_anchor[identifier]
                waiting.extend(reversed(line.sources() if sources else line.targets()))
        return list(found)

    def _name(self, identifier: str) -> str:
        if identifier in self._nodes:
            return self._nodes[identifier]
        if identifier in self._groups:
            return self._draw_group(self._groups[identifier])
        return self._draw_text(self._texts[identifier])


# -- the dialects -------------------------------------------------------------------------------


def _attribute(element: Element, *names: str) -> str:
    """The first of these attributes that is not empty, spelled `TextLabel` or `textLabel`."""
    for name in names:
        for spelled in (name, name[0].lower() + name[1:]):
            if value := attribute(element, spelled):
                return value
    return ""


def _id(element: Element) -> str:
    return _attribute(element, "GraphId", "elementId")


def _text(element: Element) -> str:
    """The label on one line."""
    return " ".join(_attribute(element, "TextLabel").split())


def _keys(element: Element) -> list[str]:
    """The key of a node's cross-reference, where it has one."""
    for xref in children(element, "Xref"):
        database = _attribute(xref, "Database", "dataSource")
        key = identifier_key(database, _attribute(xref, "ID", "identifier"))
        if key:
            return [key]
    return []


def _origin(root: Element, path: str | os.PathLike[str]) -> tuple[str, str, str]:
    """Name, source and licence of a diagram."""
    references = [_attribute(xref, "ID", "identifier") for xref in children(root, "Xref")]
    candidates = [_attribute(root, "Version"), *references, stem(path)]
    found = (match[0] for text in candidates if (match := _WIKIPATHWAYS_ID.search(text)))
    revision = next(found, "")
    origin = _attribute(root, "Data-Source", "source")
    if revision or "wikipathways" in origin.lower():
        name = revision.partition("_")[0] or stem(path)
        return name, f"WikiPathways {revision or name}", LICENCE
    return stem(path), origin, ""
