"""What `hmlm readouts` does: drafts of the tables that say what readouts measure, and what drugs
act on, for a user to check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..common.errors import OptionsError
from ..common.files import check_output_files
from ..common.words import counted
from ..formats.identifiers import Identifiers
from ..formats.measured.drug_targets import (
    DrugTable,
    DrugTarget,
    key_of_drug,
    known_drugs,
    target_of_inhibitor_name,
    write_targets,
)
from ..formats.measured.measured_set import DRUG, MeasuredSet, Treatment
from ..formats.measured.readout_names import ReadoutGuess, guess_readouts
from ..formats.measured.readout_tables import read_orthologues, write_guesses
from ..formats.measured.set_folder import READOUTS_FILE, TARGETS_FILE
from ..formats.measured.set_formats import SetOptions, read_sets
from ..model.error_base import listed, quoted
from .command_options import ReadoutsOptions

STATED, GUESSED = "stated", "guess by its name"


def run_readouts(options: ReadoutsOptions) -> None:
    """Write the tables, and print what is guessed, what is not, and what is to be done.

    Raises:
        FormatError: a file cannot be read or must not be written.
        OptionsError: both tables are to be one file.
        OSError: a file cannot be written.
    """
    _check_outputs(options)
    sets = read_sets(options.source, SetOptions(time_unit=options.time_unit))
    identifiers = Identifiers.from_tables(options.mapping) if options.mapping else None
    orthologues = read_orthologues(options.orthologues) if options.orthologues else None
    guesses = drafted_readouts(sets, identifiers, orthologues)
    drugs = drafted_drugs(sets)
    write_guesses(guesses, options.out)
    for line in readout_lines(guesses, options.out):
        print(line)
    for line in drug_lines(drugs):
        print(line)
    if options.targets_out is None:
        return
    if drugs.table.targets:
        write_targets(drugs.table, options.targets_out)
        count = counted(len(drugs.table.targets), "drug")
        print(f"{options.targets_out}: {count}, to be checked before it is used as --targets")
    else:
        print(f"{options.targets_out}: not written, for no drug has a target that is known")


def _check_outputs(options: ReadoutsOptions) -> None:
    read = [Path(options.source), *options.mapping]
    read += [options.orthologues] if options.orthologues else []
    targets = options.targets_out
    if targets is not None and targets.resolve() == options.out.resolve():
        raise OptionsError("--out and --targets-out are one file; expected two", path=targets)
    for path in filter(None, (options.out, targets)):
        # A draft may be the table of a set's own folder, and none of its other files.
        is_own = path.name in (READOUTS_FILE, TARGETS_FILE)
        is_own &= path.resolve().parent == Path(options.source).resolve()
        check_output_files(path, None, read[1:] if is_own else read, options.force)


# -- readouts -----------------------------------------------------------------------------------


def drafted_readouts(
    sets: Sequence[MeasuredSet],
    identifiers: Identifiers | None = None,
    orthologues: Mapping[str, str] | None = None,
) -> dict[str, ReadoutGuess]:
    """What readouts of sets measure: as a set states it, else guessed, in the order of the sets."""
    names = dict.fromkeys(name for one in sets for name in one.readout_names)
    stated = {name: readout for one in sets for name, readout in one.readouts.items()}
    guessed = guess_readouts([n for n in names if n not in stated], identifiers, orthologues)
    for name, readout in stated.items():
        guessed[name] = ReadoutGuess(readout.genes, readout.sites, readout.modality, STATED)
    return {name: guessed[name] for name in names}


def readout_lines(guesses: Mapping[str, ReadoutGuess], out: Path) -> Iterator[str]:
    """What is to be said of a draft of readouts."""
    stated = [name for name, guess in guesses.items() if guess.how == STATED]
    found = [name for name, guess in guesses.items() if guess.genes and guess.how != STATED]
    without = [name for name, guess in guesses.items() if not guess.genes and guess.how != STATED]
    yield (
        f"{out}: {counted(len(guesses), 'readout')}, of which {len(found)} guessed, "
        f"{len(without)} not known" + (f", {len(stated)} as the set states them" if stated else "")
    )
    if without:
        yield f"not known: {listed(without)}"
    yield (
        "these are guesses by names: check each row, fill in the genes of what is not known, and "
        "use the table as --readouts"
    )


# -- drugs --------------------------------------------------------------------------------------


@dataclass
class DraftedDrugs:
    """What is known of drugs and inhibitors by their names.

    Attributes:
        known: drugs that a table has, by the names of the set, each with its proper name.
        guessed: genes of those that are named after what they inhibit.
        inhibited: molecules that the set says are inhibited, with their genes where those are
            known.
        missing: drugs that need a row in a table of targets.
        table: the known and the guessed.
    """

    known: dict[str, str] = field(default_factory=dict)
    guessed: dict[str, str] = field(default_factory=dict)
    inhibited: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    table: DrugTable = field(default_factory=lambda: DrugTable({}, {}))


def drafted_drugs(sets: Sequence[MeasuredSet]) -> DraftedDrugs:
    """What drugs of sets act on: by the tables of the sets, the shipped one, or their names."""
    found = DraftedDrugs()
    targets: dict[str, tuple[DrugTarget, ...]] = {}
    names: dict[str, str] = {}
    sources: dict[str, str] = {}
    for one in sets:
        table = known_drugs(one.targets)
        for name in _named(one.treatments, "inhibition"):
            found.inhibited.setdefault(name, target_of_inhibitor_name(f"{name}i") or "")
        for name in _named(one.treatments, DRUG):
            key = key_of_drug(name)
            if key in names or name in found.missing:
                continue
            known, guess = table.find(name), target_of_inhibitor_name(name)
            if known is not None:
                found.known[name], targets[name] = known
                sources[name] = table.sources.get(known[0], "")
            elif guess is not None and key:
                found.guessed[name] = guess
                targets[name] = tuple(DrugTarget(gene) for gene in guess.split("|"))
                sources[name] = GUESSED
            else:
                found.missing.append(name)
                continue
            names[key] = name
    found.table = DrugTable(targets, names, sources)
    return found


def _named(treatments: Iterable[Treatment], kind: str) -> list[str]:
    return list(dict.fromkeys(t.name for t in treatments if t.kind == kind))


def drug_lines(drugs: DraftedDrugs) -> Iterator[str]:
    """What is to be said of drugs, one a line."""
    for name, proper in drugs.known.items():
        also = "" if proper == name else f" ({proper})"
        genes = ", ".join(target.gene for target in drugs.table.targets[name])
        yield f"drug {name}{also}: {genes}"
    for name, genes in drugs.guessed.items():
        yield f"drug {name}: probably {genes.replace('|', ', ')}, by its name; check it"
    for name, genes in drugs.inhibited.items():
        words = "not known; it acts on the molecule of a network that is called so"
        if genes:
            words = f"probably {genes.replace('|', ', ')}, by its name; check it"
        yield f"inhibitor of {name}: {words}"
    if drugs.missing:
        yield f"drugs that need a row in a table --targets: {quoted(drugs.missing)}"
