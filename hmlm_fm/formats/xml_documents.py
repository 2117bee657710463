"""XML of other people, read safely, with the line of every element.

Entities and external references are refused (defusedxml), and an error names file, line and
element.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ..common.errors import FormatError
from ..common.files import read_bytes

_ROOT = re.compile(
    rb"""^\s*(?> <\?.*?\?>\s* | <!--.*?-->\s* | <!DOCTYPE[^>\[]*(?:\[.*?\])?\s*>\s* )*+
         <(?:[\w.-]+:)?(?P<name>[\w.-]+)""",
    re.VERBOSE | re.DOTALL,
)


class _Parser(DefusedXMLParser):  # type: ignore[misc]
    def _start(self, *arguments):  # type: ignore[no-untyped-def]
        element = super()._start(*arguments)
        element.line = self.parser.CurrentLineNumber
        return element


def root_name(data: bytes) -> str | None:
    """The local name of the first element of what may be XML, or None."""
    match = _ROOT.match(data.removeprefix(b"\xef\xbb\xbf"))
    return match["name"].decode("ascii", errors="replace") if match else None


def parse_xml(path: str | os.PathLike[str]) -> Element:
    """The root element of a file.

    Raises:
        FormatError: the file does not exist, is not well-formed, breaks off, or holds entities.
    """
    parser = _Parser(forbid_dtd=False, forbid_entities=True, forbid_external=True)
    try:
        parser.feed(read_bytes(path))
        root: Element = parser.close()
    except ParseError as error:
        line, column = error.position
        why = str(error).split(":")[0]
        raise FormatError(
            f"it is not well-formed XML ({why})", path=path, place=f"line {line}, column {column}"
        ) from None
    except DefusedXmlException as error:
        raise FormatError(f"it holds entities, which are not read ({error})", path=path) from None
    except (ValueError, LookupError) as error:  # an unknown encoding
        raise FormatError(f"it is not XML ({error})", path=path) from None
    return root


def local_name(element: Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def children(element: Element, *names: str) -> Iterator[Element]:
    """Children with one of these local names, whatever their namespace; all where none is given."""
    return (child for child in element if not names or local_name(child) in names)


def descendants(element: Element, *names: str) -> Iterator[Element]:
    """Elements at any depth with one of these local names, in the order of the file."""
    return (child for child in element.iter() if local_name(child) in names)


def place_of(element: Element) -> str:
    """Where an element stands, for an error."""
    line = getattr(element, "line", None)
    return f"line {line}, element <{local_name(element)}>" if line else f"<{local_name(element)}>"


def attribute(element: Element, name: str) -> str:
    """An attribute by its local name, stripped; empty where there is none."""
    value = element.get(name)
    if value is None:
        value = next((v for k, v in element.items() if k.rpartition("}")[2] == name), "")
    return value.strip()
