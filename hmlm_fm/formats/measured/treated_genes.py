"""The genes of what a table of conditions says was done: of stimuli, perturbed molecules and drugs.

Of each row only what was done to what is read: the columns `kind` and `molecule`. Names of stimuli
and of perturbed molecules mean what `meaning_of` says; the kind `drug` is of something known by its
name, whose targets a table of drugs gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...common.errors import FormatError
from ...model.conditions import PERTURBATION_KINDS
from ...model.error_base import did_you_mean
from ..names import meaning_of
from ..tables import PathLike, rows_of, text_of
from .drug_targets import DrugTable, shipped_targets, target_of_inhibitor_name

STIMULUS, DRUG = "stimulus", "drug"
KINDS = (STIMULUS, *PERTURBATION_KINDS, DRUG)
COLUMNS = ("condition", "kind", "molecule")


@dataclass(frozen=True)
class TreatedGenes:
    """What was treated, as genes.

    Attributes:
        genes: by the name of a stimulus or perturbed molecule, or by the symbol of a drug's target.
        stimuli: those of the names that were added.
        drugs: the symbols that each drug acts on, by its name in the table.
        without_genes: names that stand for nothing known, each with what to do about it.
    """

    genes: Mapping[str, tuple[str, ...]]
    stimuli: frozenset[str]
    drugs: Mapping[str, tuple[str, ...]]
    without_genes: Mapping[str, str]


def read_treated_genes(path: PathLike, targets: DrugTable | None = None) -> TreatedGenes:
    """Read what was treated from a table of conditions.

    Args:
        path: the table.
        targets: of drugs, beside those that the package knows, and before them.

    Raises:
        FormatError: a missing file or column, a row of another length, an unknown kind, a kind
            without a molecule, nothing that was done, or nothing done to a known gene. The message
            names file and row.
    """
    known = shipped_targets().overlaid(targets) if targets else shipped_targets()
    genes: dict[str, tuple[str, ...]] = {}
    stimuli: set[str] = set()
    drugs: dict[str, tuple[str, ...]] = {}
    without: dict[str, str] = {}
    for kind, name in _done(path):
        if kind == DRUG:
            found = known.find(name)
            if found is None:
                without[name] = _about_drug(name)
            else:
                drugs[name] = tuple(dict.fromkeys(target.gene for target in found[1]))
                genes |= {gene: (gene,) for gene in drugs[name]}
            continue
        meaning = meaning_of(name)
        is_drug = meaning.kind == "small molecule" and kind != STIMULUS and known.find(name)
        if not meaning.members or is_drug:
            without[name] = _about_molecule(name, kind, known)
            continue
        genes[name] = meaning.members
        if kind == STIMULUS:
            stimuli.add(name)
    if not genes:
        first = next(iter(without), "")
        problem = (
            f"nothing that it does is done to a known gene; of {first!r}, {without[first]}"
            if without
            else "it does nothing in any condition; expected stimuli, perturbations or drugs"
        )
        raise FormatError(problem, path=path)
    return TreatedGenes(genes, frozenset(stimuli), drugs, without)


def _done(path: PathLike) -> list[tuple[str, str]]:
    """Kind and name of everything that is done, each once, as they come."""
    done: dict[tuple[str, str], None] = {}
    for place, row in rows_of(path, COLUMNS):
        if not row["kind"] and not row["molecule"]:
            continue  # a control
        if row["kind"] not in KINDS:
            raise FormatError(
                f"kind is {row['kind']!r}; expected one of {', '.join(KINDS)}"
                + did_you_mean(row["kind"], KINDS),
                path=path,
                place=place,
            )
        done[row["kind"], text_of(row, "molecule", path, place)] = None
    return list(done)


def _about_drug(name: str) -> str:
    guess = target_of_inhibitor_name(name)
    hint = f" (its name suggests {guess})" if guess else ""
    return f"expected it in a table of drugs, --targets, with columns drug and target{hint}"


def _about_molecule(name: str, kind: str, known: DrugTable) -> str:
    if kind != STIMULUS and (known.find(name) or target_of_inhibitor_name(name)):
        return "expected the kind drug, if it is one, or the symbol of what it acts on"
    return "expected an HGNC symbol, a known other name of a gene, or the name of a family"
