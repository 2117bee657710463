"""Reading a folder of other people's files: what can be read is, and the rest is listed."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..common.errors import FormatError, FormatWarning
from ..common.files import read_bytes
from ..formats.identifiers import Identifiers, is_mapping_table
from ..formats.recognise import Format, format_of
from ..model.network import SignalingNetwork
from .client import Client, ReplyError, refuse_web_pages
from .records import Harvest, Problem, Provenance, Record

LISTED_WARNINGS = 3

Reader = Callable[[Path], Collection[SignalingNetwork]]


def files_below(folder: Path) -> Iterator[Path]:
    """All files of a folder and its sub-folders, in the order of their names; hidden ones not.

    Raises:
        FormatError: it is no folder, or it holds no files.
    """
    if not folder.is_dir():
        raise FormatError("there is no such folder; expected files of a source", path=folder)
    found = sorted(p for p in folder.rglob("*") if p.is_file())
    visible = [p for p in found if not any(s.startswith(".") for s in p.relative_to(folder).parts)]
    if not visible:
        raise FormatError("the folder holds no files", path=folder)
    yield from visible


class Collector:
    """Gathers the networks of one source, gives each a name of its own, and keeps what went wrong.

    Args:
        corpus: name of the source.
        root: folder that locations are written relative to.
        licence: of networks that state none.
    """

    def __init__(self, corpus: str, root: Path | None = None, licence: str = "") -> None:
        self.corpus, self.root = corpus, root
        self.harvest = Harvest(licence=licence)
        self._names: Counter[str] = Counter()
        self._hashes: dict[str, str] = {}

    def location(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix() if self.root else path.name

    @property
    def names(self) -> frozenset[str]:
        """Names of the networks so far."""
        return frozenset(self._names)

    def skip(self, location: str, reason: str) -> None:
        self.harvest.skipped.append(Problem(location, reason))

    def refuse(self, location: str, error: FormatError) -> None:
        """Skip what cannot be read, with the place in it."""
        self.skip(location, f"{error.place}: {error.problem}" if error.place else error.problem)

    def add(self, network: SignalingNetwork, provenance: Provenance) -> None:
        """Take a network; a copy of one that is there already is skipped."""
        twin = self._hashes.setdefault(network.content_hash, provenance.location)
        if twin != provenance.location:
            self.skip(provenance.location, f"the same network as in {twin}")
            return
        self._names[network.name] += 1
        count = self._names[network.name]
        if count > 1:
            network = replace(network, name=f"{network.name} ({count})", family=network.family_name)
        if not network.licence:
            network = replace(network, licence=self.harvest.licence)
        self.harvest.records.append(Record(network, provenance))

    def read(self, path: Path, read: Reader) -> None:
        """Take the networks of a file; if it cannot be read, note why and carry on."""
        location = self.location(path)
        try:
            provenance = Provenance(self.corpus, location, sha256_of(path))
            networks, odd = _read_noting(path, read)
        except FormatError as error:
            self.refuse(location, error)
            return
        self._take(networks, odd, provenance)

    def ask(self, client: Client, query: str, what: str, file_name: str, read: Reader) -> None:
        """Take the networks of a reply; a text that they cannot be read from is no reply.

        Args:
            client: to ask.
            query: the address of the reply below that of the service.
            what: it describes, for the list of what is missing where the reply cannot be had.
            file_name: that the reader is to see.
            read: the networks of the reply, which readers want as a file.
        """
        networks: Collection[SignalingNetwork] = ()
        odd: list[str] = []

        def check(text: str) -> None:
            nonlocal networks, odd
            refuse_web_pages(text)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / file_name
                path.write_text(text, encoding="utf-8")
                networks, odd = _read_noting(path, read)

        try:
            reply = client.get(query, check)
        except ReplyError as error:
            self.harvest.missing.append(Problem(what, str(error)))
            return
        provenance = Provenance(
            self.corpus, query, reply.sha256, reply.retrieved, self.harvest.release
        )
        self._take(networks, odd, provenance)

    def _take(
        self, networks: Collection[SignalingNetwork], odd: list[str], provenance: Provenance
    ) -> None:
        self.harvest.warnings += [Problem(provenance.location, text) for text in odd]
        for network in networks:
            self.add(network, provenance)


def _read_noting(path: Path, read: Reader) -> tuple[Collection[SignalingNetwork], list[str]]:
    """The networks of a file, and the first of the warnings that reading it gave.

    Raises:
        FormatError: it cannot be read, in whatever way the reader fails.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            networks = read(path)
        except FormatError:
            raise
        except Exception as error:
            # A reader that fails in a way of its own must not end a build of hours.
            raise FormatError(f"it cannot be read ({type(error).__name__}: {error})") from error
    messages = dict.fromkeys(
        str(w.message).removeprefix(f"{path}: ")
        for w in caught
        if issubclass(w.category, FormatWarning)
    )
    return networks, list(messages)[:LISTED_WARNINGS]


def sha256_of(path: Path) -> str:
    """The hash of a file's content, unpacked where it is gzipped."""
    return hashlib.sha256(read_bytes(path)).hexdigest()


def harvest_folder(
    corpus: str,
    folder: Path,
    formats: Collection[Format],
    identifiers: Identifiers,
    licence: str = "",
    progress: Callable[[str], object] = lambda location: None,
) -> Harvest:
    """The networks of all files of a folder that are of one of the formats.

    Where files of two formats hold a network of one name, the format that is named first counts.
    Files of other formats, and what is no network at all, are listed as skipped.
    """
    collector = Collector(corpus, folder, licence)
    files: dict[Format, list[Path]] = {f: [] for f in formats}
    for path in files_below(folder):
        try:
            found = format_of(path)
        except FormatError as error:
            collector.refuse(collector.location(path), error)
            continue
        if found in files:
            files[found].append(path)
            continue
        wanted = " or ".join(f.name for f in formats)
        what = "a mapping of identifiers" if is_mapping_table(path) else found.name
        collector.skip(collector.location(path), f"it is {what}; {corpus} reads {wanted}")
    for found, paths in files.items():
        known = collector.names
        for path in paths:
            progress(collector.location(path))
            collector.read(path, partial(_new_networks, found, identifiers, known, collector))
    return collector.harvest


def _new_networks(
    found: Format,
    identifiers: Identifiers,
    known: Collection[str],
    collector: Collector,
    path: Path,
) -> list[SignalingNetwork]:
    """The networks of a file without those that a better format has given already."""
    networks = found.read(path, identifiers)
    for network in networks:
        if network.name in known:
            collector.skip(
                f"{collector.location(path)}, {network.name}", "given by a file of another format"
            )
    return [network for network in networks if network.name not in known]
