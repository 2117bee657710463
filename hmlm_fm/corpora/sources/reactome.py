"""Reactome from its ContentService: the event hierarchy, and each pathway's reactions as SBML.

A pathway that has reactions of its own is one network. Its species carry the identifiers of what
they are made of, complexes and sets resolved; the symbols of proteins come from the service's list
of reference entities of the pathway.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...formats.identifiers import Identifiers, identifier_key
from ...formats.sbml.sbml import read_sbml
from ...model.error_base import HMLMError
from ...model.network import Pathway, SignalingNetwork
from ..client import Client, ClientSettings, ReplyError, open_service, refuse_web_pages
from ..harvesting import Collector
from ..records import Harvest, Problem

LICENCE = "CC0"
REQUESTS_PER_SECOND = 5.0
PATHWAY_TYPES = ("TopLevelPathway", "Pathway", "CellLineagePath")


@dataclass(frozen=True)
class Event:
    """A pathway with reactions of its own; `above` are the titles from the top level down."""

    identifier: str
    title: str
    above: tuple[str, ...]


def fetch(
    species: str,
    pathways: Iterable[str],
    settings: ClientSettings,
    identifiers: Identifiers,
    progress: Callable[[str], object],
) -> Harvest:
    """The pathways of a species, or those of them that are named with what they are made of.

    Args:
        species: name (`Homo sapiens`) or taxon id (`9606`).
        pathways: stable identifiers such as `R-HSA-177929`; none for all.
        settings: of the client.
        identifiers: tables that go before Reactome's own names.
        progress: called with every pathway.
    """
    collector = Collector("reactome", licence=LICENCE)
    harvest = collector.harvest
    harvest.query = f"all pathways of the species {species}, from the top level down"
    client = Client(open_service("Reactome"), settings, REQUESTS_PER_SECOND)
    try:
        harvest.release = client.get("data/database/version", _is_number).text.strip()
        hierarchy = client.get(f"data/eventsHierarchy/{quote(species)}", _is_hierarchy)
    except ReplyError as error:
        harvest.missing.append(Problem(f"the event hierarchy of {species}", str(error)))
        return harvest
    wanted = set(pathways)
    for event in _events(json.loads(hierarchy.text), wanted):
        progress(event.identifier)
        what = f"pathway {event.identifier}"
        try:
            entities = client.get(
                f"data/participants/{event.identifier}/referenceEntities", _is_entities
            )
        except ReplyError as error:
            harvest.missing.append(Problem(what, str(error)))
            continue
        known = identifiers.with_names(_names(json.loads(entities.text)))
        collector.ask(
            client,
            f"exporter/event/{event.identifier}.sbml",
            what,
            f"{event.identifier}.sbml",
            partial(_read_event, event, known),
        )
    return harvest


def _events(nodes: Iterable[dict[str, Any]], wanted: set[str]) -> Iterator[Event]:
    """Pathways with reactions of their own, each once, from the top down."""
    seen: set[str] = set()

    def walk(
        nodes: Iterable[dict[str, Any]], above: tuple[str, ...], inside: bool
    ) -> Iterator[Event]:
        for node in nodes:
            if node.get("type") not in PATHWAY_TYPES:
                continue
            identifier, children = node["stId"], node.get("children") or []
            is_wanted = inside or not wanted or identifier in wanted
            has_reactions = any(child.get("type") not in PATHWAY_TYPES for child in children)
            if is_wanted and identifier not in seen and (has_reactions or not children):
                seen.add(identifier)
                yield Event(identifier, node.get("name", ""), above)
            yield from walk(children, (*above, node.get("name", "")), is_wanted)

    yield from walk(nodes, (), False)


def _read_event(event: Event, identifiers: Identifiers, path: Path) -> list[SignalingNetwork]:
    """The network of an export, under the name of its event, with its place in the hierarchy."""
    network = read_sbml(path, identifiers)
    place = "Reactome: " + " / ".join((*event.above, event.title))
    return [
        replace(
            network,
            name=event.identifier,
            title=event.title,
            source="Reactome",
            molecules=tuple(replace(m, pathways=(event.identifier,)) for m in network.molecules),
            pathways=(Pathway(event.identifier, event.title, place),),
        )
    ]


def _names(entities: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """Gene symbols of the reference entities of a pathway, by the key of each."""
    names: dict[str, list[str]] = {}
    for entity in entities:
        key = identifier_key(entity.get("databaseName", ""), str(entity.get("identifier", "")))
        symbols = list(entity.get("geneName") or ())[:1]
        # `UniProt:P00533 EGFR`: the display name ends in the symbol.
        displayed = str(entity.get("displayName", "")).partition(" ")[2].strip()
        if key and (symbols or displayed):
            names[key] = symbols or [displayed]
    return names


def _is_number(text: str) -> None:
    if not text.strip().isdecimal():
        raise HMLMError(f"it is {text[:40]!r}, not the number of a release")


def _is_hierarchy(text: str) -> None:
    nodes = _json_list(text)
    if not nodes or any("stId" not in node or "type" not in node for node in nodes):
        raise HMLMError("it is no hierarchy of events")


def _is_entities(text: str) -> None:
    _json_list(text)


def _json_list(text: str) -> list[dict[str, Any]]:
    refuse_web_pages(text)
    content = json.loads(text)
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise HMLMError("it is no list of objects")
    return content
