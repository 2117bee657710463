"""SBML documents, opened safely: any level and version, with packages where libsbml knows them.

The file is first parsed as XML that may hold no entities; only then does libsbml, an optional
extra, read it.
"""

from __future__ import annotations

import os
import re
import warnings
from typing import Any
from xml.etree.ElementTree import Element

from ...common.errors import FormatError, FormatWarning
from ...common.files import read_bytes
from ...common.words import not_installed
from ..xml_documents import attribute, local_name, parse_xml, place_of

MOST_DEPTH = 500
"""How deeply elements and brackets may be nested: libsbml recurses over both."""

MOST_TERMS = 5_000
"""What a formula may have: libsbml nests the arguments of one operation in each other, too."""

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*encoding\s*=\s*["']([\w.:-]+)["']""")
_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def libsbml_module() -> Any:
    """libsbml.

    Raises:
        FormatError: it is not installed; the message says how to.
    """
    try:
        import libsbml
    except ImportError:
        raise FormatError(not_installed("python-libsbml", "corpora")) from None
    return libsbml


def read_document(path: str | os.PathLike[str], most_terms: int = MOST_TERMS) -> Any:
    """The `libsbml.SBMLDocument` of a file, which has a model.

    Submodels of the package comp are flattened where the file holds them all. A warning names what
    libsbml could not read.

    Args:
        path: the file.
        most_terms: what a formula may have.

    Raises:
        FormatError: the file is not SBML, is damaged, holds no model, or has formulas that libsbml
            would not survive.
    """
    libsbml = libsbml_module()
    root = parse_xml(path)
    if local_name(root) != "sbml":
        raise FormatError(
            f"the root is <{local_name(root)}>; expected <sbml>", path=path, place=place_of(root)
        )
    _check_depth(root, path, most_terms)
    document = libsbml.readSBMLFromString(_text(path))
    model = document.getModel()
    errors = [
        document.getError(i)
        for i in range(document.getNumErrors())
        if document.getError(i).getSeverity() >= libsbml.LIBSBML_SEV_ERROR
    ]
    if model is None:
        raise FormatError(
            f"it holds no model that libsbml can read{_first_words(errors)}; expected <model>",
            path=path,
            place=f"line {errors[0].getLine()}" if errors else "",
        )
    if errors:
        warnings.warn(
            f"{path}: line {errors[0].getLine()}: libsbml finds {len(errors)} errors"
            f"{_first_words(errors)}; what it could read is read",
            FormatWarning,
            stacklevel=3,
        )
    _flatten(document, path, libsbml)
    return document


def _check_depth(root: Element, path: str | os.PathLike[str], most_terms: int) -> None:
    """Refuse what would bring libsbml down.

    Raises:
        FormatError: elements or the brackets of a formula are nested too deeply, or it is too long.
    """
    stack = [(root, 1, 0)]
    while stack:
        element, depth, terms = stack.pop()
        formula = attribute(element, "formula")
        if local_name(element) == "apply":
            terms += len(element)
        terms = max(terms, len(re.findall(r"[-+*/^(,]", formula)))
        if terms > most_terms:
            raise FormatError(
                f"a formula has {terms} terms or more; expected at most {most_terms}",
                path=path,
                place=place_of(element),
            )
        if max(depth, _bracket_depth(formula)) > MOST_DEPTH:
            raise FormatError(
                f"it is nested more than {MOST_DEPTH} deep; expected a model that people can read",
                path=path,
                place=place_of(element),
            )
        stack += [(child, depth + 1, terms) for child in element]


def _bracket_depth(formula: str) -> int:
    depth = deepest = 0
    for character in formula:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    # A row of signs or powers nests as brackets do.
    return max(deepest, *(len(run) for run in re.findall(r"[-!]+", formula)), formula.count("^"))


def _text(path: str | os.PathLike[str]) -> str:
    """The file as text without its XML declaration, since libsbml is given UTF-8 in any case."""
    data = read_bytes(path)
    encoding = next((e for mark, e in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), None)
    if encoding is None:
        declared = _ENCODING.match(data)
        encoding = declared[1].decode() if declared else "utf-8"
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise FormatError(f"it cannot be decoded ({error})", path=path) from None
    return _DECLARATION.sub(lambda match: "\n" * match[0].count("\n"), text, count=1)


def _first_words(errors: list[Any]) -> str:
    if not errors:
        return ""
    words = " ".join(errors[0].getShortMessage().split()) or "unknown error"
    return f" ({words[:100]})"


def _flatten(document: Any, path: str | os.PathLike[str], libsbml: Any) -> None:
    plugin = document.getModel().getPlugin("comp")
    if plugin is None or not plugin.getNumSubmodels():
        return
    definitions = document.getPlugin("comp")
    outside = definitions is not None and definitions.getNumExternalModelDefinitions()
    flattened = False
    if not outside:  # models elsewhere are not fetched
        properties = libsbml.ConversionProperties()
        properties.addOption("flatten comp", True)
        properties.addOption("performValidation", False)
        flattened = document.convert(properties) == libsbml.LIBSBML_OPERATION_SUCCESS
    if not flattened:
        warnings.warn(
            f"{path}: it has submodels that "
            f"{'are in other files' if outside else 'libsbml cannot flatten'}; "
            "they are left out",
            FormatWarning,
            stacklevel=4,
        )
