"""What a corpus holds, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ..formats.identifiers import is_mapped
from ..model.network import SignalingNetwork


@dataclass(frozen=True)
class Statistics:
    """Counts over networks.

    Attributes:
        networks, molecules, interactions: how many; inputs count as interactions.
        signed: share of the sources of interactions whose sign is known, in [0, 1].
        logic_known: networks whose source states how interactions combine.
        named: share of the molecules with at least one member in the vocabulary, in [0, 1].
        identifiers, mapped: distinct members, and those of them in the vocabulary.
    """

    networks: int
    molecules: int
    interactions: int
    signed: float
    logic_known: int
    named: float
    identifiers: int
    mapped: int


def statistics_of(networks: Iterable[SignalingNetwork]) -> Statistics:
    """Count what networks hold."""
    networks = list(networks)
    molecules = [m for network in networks for m in network.molecules]
    signs = [s for n in networks for i in n.interactions for s in i.signs]
    members = {member for molecule in molecules for member in molecule.members}
    return Statistics(
        networks=len(networks),
        molecules=len(molecules),
        interactions=sum(len(n.interactions) for n in networks),
        signed=sum(s != 0 for s in signs) / max(1, len(signs)),
        logic_known=sum(n.logic_known for n in networks),
        named=sum(any(map(is_mapped, m.members)) for m in molecules) / max(1, len(molecules)),
        identifiers=len(members),
        mapped=sum(map(is_mapped, members)),
    )


def unmapped_names(networks: Iterable[SignalingNetwork]) -> list[tuple[str, int]]:
    """Members and names that the vocabulary has not, with the number of networks; most first."""
    count: Counter[str] = Counter()
    for network in networks:
        unknown = {
            name
            for molecule in network.molecules
            for name in molecule.members or (molecule.name,)
            if not is_mapped(name)
        }
        count.update(unknown)
    return sorted(count.items(), key=lambda item: (-item[1], item[0]))


HEADS = (
    "source",
    "networks",
    "molecules",
    "interactions",
    "signs known",
    "logic known",
    "molecules named",
    "identifiers mapped",
)


def statistics_table(rows: Iterable[tuple[str, Statistics]]) -> list[str]:
    """A Markdown table, one source a row."""
    lines = [f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|"]
    for name, s in rows:
        cells = (
            name,
            f"{s.networks:,}",
            f"{s.molecules:,}",
            f"{s.interactions:,}",
            f"{s.signed:.0%}",
            f"{s.logic_known:,}",
            f"{s.named:.0%}",
            f"{s.mapped:,} of {s.identifiers:,}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines
