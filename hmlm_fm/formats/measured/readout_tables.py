"""Tables of readouts, which say what an antibody or a probe measures, and of orthologues.

Tables have a header, and are separated by commas, semicolons or tabs:

- readouts: `readout`, `genes`, and optionally `site` and `modality`. Several genes or sites are
  separated by `|`, `;` or `/`; a cell may also hold the name of a family, such as ERK. A readout
  without genes was measured, but is no molecule, such as a phenotype.
- orthologues: `symbol` and `human`, the HGNC symbol; a symbol in several rows has several.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...common.errors import FormatError, FormatWarning
from ...common.files import write_text
from ...model.conditions import MODALITIES
from ...model.error_base import did_you_mean, quoted
from ..names import meaning_of
from ..tables import PathLike, rows_of, text_of
from .readout_names import ReadoutGuess

COLUMNS = ("readout", "genes")
OPTIONAL_COLUMNS = ("site", "modality")
GUESS_COLUMN = "guess"

_SEPARATORS = re.compile(r"[|;/]")


@dataclass(frozen=True)
class Readout:
    """What a laboratory measures under one name.

    Attributes:
        name: as in the measured set.
        genes: HGNC symbols of what it detects; none where it is no molecule.
        sites: residues that it detects when they are modified, such as S473.
        modality: one of `MODALITIES`, or empty where it is not said.
    """

    name: str
    genes: tuple[str, ...]
    sites: tuple[str, ...] = ()
    modality: str = ""


def read_readouts(path: PathLike) -> dict[str, Readout]:
    """Read a table of readouts.

    Aliases and families become the symbols of their genes. One `FormatWarning` names the genes
    that the package's vocabulary has not; they stay as they are.

    Returns:
        Readouts by name, in the order of the table.

    Raises:
        FormatError: a missing file or column, a row of another length, no rows, an unknown
            modality, or a readout in two rows that differ. The message names file and row.
    """
    found: dict[str, tuple[Readout, str]] = {}
    unknown: dict[str, None] = {}
    for place, row in rows_of(path, COLUMNS, (*OPTIONAL_COLUMNS, GUESS_COLUMN)):
        name = text_of(row, "readout", path, place)
        modality = row.get("modality", "")
        if modality and modality not in MODALITIES:
            raise FormatError(
                f"modality is {modality!r}; expected one of {', '.join(MODALITIES)}, or nothing"
                + did_you_mean(modality, MODALITIES),
                path=path,
                place=place,
            )
        genes = _genes(row["genes"], unknown)
        readout = Readout(name, genes, _parts(row.get("site", "")), modality)
        before, where = found.setdefault(name, (readout, place))
        if before != readout:
            raise FormatError(
                f"readout {name!r} is in {where} with other genes, sites or modality; expected "
                "one row of each readout",
                path=path,
                place=place,
            )
    if not found:
        raise FormatError("it holds no readouts", path=path)
    if unknown:
        warnings.warn(
            f"{path}: the package's vocabulary has no gene {quoted(unknown)}; expected HGNC "
            "symbols",
            FormatWarning,
            stacklevel=2,
        )
    return {name: readout for name, (readout, _) in found.items()}


def write_guesses(guesses: Mapping[str, ReadoutGuess], path: PathLike) -> None:
    """Write guesses as a comma-separated table of readouts, for a user to check and correct.

    The column `guess` says how each was found; `read_readouts` does not need it.

    Raises:
        FormatError: there are none, or a name is blank, padded, or has a line break.
        OSError: the file cannot be written.
    """
    if not guesses:
        raise FormatError("there are no readouts to write", path=path)
    for name in guesses:
        if not name or name != name.strip() or "\n" in name or "\r" in name:
            raise FormatError(
                f"readout {name!r}: expected a name without line breaks and blanks around it",
                path=path,
            )
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow((*COLUMNS, *OPTIONAL_COLUMNS, GUESS_COLUMN))
    for name, guess in guesses.items():
        genes, sites = "|".join(guess.genes), "|".join(guess.sites)
        writer.writerow((name, genes, sites, guess.modality, guess.how))
    write_text(path, stream.getvalue())


def write_readouts(readouts: Iterable[Readout], path: PathLike) -> None:
    """Write a comma-separated table that `read_readouts` reads.

    Raises:
        OSError: the file cannot be written.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow((*COLUMNS, *OPTIONAL_COLUMNS))
    writer.writerows((r.name, "|".join(r.genes), "|".join(r.sites), r.modality) for r in readouts)
    write_text(path, stream.getvalue())


def read_orthologues(path: PathLike) -> dict[str, str]:
    """Read a table of orthologues.

    Returns:
        Human symbol by the other organism's symbol; several are joined by `|`.

    Raises:
        FormatError: a missing file or column, a row of another length, an empty cell, or no rows.
            The message names file and row.
    """
    human: dict[str, dict[str, None]] = {}
    for place, row in rows_of(path, ("symbol", "human")):
        symbol = text_of(row, "symbol", path, place)
        human.setdefault(symbol, {})[text_of(row, "human", path, place)] = None
    if not human:
        raise FormatError("it holds no orthologues", path=path)
    return {symbol: "|".join(found) for symbol, found in human.items()}


def _parts(cell: str) -> tuple[str, ...]:
    """What a cell lists, each once."""
    found: Iterable[str] = (part.strip() for part in _SEPARATORS.split(cell))
    return tuple(dict.fromkeys(part for part in found if part))


def _genes(cell: str, unknown: dict[str, None]) -> tuple[str, ...]:
    """The genes that a cell lists; those that are not known are added to `unknown`."""
    whole = meaning_of(cell).members  # a family may have one of the separators in its name
    if whole:
        return whole
    genes: dict[str, None] = {}
    for part in _parts(cell):
        members = meaning_of(part).members
        if not members:
            unknown[part] = None
        genes |= dict.fromkeys(members or (part,))
    return tuple(genes)
