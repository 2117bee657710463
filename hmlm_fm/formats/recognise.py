"""Which format a file is of, by its content and never by its ending."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..common.errors import FormatError
from ..common.files import read_start
from ..model.network import SignalingNetwork
from .biopax.biopax import read_biopax
from .edge_table import COLUMNS, is_edge_table, read_edge_table, resembles_edge_table
from .gene_sets import is_gene_set, read_gmt
from .gpml import read_gpml
from .identifiers import Identifiers
from .json_format import read_json
from .kgml import read_kgml
from .logic.bnet import is_bnet, read_bnet
from .logic.pairwise import is_pairwise, read_pairwise
from .netflux import read_netflux
from .sbml.sbml import read_sbml
from .sif import read_sif
from .spreadsheet import OLE_MAGIC, ZIP_MAGIC
from .statement_tables import is_statement_table, read_statements
from .xml_documents import root_name

Path = str | os.PathLike[str]


@dataclass(frozen=True)
class Format:
    """A format that can be read.

    Attributes:
        name: as messages give it.
        read: the networks of a file, given what identifiers mean.
    """

    name: str
    read: Callable[[Path, Identifiers | None], tuple[SignalingNetwork, ...]]


JSON = Format("JSON", lambda path, _: (read_json(path),))
NETFLUX = Format("Netflux workbook", lambda path, _: (read_netflux(path),))
SIF = Format("SIF", lambda path, _: (read_sif(path),))
EDGE_TABLE = Format("edge table", lambda path, _: read_edge_table(path))
STATEMENTS = Format("table of statements", read_statements)
GENE_SETS = Format("gene sets (GMT)", read_gmt)
PAIRWISE = Format("pairwise logic", lambda path, _: (read_pairwise(path),))

KGML = Format("KGML", lambda path, identifiers: (read_kgml(path, identifiers),))
GPML = Format("GPML", lambda path, identifiers: (read_gpml(path, identifiers),))
BIOPAX = Format("BioPAX", read_biopax)
SBML = Format("SBML", lambda path, identifiers: (read_sbml(path, identifiers),))
BNET = Format("bnet", lambda path, identifiers: (read_bnet(path, identifiers),))

FORMATS = (
    JSON,
    NETFLUX,
    SIF,
    EDGE_TABLE,
    STATEMENTS,
    GENE_SETS,
    PAIRWISE,
    KGML,
    GPML,
    BIOPAX,
    SBML,
    BNET,
)

_OF_ROOT = {"pathway": KGML, "Pathway": GPML, "RDF": BIOPAX, "sbml": SBML}


def format_of(path: Path) -> Format:
    """The format of a file.

    Raises:
        FormatError: the file does not exist, is empty, or is of no known format.
    """
    start = read_start(path)
    if start.startswith((ZIP_MAGIC, OLE_MAGIC)):
        return NETFLUX
    text = start.decode("utf-8-sig", errors="replace").lstrip()
    known = ", ".join(f.name for f in FORMATS)
    if not text:
        raise FormatError(f"it is empty; expected one of {known}", path=path)
    root = root_name(start)
    if root in _OF_ROOT:
        return _OF_ROOT[root]
    if text.startswith("<") or "\0" in text:
        found = f"XML with the root <{root}>" if root else "XML or binary data"
        if root and root.lower() == "html" or text[:15].lower().startswith("<!doctype html"):
            found = "a web page"
        raise FormatError(f"it holds {found}; expected one of {known}", path=path)
    # By its name too, for a text in quotes may be anything.
    if text.startswith("{") or str(path).lower().removesuffix(".gz").endswith(".json"):
        return JSON
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    return _of_lines([line for line in lines if not line.startswith("#")] or lines, path)


def read_networks(
    path: Path, identifiers: Identifiers | None = None
) -> tuple[SignalingNetwork, ...]:
    """The networks of one file: one, or as many as a table has pathways.

    Args:
        path: the file.
        identifiers: what the identifiers of other databases mean; the package's own by default.

    Raises:
        FormatError: the file is of no known format, or cannot be read as what it is.
    """
    return format_of(path).read(path, identifiers)


def _of_lines(lines: list[str], path: Path) -> Format:
    """The format of a text by its first line or, where that may be a header, its first two.

    Raises:
        FormatError: it is a table of edges with a header that is not known.
    """
    first = lines[0]
    if is_edge_table(first):
        return EDGE_TABLE
    if is_statement_table(first):
        return STATEMENTS
    if is_pairwise(first):
        return PAIRWISE
    if is_gene_set(first):
        return GENE_SETS
    if resembles_edge_table(first):
        raise FormatError(
            f"its header is {first[:60]!r}; expected an edge table's, with the columns "
            f"{', '.join(COLUMNS)} and tabs between them",
            path=path,
        )
    if is_bnet(lines):
        return BNET
    return SIF
