"""Drugs and what they act on: the table of the package, and those of users.

A table has a header, and is separated by commas, semicolons or tabs: `drug` and `target` (HGNC
symbols separated by `|`, or the name of a family, such as MEK), and optionally `strength` (in
[0, 1], 0.9 where empty), `kind` (one of `PERTURBATION_KINDS`, inhibition where empty), `aliases`
(separated by `|`) and `source`. A drug has one row, or one for each target.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ...common.errors import FormatError
from ...common.files import read_text, write_text
from ...model.conditions import PERTURBATION_KINDS, Perturbation
from ...model.error_base import did_you_mean
from ...model.vocabulary import Vocabulary
from ..names import meaning_of
from ..tables import PathLike, number_of, rows_of, text_of
from .readout_names import guess_readouts

SHIPPED = Path(__file__).parents[2] / "networks" / "drug_targets.tsv"
STRENGTH, KIND = 0.9, "inhibition"

_INHIBITOR = re.compile(r"(?P<target>.+?)(?:[-_ ]?(?:inhibitor|inhib|inh)|[-_]?i)(?:-.+)?")
_RAPAMYCIN = re.compile(r"(mtor(?:c1)?)[-_ ]?rap", re.IGNORECASE)


@dataclass(frozen=True)
class DrugTarget:
    """What a drug does to one gene's product; see `Perturbation` for kind and strength."""

    gene: str
    strength: float = STRENGTH
    kind: str = KIND


@dataclass(frozen=True)
class DrugTable:
    """Drugs by their proper names.

    Attributes:
        targets: what each drug does.
        names: the proper name of each drug, by the key of it and of its other names.
        sources: where it says so, by proper name, where a source is given.
    """

    targets: Mapping[str, tuple[DrugTarget, ...]]
    names: Mapping[str, str]
    sources: Mapping[str, str] = field(default_factory=dict)

    def find(self, name: str) -> tuple[str, tuple[DrugTarget, ...]] | None:
        """The proper name and the targets of a drug, or None.

        Names and aliases are compared without case, blanks, hyphens and underscores.
        """
        proper = self.names.get(key_of_drug(name))
        return None if proper is None else (proper, self.targets[proper])

    def overlaid(self, other: DrugTable) -> DrugTable:
        """Both tables. A drug of `other` replaces each of this one that shares a name with it, and
        is found under its names too."""
        replaced = {self.names[key]: name for key, name in other.names.items() if key in self.names}
        kept = {name: found for name, found in self.targets.items() if name not in replaced}
        names = {key: replaced.get(name, name) for key, name in self.names.items()}
        sources = {name: source for name, source in self.sources.items() if name in kept}
        return DrugTable(
            kept | dict(other.targets), names | dict(other.names), sources | dict(other.sources)
        )


def key_of_drug(name: str) -> str:
    """What is left of a name without case, blanks, hyphens and underscores."""
    return re.sub(r"[\s\-‐‑–_]", "", name).casefold()


def read_targets(path: PathLike) -> DrugTable:
    """Read a table of drugs.

    Raises:
        FormatError: a missing file or column, a row of another length, no rows, a drug without a
            target, a target that the package does not know, an unknown kind, a strength outside
            [0, 1], one target of a drug twice with different values, or one name of two drugs. The
            message names file and row.
    """
    return _read(path, read_text(path))


def write_targets(table: DrugTable, path: PathLike) -> None:
    """Write a comma-separated table that `read_targets` reads, a row for each drug and target.

    Raises:
        OSError: the file cannot be written.
    """
    aliases: dict[str, list[str]] = {}
    for key, drug in table.names.items():
        if key != key_of_drug(drug):
            aliases.setdefault(drug, []).append(key)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("drug", "target", "strength", "kind", "aliases", "source"))
    for drug, targets in table.targets.items():
        known = "|".join(aliases.get(drug, ())), table.sources.get(drug, "")
        writer.writerows((drug, t.gene, repr(t.strength), t.kind, *known) for t in targets)
    write_text(path, stream.getvalue())


@cache
def shipped_targets() -> DrugTable:
    """The drugs of the package, by their main targets."""
    lines = read_text(SHIPPED).splitlines(keepends=True)
    return _read(SHIPPED, "".join(line for line in lines if not line.startswith("#")))


def known_drugs(own: DrugTable | None) -> DrugTable:
    """The drugs of the package, and before them those of a table of one's own, if any."""
    return shipped_targets() if own is None else shipped_targets().overlaid(own)


def target_of_inhibitor_name(name: str) -> str | None:
    """The genes that an inhibitor named after its target inhibits, or None.

    `MEKi`, `MEK12i`, `MEK inhibitor` and `MEKi-trametinib` all give `MAP2K1|MAP2K2`; `mTORrapi` is
    rapamycin, which inhibits mTOR. It is a guess, as those of `guess_readouts`.
    """
    match = _INHIBITOR.fullmatch(name.strip())
    if match is None:
        return None
    target = _RAPAMYCIN.sub(r"\1", match["target"].strip())
    guess = guess_readouts([target])[target]
    # An inhibitor is named after a protein, not after one of its sites.
    return None if guess.sites or not guess.genes else "|".join(guess.genes)


def _read(path: PathLike, text: str) -> DrugTable:
    found: dict[str, dict[str, DrugTarget]] = {}
    names: dict[str, tuple[str, str]] = {}
    sources: dict[str, str] = {}
    optional = ("strength", "kind", "aliases", "source")
    for place, row in rows_of(path, ("drug", "target"), optional, text=text):
        drug = text_of(row, "drug", path, place)
        aliases = (alias.strip() for alias in row.get("aliases", "").split("|"))
        for name in (drug, *filter(None, aliases)):
            _claim(name, drug, names, path, place)
        targets = found.setdefault(drug, {})
        for target in _targets(row, path, place):
            if targets.setdefault(target.gene, target) != target:
                raise FormatError(
                    f"drug {drug!r} has the target {target.gene} in an earlier row with another "
                    "kind or strength; expected each target once",
                    path=path,
                    place=place,
                )
        if row.get("source"):
            sources.setdefault(drug, row["source"])
    if not found:
        raise FormatError("it holds no drugs", path=path)
    return DrugTable(
        {drug: tuple(targets.values()) for drug, targets in found.items()},
        {key: drug for key, (drug, _) in names.items()},
        sources,
    )


def _claim(
    name: str, drug: str, names: dict[str, tuple[str, str]], path: PathLike, place: str
) -> None:
    """Note that a name means a drug.

    Raises:
        FormatError: it is nothing but signs, or means another drug.
    """
    key = key_of_drug(name)
    if not key:
        raise FormatError(f"{name!r} is no name of a drug", path=path, place=place)
    before, where = names.setdefault(key, (drug, place))
    if before != drug:
        raise FormatError(
            f"the name {name!r} of drug {drug!r} is that of {before!r} in {where}; expected a "
            "name of one drug (case, blanks, hyphens and underscores do not count)",
            path=path,
            place=place,
        )


def _targets(row: Mapping[str, str], path: PathLike, place: str) -> list[DrugTarget]:
    drug, kind = row["drug"], row.get("kind") or KIND
    if kind not in PERTURBATION_KINDS:
        raise FormatError(
            f"kind is {kind!r}; expected one of {', '.join(PERTURBATION_KINDS)}"
            + did_you_mean(kind, PERTURBATION_KINDS),
            path=path,
            place=place,
        )
    strength = 1.0 if kind == "knockout" else STRENGTH
    if row.get("strength"):
        strength = number_of(row, "strength", path, place)
    targets = [target.strip() for target in row["target"].split("|") if target.strip()]
    if not targets:
        raise FormatError(
            f"drug {drug!r} has no target; expected HGNC symbols separated by '|', or a family",
            path=path,
            place=place,
        )
    genes = dict.fromkeys(gene for target in targets for gene in _genes(target, drug, path, place))
    try:
        for gene in genes:
            Perturbation(gene, kind, strength)
    except ValueError as error:
        raise FormatError(str(error), path=path, place=place) from None
    return [DrugTarget(gene, strength, kind) for gene in genes]


def _genes(target: str, drug: str, path: PathLike, place: str) -> tuple[str, ...]:
    """The genes that a target means: one, or those of a family."""
    genes = meaning_of(target).members
    if not genes:
        raise FormatError(
            f"drug {drug!r}: the target {target!r} is not known; expected HGNC symbols separated "
            f"by '|', or a family{did_you_mean(target, Vocabulary.shipped().index)}",
            path=path,
            place=place,
        )
    return genes
