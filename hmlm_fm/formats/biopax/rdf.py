"""The RDF/XML of BioPAX: resources that have properties and link to each other.

Elements may stand inside each other or refer to each other, in whatever order. Properties of
level 2 get the names that level 3 has for them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from ..drawings import Oddities
from ..xml_documents import local_name

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"

# Level 2 has capitals, hyphens and plurals; without the first two, these are left to translate.
_LEVEL_3 = {
    "pathwaycomponents": "pathwaycomponent",
    "stepinteractions": "stepprocess",
    "participants": "participant",
    "components": "component",
    "shortname": "displayname",
    "synonyms": "name",
    "direction": "conversiondirection",
    "catalysisdirection": "conversiondirection",
    "stepconversion": "stepprocess",
    "physicalentity": "entityreference",
}


@dataclass(eq=False)
class Node:
    """A resource: its class and properties in lower-case letters, as texts and as links."""

    uri: str
    type: str = ""
    texts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    links: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def text(self, *properties: str) -> str:
        """The first text that one of these properties gives."""
        return next((t for name in properties for t in self.texts.get(name, ())), "")

    @property
    def fragment(self) -> str:
        """The last part of its address."""
        return re.split(r"[#/]", self.uri.rstrip("#/"))[-1] or self.uri


class Graph:
    """The resources of an RDF/XML file by their address, inline ones included."""

    def __init__(self, root: Element, odd: Oddities) -> None:
        self.nodes: dict[str, Node] = {}
        self._odd = odd
        self._base = root.get(_XML_BASE, "").strip()
        self._unnamed = 0
        waiting = [(element, self._uri(element)) for element in reversed(root)]
        while waiting:
            element, uri = waiting.pop()
            waiting.extend(reversed(self._read(element, uri)))
        self._of_fragment = {node.fragment: node for node in reversed(self.nodes.values())}

    def linked(self, node: Node, *properties: str) -> list[Node]:
        """The resources that these properties link to, each once."""
        found: dict[str, Node] = {}
        for uri in (uri for name in properties for uri in node.links.get(name, ())):
            target = self.nodes.get(uri) or self._of_fragment.get(Node(uri).fragment)
            if target is not None:
                found[target.uri] = target
            else:
                self._odd.note("links to what the file does not hold", repr(uri))
        return list(found.values())

    def _read(self, element: Element, uri: str) -> list[tuple[Element, str]]:
        """Note what an element states, and return the elements that stand inside it."""
        node = self.nodes.setdefault(uri, Node(uri))
        name = _plain(local_name(element))
        if name != "description" and not node.type:
            node.type = name
        for key, value in element.items():
            if not key.startswith(("{http://www.w3.org", "xml")) and value.strip():
                node.texts[_property(key)].append(" ".join(value.split()))
        inside = []
        for child in element:
            name = _property(local_name(child))
            link = child.get(f"{_RDF}resource") or child.get(f"{_RDF}nodeID")
            if name == "type" and link:
                node.type = _plain(Node(link).fragment)
            elif link:
                is_blank = child.get(f"{_RDF}resource") is None
                node.links[name].append(f"_:{link}" if is_blank else self._address(link))
            elif len(child):
                for part in child:
                    inside.append((part, self._uri(part)))
                    node.links[name].append(inside[-1][1])
            elif child.text and child.text.strip():
                node.texts[name].append(" ".join(child.text.split()))
        return inside

    def _uri(self, element: Element) -> str:
        if about := element.get(f"{_RDF}about"):
            return self._address(about)
        if own := element.get(f"{_RDF}ID"):
            return self._address(f"#{own}")
        self._unnamed += 1
        return "_:" + (element.get(f"{_RDF}nodeID") or f"unnamed {self._unnamed}")

    def _address(self, reference: str) -> str:
        """The whole address; what is relative is taken for a name in this file."""
        reference = reference.strip()
        if ":" in reference:
            return reference
        name = reference.removeprefix("#")
        return f"{self._base.rstrip('#')}#{name}"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _property(name: str) -> str:
    plain = _plain(name.rpartition("}")[2])
    return _LEVEL_3.get(plain, plain)
