"""`hmlm corpus build`: a pretraining corpus from a pathway source."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from ..common.words import by_comma
from ..corpora.build import (
    BuildError,
    check_new,
    folders_of_all,
    harvest_from_service,
    identifiers_of,
    write_all,
    write_corpus,
)
from ..corpora.client import ClientSettings
from ..corpora.corpus_card import CardFacts
from ..corpora.corpus_statistics import statistics_table
from ..corpora.records import Harvest
from ..corpora.sources.known_sources import SOURCES, Query
from .plain_arguments import PlainParser, exit_code

COMMAND = "python corpora/build.py"
"""How cards state the command that made a corpus, whichever entry was used."""

INCOMPLETE = 3
OF_SERVICE = {"reactome": "species", "kegg": "organism"}
"""Sources with a service, and the option that names the organism there."""
LISTED = 20
MEASURED = "measured"
"""Measurements, which are no source of networks."""


def build(arguments: list[str]) -> int:
    """Build a corpus from a pathway source: from its service, or from files on disk.

    Returns:
        The exit code: 0 the corpus is complete, 2 bad input, 3 something is missing (it is listed,
        and the same command resumes where it stopped), 130 stopped.
    """
    return exit_code(lambda: _build(parse(arguments)), "replies that came are in the cache")


def _build(options: argparse.Namespace) -> int:
    check_new(options.out)
    refuse_ignored(options)
    if options.source == MEASURED:
        from .measured_build import build_measured

        with bar_of(MEASURED) as bar:
            build_measured(options, f"{COMMAND} {stated_options(options)}", progress_on(bar))
        return 0
    harvests = harvest(options)
    missing = [problem for found in harvests.values() for problem in found.missing]
    for problem in missing[:LISTED]:
        print(f"missing {problem.location}: {problem.reason}", file=sys.stderr)
    if len(missing) > LISTED:
        print(f"… and {len(missing) - LISTED} more", file=sys.stderr)
    if missing and not options.allow_incomplete:
        print(
            f"{len(missing)} replies are missing and nothing was written; the same command "
            "resumes from the cache, and --allow-incomplete writes what there is",
            file=sys.stderr,
        )
        return INCOMPLETE
    command = f"{COMMAND} {stated_options(options)}"
    if options.source == "all":
        facts = write_all(options.out, harvests, options.seed, command)
    else:
        source, found = SOURCES[options.source], harvests[options.source]
        facts = [write_corpus(options.out, source, found, options.seed, command)]
    report(facts, list(harvests), options.out)
    return INCOMPLETE if missing else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """
    Raises:
        OptionsError: an unknown option or source, or a missing one.
    """
    parser = PlainParser(
        "hmlm corpus build",
        "Build a pretraining corpus from a pathway source: from its service, or from files on\n"
        "disk: a folder that `datasets.load_dataset` opens and that `hmlm pretrain` trains on.\n\n"
        f"sources: {', '.join(SOURCES)}, or all, which takes a folder with a folder for each\n"
        f"or {MEASURED}: a corpus of measured sets, from a folder (--from-dir) of measurements as\n"
        "they are published, which `hmlm benchmark real` reads\n\n"
        "exit codes: 0 complete, 2 bad input, 3 something is missing (it is listed, and the same\n"
        "command resumes where it stopped), 130 stopped",
        "core --out core-corpus",
    )
    parser.add_argument("source", choices=[*SOURCES, "all", MEASURED], metavar="SOURCE")
    parser.add_argument("--out", type=Path, required=True, help="folder to make; new or empty")
    parser.add_argument("--from-dir", type=Path, help="folder with files of the source")
    parser.add_argument(
        "--mapping",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="tab-separated table of identifiers: uniprot, entrez, ensembl … and symbol or chebi",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the split (default: 0)")
    live = parser.add_argument_group("from the service")
    live.add_argument("--species", default="9606", help="Reactome: name or taxon id")
    live.add_argument("--organism", default="hsa", help="KEGG: code of the organism")
    live.add_argument("--pathways", default="", help="ids, separated by commas; default: all")
    live.add_argument("--cache", type=Path, help="folder for replies; default: in the user's cache")
    live.add_argument("--offline", action="store_true", help="use the cache alone")
    live.add_argument("--service-url", default="", help="of a mirror of the service")
    live.add_argument("--timeout", type=float, default=60.0, help="seconds for one reply")
    live.add_argument("--attempts", type=int, default=6, help="for one reply")
    live.add_argument(
        "--allow-incomplete",
        action="store_true",
        help="write what there is, with what is missing in the card; the exit code stays 3",
    )
    return parser.parse_args(arguments)


def refuse_ignored(options: argparse.Namespace) -> None:
    """Refuse options that would change nothing: a user who gives one expects a difference.

    Raises:
        BuildError: one is not for this source, or for a service where files are read.
    """
    used: tuple[str, ...] = ()
    if options.from_dir is None and options.source in OF_SERVICE:
        used = (OF_SERVICE[options.source], "pathways", "service_url")
    usual = parse([options.source, "--out", str(options.out)])
    for name in ("species", "organism", "pathways", "service_url"):
        if name not in used and getattr(options, name) != getattr(usual, name):
            raise BuildError(
                f"--{name.replace('_', '-')} {getattr(options, name)} changes nothing about "
                f"{options.source}{' from files' if options.from_dir else ''}; leave it out"
            )
    if options.source == MEASURED and options.mapping:
        raise BuildError(f"--mapping changes nothing about {MEASURED}; leave it out")


def harvest(options: argparse.Namespace) -> dict[str, Harvest]:
    """What every requested source gives.

    Raises:
        BuildError: a source without a folder that needs one, or without its client.
        FormatError: a folder or a table of identifiers cannot be read.
    """
    source, folder = options.source, options.from_dir
    has_folders = source == "all" or bool(SOURCES[source].folders)
    if source == "all" and folder is None:
        raise BuildError("all: expected --from-dir, a folder with a folder for each source")
    if has_folders and folder is None:
        return {source: _from_service(options)}
    if source == "all":
        folders = folders_of_all(folder)
    else:
        folders = {source: folder if has_folders else Path()}
    identifiers = identifiers_of(options.mapping, folder if has_folders else None)
    harvests = {}
    for name, own_folder in folders.items():
        started = time.perf_counter()
        with bar_of(name) as bar:
            harvests[name] = SOURCES[name].read(own_folder, identifiers, progress_on(bar))
        seconds = time.perf_counter() - started
        print(f"{name}: {len(harvests[name].records)} networks in {seconds:.0f} s", flush=True)
    return harvests


def _from_service(options: argparse.Namespace) -> Harvest:
    settings = ClientSettings(
        cache=options.cache,
        offline=options.offline,
        url=options.service_url,
        timeout_seconds=options.timeout,
        attempts=options.attempts,
    )
    query = Query(
        options.species,
        options.organism,
        tuple(by_comma(options.pathways)),
    )
    with bar_of(options.source) as bar:
        return harvest_from_service(
            SOURCES[options.source],
            query,
            settings,
            identifiers_of(options.mapping),
            progress_on(bar),
        )


def report(facts: list[CardFacts], names: list[str], out: Path) -> None:
    """Print what was built."""
    rows = ((name, f.statistics) for name, f in zip(names, facts, strict=True))
    print("\n".join(statistics_table(rows)))
    for name, f in zip(names, facts, strict=True):
        sides = ", ".join(f"{len(networks)} {side}" for side, networks in f.sides.items())
        print(
            f"{name}: {sides}; not read {len(f.harvest.skipped)}, odd {len(f.harvest.warnings)}, "
            f"missing {len(f.harvest.missing)}"
        )
        for problem in f.harvest.skipped[:3]:
            print(f"  skipped {problem.location}: {problem.reason}")
        if not f.may_be_shared:
            print(f"  {f.licence}: do not pass this corpus on")
    print(f"the corpus is in {out}; see its README.md, and reports/ for all names and files")


def stated_options(options: argparse.Namespace) -> str:
    """The options without folders of this machine, so that the same inputs give the same card."""
    parts = [options.source]
    if options.from_dir is not None:
        parts += ["--from-dir", options.from_dir.name or "."]
    elif options.source in OF_SERVICE:
        name = OF_SERVICE[options.source]
        parts += [f"--{name}", getattr(options, name)]
        parts += ["--pathways", options.pathways] if options.pathways else []
    for table in options.mapping:
        parts += ["--mapping", table.name]
    return shlex.join([*parts, "--seed", str(options.seed)])


def bar_of(name: str) -> tqdm:
    return tqdm(desc=name, unit="file", disable=not sys.stderr.isatty(), leave=False)


def progress_on(bar: tqdm) -> Callable[[str], None]:
    def progress(location: str) -> None:
        bar.set_postfix_str(location[-40:])
        bar.update()

    return progress
