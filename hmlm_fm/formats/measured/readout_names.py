"""What the names of antibodies and probes probably mean: genes, sites, phosphorylated or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..identifiers import Identifiers
from ..names import meaning_of


@dataclass(frozen=True)
class ReadoutGuess:
    """What a readout probably measures, for a user to check.

    Attributes:
        genes: HGNC symbols; none where there is no guess.
        sites: residues, such as S473.
        modality: one of `MODALITIES`, or empty where the name does not say.
        how: how the genes were found, in a word or two; empty where there are none.
    """

    genes: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    modality: str = ""
    how: str = ""


def guess_readouts(
    names: Iterable[str],
    identifiers: Identifiers | None = None,
    orthologues: Mapping[str, str] | None = None,
) -> dict[str, ReadoutGuess]:
    """A guess of what each name measures."""
    found = {}
    for name in names:
        genes = meaning_of(name).members
        found[name] = ReadoutGuess(genes, how="symbol" if genes else "")
    return found
