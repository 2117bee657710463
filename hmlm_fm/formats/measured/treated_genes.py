"""The genes of what was done in conditions: of stimuli, of perturbed molecules, and of drugs.

Names of stimuli and perturbed molecules mean what `meaning_of` says, and failing that what the name
of a probe would probably mean, which is told as a guess. A drug is known by its name, and acts on
the targets that a table states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from ...common.errors import FormatError
from ..names import meaning_of
from ..tables import PathLike
from .drug_targets import DrugTable, known_drugs, target_of_inhibitor_name
from .measured_set import DRUG, STIMULUS, Treatment
from .readout_names import guess_readouts


@dataclass(frozen=True)
class TreatedGenes:
    """What was treated, as genes.

    Attributes:
        genes: by the name of a stimulus or perturbed molecule, or by the symbol of a drug's target.
        stimuli: those of the names that were added.
        drugs: the symbols that each drug acts on, by its name in the table.
        guessed: those of the names whose genes are a guess.
        without_genes: names that stand for nothing known, each with what to do about it.
    """

    genes: Mapping[str, tuple[str, ...]]
    stimuli: frozenset[str]
    drugs: Mapping[str, tuple[str, ...]]
    guessed: tuple[str, ...]
    without_genes: Mapping[str, str]


@cache
def genes_of_name(name: str) -> tuple[str, ...]:
    """What a stimulus or perturbed molecule is made of, or probably is; nothing where unknown."""
    return meaning_of(name).members or guess_readouts([name])[name].genes


def treated_genes(
    treatments: Iterable[Treatment], path: PathLike, targets: DrugTable | None = None
) -> TreatedGenes:
    """The genes of what was done.

    Args:
        treatments: of all conditions; a dose, level or strength of 0 does nothing.
        path: what they were read from, for messages.
        targets: of drugs, beside those that the package knows, and before them.

    Raises:
        FormatError: nothing was done, or nothing to a known gene.
    """
    known = known_drugs(targets)
    genes: dict[str, tuple[str, ...]] = {}
    stimuli: set[str] = set()
    drugs: dict[str, tuple[str, ...]] = {}
    guessed: list[str] = []
    without: dict[str, str] = {}
    # A clamp at 0 is no small one: it holds the molecule off.
    done = dict.fromkeys((t.kind, t.name) for t in treatments if t.value or t.kind == "clamp")
    for kind, name in done:
        if kind == DRUG:
            found = known.find(name)
            if found is None:
                without[name] = _about_drug(name)
            else:
                drugs[name] = tuple(dict.fromkeys(target.gene for target in found[1]))
                genes |= {gene: (gene,) for gene in drugs[name]}
            continue
        meaning = meaning_of(name)
        members = genes_of_name(name)
        if kind != STIMULUS and meaning.kind in ("small molecule", "unknown") and known.find(name):
            members = ()
        elif members and not meaning.members:
            guessed.append(name)
        if not members:
            without[name] = _about_molecule(name, kind, known)
            continue
        genes[name] = members
        if kind == STIMULUS:
            stimuli.add(name)
    if not genes:
        raise FormatError(_nothing(without), path=path)
    return TreatedGenes(genes, frozenset(stimuli), drugs, tuple(dict.fromkeys(guessed)), without)


def _nothing(without: Mapping[str, str]) -> str:
    for name, advice in without.items():
        return f"nothing that it does is done to a known gene; of {name!r}, {advice}"
    return "it does nothing in any condition; expected stimuli, perturbations or drugs"


def _about_drug(name: str) -> str:
    guess = target_of_inhibitor_name(name)
    hint = f" (its name suggests {guess})" if guess else ""
    return f"expected it in a table of drugs, --targets, with columns drug and target{hint}"


def _about_molecule(name: str, kind: str, known: DrugTable) -> str:
    if kind != STIMULUS and (known.find(name) or target_of_inhibitor_name(name)):
        return "expected the kind drug, if it is one, or the symbol of what it acts on"
    return "expected an HGNC symbol, a known other name of a gene, or the name of a family"
