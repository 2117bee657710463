"""The sources of corpora by name: what each reads from a folder, and which can be fetched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...formats.identifiers import Identifiers
from ...formats.network_loading import load_core
from ...formats.recognise import BNET, EDGE_TABLE, GPML, JSON, KGML, NETFLUX, SBML, Format
from ..client import ClientSettings
from ..harvesting import Collector, harvest_folder
from ..records import Harvest, Provenance
from . import kegg, reactome, reactome_files, signor

Progress = Callable[[str], object]
Read = Callable[[Path, Identifiers, Progress], Harvest]


@dataclass(frozen=True)
class Query:
    """What to ask a service for.

    Attributes:
        species: of Reactome, by name or taxon id.
        organism: of KEGG, by its code.
        pathways: identifiers; none for all.
    """

    species: str = "9606"
    organism: str = "hsa"
    pathways: tuple[str, ...] = ()


Fetch = Callable[[Query, ClientSettings, Identifiers, Progress], Harvest]


@dataclass(frozen=True)
class Source:
    """One source of networks.

    Attributes:
        name: as on the command line.
        title: as people know it.
        licence: of the content, in words.
        folders: names of the folders that `all` looks for below its own.
        read: the networks of a folder, given what identifiers mean.
        fetch: the networks of its service, where it has one that is read.
        may_be_shared: whether a corpus of it may be passed on.
    """

    name: str
    title: str
    licence: str
    folders: tuple[str, ...]
    read: Read
    fetch: Fetch | None = None
    may_be_shared: bool = True


def _of_files(name: str, licence: str, *formats: Format) -> Read:
    def read(folder: Path, identifiers: Identifiers, progress: Progress) -> Harvest:
        return harvest_folder(name, folder, formats, identifiers, licence, progress)

    return read


def read_core(folder: Path, identifiers: Identifiers, progress: Progress) -> Harvest:
    """The pathways that ship with the package; neither a folder nor tables are needed."""
    collector = Collector("core", licence="Apache-2.0")
    for network in load_core():
        collector.add(network, Provenance("core", f"hmlm_fm/networks/core/{network.name}.json"))
    return collector.harvest


SOURCES = {
    source.name: source
    for source in (
        Source("core", "The package's core pathways", "Apache-2.0", (), read_core),
        Source(
            "reactome",
            "Reactome",
            reactome_files.LICENCE,
            ("reactome",),
            reactome_files.read_folder,
            lambda query, *rest: reactome.fetch(query.species, query.pathways, *rest),
        ),
        Source(
            "kegg",
            "KEGG",
            kegg.LICENCE,
            ("kegg",),
            _of_files("kegg", kegg.LICENCE, KGML),
            lambda query, *rest: kegg.fetch(query.organism, query.pathways, *rest),
            may_be_shared=False,
        ),
        Source(
            "wikipathways",
            "WikiPathways",
            "CC0",
            ("wikipathways",),
            _of_files("wikipathways", "CC0", GPML, EDGE_TABLE),
        ),
        Source("signor", "SIGNOR", signor.LICENCE, ("signor",), signor.read_folder),
        Source(
            "boolean",
            "Published Boolean models",
            "of the authors of each model",
            ("boolean",),
            _of_files("boolean", "of the model's authors", BNET, SBML),
        ),
        Source(
            "sbml",
            "BioModels",
            "CC0",
            ("sbml", "biomodels"),
            _of_files("sbml", "CC0", SBML),
        ),
        Source(
            "netflux",
            "Published Netflux models",
            "of the authors of each model",
            ("netflux",),
            _of_files("netflux", "of the model's authors", NETFLUX, JSON),
        ),
    )
}
