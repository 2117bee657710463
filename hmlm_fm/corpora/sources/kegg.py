"""KEGG from its REST service: the pathways of an organism as KGML, with names of its genes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ...formats.identifiers import Identifiers, identifier_key
from ...formats.kgml import LICENCE, read_kgml
from ...model.error_base import HMLMError
from ..client import Client, ClientSettings, ReplyError, open_service, refuse_web_pages
from ..harvesting import Collector
from ..records import Harvest, Problem

REQUESTS_PER_SECOND = 2.5
"""KEGG allows three. The margin is for what a network does to the moments of arrival."""

_RELEASE = re.compile(r"Release\s+([^\s,]+)")


def fetch(
    organism: str,
    pathways: Iterable[str],
    settings: ClientSettings,
    identifiers: Identifiers,
    progress: Callable[[str], object],
) -> Harvest:
    """The pathways of an organism, or those of them that are named.

    Args:
        organism: KEGG's code, such as `hsa`.
        pathways: identifiers such as `hsa04010`; none for all.
        settings: of the client.
        identifiers: tables that go before KEGG's own names.
        progress: called with every pathway.
    """
    collector = Collector("kegg", licence=LICENCE)
    harvest = collector.harvest
    harvest.query = f"pathways of the organism {organism}"
    client = Client(open_service("KEGG"), settings, REQUESTS_PER_SECOND)
    try:
        release = _RELEASE.search(client.get("info/pathway", _is_info).text)
        harvest.release = release[1] if release else ""
        listed = client.get(f"list/pathway/{organism}", _has_rows(rf"(path:)?{organism}\d+", 2))
    except ReplyError as error:
        harvest.missing.append(Problem(f"the list of pathways of {organism}", str(error)))
        return harvest
    known = dict.fromkeys(row[0].removeprefix("path:") for row in _rows(listed.text))
    identifiers = identifiers.with_names(_names(client, organism, harvest))
    for pathway in pathways or known:
        progress(pathway)
        collector.ask(
            client,
            f"get/{pathway}/kgml",
            f"pathway {pathway}",
            f"{pathway}.xml",
            lambda path: [read_kgml(path, identifiers)],
        )
    return harvest


def _names(client: Client, organism: str, harvest: Harvest) -> dict[str, list[str]]:
    """Symbols of the organism's genes, and ChEBI identifiers of compounds, as KEGG states them."""
    names: dict[str, list[str]] = {}
    try:
        genes = client.get(f"list/{organism}", _has_rows(rf"{organism}:\S+", 2))
        for row in _rows(genes.text):
            key = identifier_key(*row[0].split(":", 1))
            # The last cell is `symbol, synonym, …; description`.
            symbols = row[-1].split(";")[0].split(",")
            if key:
                names[key] = [symbols[0].strip()]
    except ReplyError as error:
        harvest.missing.append(Problem(f"the names of the genes of {organism}", str(error)))
    try:
        for row in _rows(client.get("conv/chebi/compound", _has_rows(r"cpd:C\d+", 2)).text):
            key = identifier_key(*row[0].split(":", 1))
            if key:
                names.setdefault(key, []).append(f"CHEBI:{row[1].split(':')[-1]}")
    except ReplyError as error:
        harvest.missing.append(Problem("the ChEBI identifiers of compounds", str(error)))
    return names


def _rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines() if line.strip()]


def _has_rows(first_cell: str, fewest_cells: int) -> Callable[[str], None]:
    """A check for a table of KEGG, whose every row starts with an identifier."""

    def check(text: str) -> None:
        refuse_web_pages(text)
        for number, row in enumerate(_rows(text), start=1):
            if len(row) < fewest_cells or not re.fullmatch(first_cell, row[0]):
                raise HMLMError(f"line {number} is {row}, not a row of the list")

    return check


def _is_info(text: str) -> None:
    refuse_web_pages(text)
    if not _RELEASE.search(text):
        raise HMLMError("it states no release")
