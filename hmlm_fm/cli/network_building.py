"""What `hmlm network` does: a network for measurements that have none."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..common.errors import FormatError, OptionsError
from ..common.files import check_output_files, refuse_to_overwrite, write_text
from ..common.words import counted
from ..corpora.connecting import Connection, connect
from ..corpora.layout import corpus_folders
from ..formats.json_format import network_to_json
from ..formats.measured.drug_targets import read_targets
from ..formats.measured.measured_set import MeasuredSet
from ..formats.measured.midas import is_midas, read_midas_sets
from ..formats.measured.readout_tables import Readout, read_readouts
from ..formats.measured.set_folder import read_measured_set
from ..formats.measured.set_tables import read_treatments
from ..formats.measured.treated_genes import TreatedGenes, treated_genes
from ..model.error_base import listed, quoted
from ..model.network import SignalingNetwork
from .command_options import NetworkOptions
from .condition_arguments import load_networks, own_files

EVIDENCE_COLUMNS = (
    *("source", "target", "sign", "kind", "corpus", "network"),
    *("stated_sign", "rule", "pathways", "reference"),
)


def run_network(options: NetworkOptions) -> None:
    """Connect what was treated to what was measured, write the requested files, and say what was
    found and what was not.

    Raises:
        FormatError: a file cannot be read or must not be written, or nothing is connected.
        OptionsError: a file that is needed is not named, or a number is too small.
        OSError: a file cannot be written.
    """
    if options.conditions is None or options.out is None:
        missing = "out" if options.out is None else "conditions"
        raise OptionsError(f"--{missing} is missing; expected --conditions and --out")
    if options.steps < 1 or options.longer < 0:
        raise OptionsError(
            f"--steps is {options.steps}, --longer is {options.longer}; expected at least 1 and 0"
        )
    sources = options.source or ["core"]
    evidence = evidence_file(options.out)
    _check_files(options, sources, evidence)
    treated, readouts = _treated_and_measured(options.conditions, options.readouts, options.targets)
    measured = {name: readout.genes for name, readout in readouts.items() if readout.genes}
    if not measured:
        path = options.readouts or options.conditions
        raise FormatError("no readout has a gene; expected some in genes", path=path)
    networks = networks_of(sources)
    connection = connect(
        treated.genes,
        measured,
        networks,
        options.steps,
        options.longer,
        stimuli=treated.stimuli,
        unsigned=options.unsigned,
        alike_as_one=not options.every_gene,
        name=options.out.stem,
    )
    for line in (
        *_about_sources(networks),
        *_about_ends(treated, readouts, connection),
        *_about_paths(connection, options.steps),
        *_about_signs(connection),
    ):
        print(line)
    if not connection.edges:
        raise FormatError(_nothing_connected(connection, options.steps), path=options.conditions)
    write_text(evidence, evidence_table(connection))
    write_text(options.out, network_to_json(connection.network))
    print(f"{options.out}: {_size(connection.network)}")
    print(f"{evidence}: who states each interaction")
    if options.plot is not None:
        from ..inference.network_figure import draw_network  # matplotlib takes its time

        draw_network(
            connection.network,
            options.plot,
            treated=set(connection.molecule_of_treatment.values()),
            measured=set(connection.molecule_of_readout.values()),
        )
        print(f"{options.plot}: drawn")


def _treated_and_measured(
    conditions: Path, readouts: Path | None, targets: Path | None
) -> tuple[TreatedGenes, dict[str, Readout]]:
    """The genes of what was treated, and what readouts measure.

    Raises:
        FormatError: a file cannot be read, or nothing was done to a known gene.
        OptionsError: nothing states what readouts measure.
    """
    sets: tuple[MeasuredSet, ...] = ()
    if conditions.is_dir():
        sets = (read_measured_set(conditions),)
    elif is_midas(conditions):
        sets = read_midas_sets(conditions)
    by_condition = [one.conditions for one in sets] or [read_treatments(conditions)]
    table = next((one.targets for one in sets if one.targets is not None), None)
    if targets is not None:
        own = read_targets(targets)
        table = own if table is None else table.overlaid(own)
    done = [t for every in by_condition for of_one in every.values() for t in of_one]
    stated = {name: readout for one in sets for name, readout in one.readouts.items()}
    if readouts is not None:
        stated |= read_readouts(readouts)
    if not stated:
        raise OptionsError(
            f"{conditions} does not state what readouts measure; expected --readouts, a table with "
            "columns readout and genes"
        )
    return treated_genes(done, conditions, table), stated


def evidence_file(network: Path) -> Path:
    """The table of evidence beside a network's file."""
    return network.with_name(f"{network.stem}-evidence.csv")


def networks_of(sources: Sequence[str]) -> list[tuple[str, SignalingNetwork]]:
    """The networks of sources, each with the name of its corpus; a folder may hold several corpora.

    Raises:
        FormatError: one cannot be read.
        OptionsError: two corpora have one name.
    """
    networks: list[tuple[str, SignalingNetwork]] = []
    folder_of: dict[str, str] = {}
    for source in sources:
        within = corpus_folders(Path(source)) if own_files(source) else []
        for folder in [str(path) for path in within] or [source]:
            name = Path(folder).resolve().name if own_files(folder) else folder
            if name in folder_of:
                raise OptionsError(
                    f"the sources {folder_of[name]} and {folder} both have the name {name!r}; "
                    "expected each corpus once, in folders of different names"
                )
            folder_of[name] = folder
            networks += [(name, network) for network in load_networks(folder)]
    return networks


def evidence_table(connection: Connection) -> str:
    """Who states each interaction of a network, and who states the other sign, as a table.

    Each row is one network of one corpus that states an interaction: `sign` is that of the result,
    `stated_sign` that of the network, `rule` the interaction as it stands there.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(EVIDENCE_COLUMNS)
    for edge in connection.edges:
        for e in (*edge.evidence, *edge.contrary):
            stated = (e.kind, e.corpus, e.network, e.sign, e.rule, "|".join(e.pathways))
            writer.writerow((edge.source, edge.target, edge.sign, *stated, e.reference))
    return text.getvalue()


def _check_files(options: NetworkOptions, sources: Sequence[str], evidence: Path) -> None:
    """Refuse files that cannot or must not be written, before anything is read."""
    tables = (options.readouts, options.conditions, options.targets)
    inputs = [table for table in tables if table is not None]
    inputs += [folder for source in sources for folder in own_files(source)]
    assert options.out is not None
    if options.out.suffix.lower() != ".json":
        raise FormatError("a network is written as JSON; expected .json", path=options.out)
    check_output_files(options.out, options.plot, inputs, options.force)
    refuse_to_overwrite(evidence, inputs, options.force)


# -- what is printed ----------------------------------------------------------------------------


def _about_sources(networks: Sequence[tuple[str, SignalingNetwork]]) -> Iterator[str]:
    for corpus, count in Counter(corpus for corpus, _ in networks).items():
        yield f"source {corpus}: {counted(count, 'network')}"


def _about_ends(
    treated: TreatedGenes, readouts: Mapping[str, Readout], connection: Connection
) -> Iterator[str]:
    others = len(treated.genes) - len(treated.stimuli)
    measured = set(connection.molecule_of_readout.values())
    yield (
        f"treated: {_counted(len(treated.stimuli), 'stimulus', 'stimuli')}, "
        f"{counted(others, 'other molecule')}; measured: "
        f"{counted(len(connection.molecule_of_readout), 'readout')} of "
        f"{counted(len(measured), 'molecule')}"
    )
    for drug, genes in treated.drugs.items():
        yield f"drug {drug} acts on {listed(genes)}"
    for name in treated.guessed:
        yield f"taken for: {name!r} is {listed(treated.genes[name])}, by its spelling"
    for name, advice in treated.without_genes.items():
        yield f"not used: {name!r} has no gene; {advice}"
    without = [name for name, readout in readouts.items() if not readout.genes]
    if without:
        yield f"not used: readout {quoted(without)} has no gene in the table"
    ends = {*connection.molecule_of_treatment.values(), *measured}
    for molecule in connection.network.molecules:
        if len(molecule.members) > 1:
            why = "" if molecule.name in ends else ", which no source tells apart"
            yield f"one molecule: {molecule.name} is {listed(molecule.members)}{why}"


def _about_paths(connection: Connection, most_steps: int) -> Iterator[str]:
    names = connection.molecule_of_readout
    reached = len(names) - len(connection.unreached)
    yield f"reached: {reached} of {counted(len(names), 'readout')}, in at most {most_steps} steps"
    steps = Counter(pair.steps for pair in connection.readouts)
    if steps:
        told = ", ".join(f"{counted(n, 'step')}: {steps[n]}" for n in sorted(steps) if n)
        same = f"; {steps[0]} of one molecule with itself" if steps[0] else ""
        mixed = sum(len(pair.signs) > 1 for pair in connection.readouts)
        yield f"paths of {counted(sum(steps.values()), 'pair')}: {told or 'none'}{same}"
        if mixed:
            yield f"of both signs: the shortest paths of {counted(mixed, 'pair')}"
    for name, fewest in connection.unreached.items():
        yield f"not reached: readout {name!r} ({names[name]}); {_further(fewest)}"
    for name, fewest in connection.reaching_nothing.items():
        yield f"reaches no readout: {name!r}; {_further(fewest)}"


def _about_signs(connection: Connection) -> Iterator[str]:
    edges, left = connection.edges, connection.left_out
    by_one = sum(len(edge.evidence) == 1 for edge in edges)
    yield (
        f"interactions: {len(edges)}, of which one network alone states {by_one}; in "
        f"{len(connection.in_conflict)} the sources differ in sign, and most decided"
    )
    undecided = [f"{source} to {target}" for source, target in left.undecided]
    yield (
        f"of {connection.statements} statements of the sources, not used: {left.without_sign} of "
        f"unknown sign, {left.without_genes} of what has no gene, {left.within_one} within one "
        f"molecule, {left.too_large} of large families"
    )
    if undecided:
        yield f"not used, as much evidence is for either sign: {listed(undecided)}"


def _further(fewest: int | None) -> str:
    return "no path leads there" if fewest is None else f"--steps {fewest} would find a path"


def _nothing_connected(connection: Connection, most_steps: int) -> str:
    found = [n for n in connection.unreached.values() if n is not None]
    hint = f"; --steps {min(found)} would find the first" if found else ""
    return (
        f"no path of at most {counted(most_steps, 'step')} leads from what was treated to any of "
        f"{counted(len(connection.molecule_of_readout), 'readout')}{hint}; nothing was written"
    )


def _size(network: SignalingNetwork) -> str:
    return (
        f"{counted(len(network.molecules), 'molecule')}, "
        f"{counted(len(network.interactions), 'interaction')} of which "
        f"{counted(len(network.inputs), 'input')}, {counted(len(network.pathways), 'pathway')}"
    )


def _counted(size: int, one: str, several: str) -> str:
    return f"{size} {one if size == 1 else several}"
