"""What a source hands to a corpus: networks with their provenance, or measured sets, and what could
not be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..formats.measured.measured_set import MeasuredSet
from ..model.network import SignalingNetwork


@dataclass(frozen=True)
class Provenance:
    """Where one network of a corpus is from.

    Attributes:
        corpus: the name of the source, such as `reactome`.
        location: the file, relative to the folder it was read from, or the address of the reply.
        sha256: of that file or reply.
        retrieved: when the reply came, as an ISO date and time; empty for files.
        release: of the database, where it is stated.
    """

    corpus: str
    location: str = ""
    sha256: str = ""
    retrieved: str = ""
    release: str = ""


@dataclass(frozen=True)
class Record:
    """One network of a corpus."""

    network: SignalingNetwork
    provenance: Provenance


@dataclass(frozen=True)
class Problem:
    """A file or reply that was skipped, is missing, or was odd but read."""

    location: str
    reason: str


@dataclass
class Harvest:
    """All that a source gave.

    Attributes:
        records: the networks, in the order of the source.
        skipped: files that are no networks or cannot be read, and networks left out on purpose.
        warnings: files that are odd but were read.
        missing: what a live source still owes; empty when the harvest is complete.
        release: of the database.
        licence: of the content.
        query: what was requested, in words.
    """

    records: list[Record] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    missing: list[Problem] = field(default_factory=list)
    release: str = ""
    licence: str = ""
    query: str = ""


@dataclass
class FoundSets:
    """Measured sets, and files that hold none or cannot be read.

    Attributes:
        sets: with names of their own.
        skipped: what cannot be read.
        warnings: what is odd but was read.
        others: files without measurements; networks, texts and code are not looked at.
    """

    sets: list[MeasuredSet] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    others: list[Problem] = field(default_factory=list)
