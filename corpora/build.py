"""Build a pretraining corpus from a pathway source: from its service, or from files on disk.

    python corpora/build.py reactome --out corpora-built/reactome
    python corpora/build.py kegg --out corpora-built/kegg --organism hsa
    python corpora/build.py boolean --out corpora-built/boolean --from-dir ../shared/data/boolean
    python corpora/build.py all --out corpora-built/all --from-dir ../shared/data

The corpus is a folder that `datasets.load_dataset` opens and that `pretrain/run.py --corpus`
trains on. Exit codes: 0 the corpus is complete, 2 bad input, 3 something is missing (it is listed,
and the same command goes on where it stopped), 130 stopped.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path

from tqdm import tqdm

from hmlm_fm.common.errors import FormatError
from hmlm_fm.corpora.build import (
    BuildError,
    check_new,
    folders_of_all,
    harvest_from_service,
    identifiers_of,
    write_all,
    write_corpus,
)
from hmlm_fm.corpora.card import CardFacts
from hmlm_fm.corpora.client import ClientSettings
from hmlm_fm.corpora.corpus_statistics import statistics_table
from hmlm_fm.corpora.records import Harvest
from hmlm_fm.corpora.sources import SOURCES, Query

INCOMPLETE = 3
OF_SERVICE = {"reactome": "species", "kegg": "organism"}
"""Sources with a service, and the option that names the organism there."""
LISTED = 20


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", choices=[*SOURCES, "all"], metavar="SOURCE")
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
    """Refuse options that would change nothing, for who gives them expects something of them.

    Raises:
        BuildError: one is not for this source, or for a service where files are read.
    """
    heeded: tuple[str, ...] = ()
    if options.from_dir is None and options.source in OF_SERVICE:
        heeded = (OF_SERVICE[options.source], "pathways", "service_url")
    usual = parse_arguments([options.source, "--out", str(options.out)])
    for name in ("species", "organism", "pathways", "service_url"):
        if name not in heeded and getattr(options, name) != getattr(usual, name):
            raise BuildError(
                f"--{name.replace('_', '-')} {getattr(options, name)} changes nothing about "
                f"{options.source}{' from files' if options.from_dir else ''}; leave it out"
            )


def harvest(options: argparse.Namespace) -> dict[str, Harvest]:
    """What every source that was asked for gives."""
    if options.source == "all":
        if options.from_dir is None:
            raise BuildError("all: expected --from-dir, a folder with a folder for each source")
        folders = folders_of_all(options.from_dir)
        identifiers = identifiers_of(options.mapping, options.from_dir)
    elif not SOURCES[options.source].folders:
        folders = {options.source: Path()}
        identifiers = identifiers_of(options.mapping)
    elif options.from_dir is not None:
        folders = {options.source: options.from_dir}
        identifiers = identifiers_of(options.mapping, options.from_dir)
    else:
        settings = ClientSettings(
            cache=options.cache,
            offline=options.offline,
            url=options.service_url,
            timeout_seconds=options.timeout,
            attempts=options.attempts,
        )
        wanted = [p.strip() for p in options.pathways.split(",") if p.strip()]
        query = Query(options.species, options.organism, tuple(wanted))
        with _bar(options.source) as bar:
            found = harvest_from_service(
                SOURCES[options.source],
                query,
                settings,
                identifiers_of(options.mapping),
                _shown(bar),
            )
        return {options.source: found}
    harvests = {}
    for name, folder in folders.items():
        started = time.perf_counter()
        with _bar(name) as bar:
            harvests[name] = SOURCES[name].read(folder, identifiers, _shown(bar))
        seconds = time.perf_counter() - started
        print(f"{name}: {len(harvests[name].records)} networks in {seconds:.0f} s", flush=True)
    return harvests


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


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    command = "python corpora/build.py " + _said(options)
    try:
        check_new(options.out)
        refuse_ignored(options)
        harvests = harvest(options)
        missing = [problem for h in harvests.values() for problem in h.missing]
        for problem in missing[:LISTED]:
            print(f"missing {problem.location}: {problem.reason}", file=sys.stderr)
        if len(missing) > LISTED:
            print(f"… and {len(missing) - LISTED} more", file=sys.stderr)
        if missing and not options.allow_incomplete:
            print(
                f"{len(missing)} replies are missing and nothing was written; the same command "
                "goes on from the cache, and --allow-incomplete writes what there is",
                file=sys.stderr,
            )
            return INCOMPLETE
        if options.source == "all":
            facts = write_all(options.out, harvests, options.seed, command)
        else:
            source, found = SOURCES[options.source], harvests[options.source]
            facts = [write_corpus(options.out, source, found, options.seed, command)]
        report(facts, list(harvests), options.out)
    except (BuildError, FormatError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; replies that came are in the cache", file=sys.stderr)
        return 130
    return INCOMPLETE if missing else 0


def _said(options: argparse.Namespace) -> str:
    """The command without folders of this machine, so that the same inputs give the same card."""
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


def _bar(name: str) -> tqdm:
    return tqdm(desc=name, unit="file", disable=not sys.stderr.isatty(), leave=False)


def _shown(bar: tqdm):  # type: ignore[no-untyped-def]
    def progress(location: str) -> None:
        bar.set_postfix_str(location[-40:])
        bar.update()

    return progress


if __name__ == "__main__":
    sys.exit(main())
