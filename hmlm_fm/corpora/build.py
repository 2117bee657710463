"""Builds corpora: harvests a source, splits it, and writes Parquet, card and reports.

A corpus appears whole or not at all.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ..common.errors import FormatError
from ..common.files import whole_folder, write_text
from ..formats.identifiers import Identifiers, is_mapping_table
from ..model.error_base import HMLMError
from ..model.network import SignalingNetwork
from .client import ClientSettings, ReplyError
from .corpus_card import CardFacts, header, write_card
from .corpus_statistics import statistics_table, unmapped_names
from .harvesting import files_below
from .parquet import write_side
from .records import Harvest, Record
from .relatives import SIDES, edge_overlap, member_overlap, relatives_by_overlap, split_protected
from .sources.known_sources import SOURCES, Progress, Query, Source

REPORTS_FOLDER = "reports"


class BuildError(HMLMError):
    """A corpus cannot be built as requested."""


def harvest_from_service(
    source: Source,
    query: Query,
    settings: ClientSettings,
    identifiers: Identifiers,
    progress: Progress,
) -> Harvest:
    """What a source gives from its service.

    Raises:
        BuildError: it has no service that is read, or the client for it is not installed.
    """
    if source.fetch is None:
        raise BuildError(f"{source.name}: expected --from-dir, a folder with its files")
    try:
        return source.fetch(query, settings, identifiers, progress)
    except ReplyError as error:
        raise BuildError(f"{source.name}: {error}") from None


def folders_of_all(parent: Path) -> dict[str, Path]:
    """Name of every source whose folder lies below `parent`, with the folder; `core` needs none.

    Raises:
        FormatError: none of them is there.
    """
    found = {}
    for source in SOURCES.values():
        for name in source.folders:
            if (parent / name).is_dir():
                found[source.name] = parent / name
                break
    if not found:
        wanted = ", ".join(name for s in SOURCES.values() for name in s.folders)
        raise FormatError(f"there is no folder of a source; expected some of {wanted}", path=parent)
    return {"core": parent, **found}


def identifiers_of(tables: Iterable[Path], parent: Path | None = None) -> Identifiers:
    """What identifiers mean by tables, those named first, then all below a folder.

    Raises:
        FormatError: a table is missing or damaged.
    """
    below = [p for p in files_below(parent) if is_mapping_table(p)] if parent else []
    return Identifiers.from_tables([*tables, *below])


def write_corpus(out: Path, source: Source, harvest: Harvest, seed: int, command: str) -> CardFacts:
    """Write the corpus of one source.

    Raises:
        BuildError: `out` holds files already, or the source gave no networks.
    """
    check_new(out)
    if not harvest.records:
        raise BuildError(_nothing_read(source.name, harvest))
    sides = split_protected([r.network for r in harvest.records], seed)
    with whole_folder(out) as folder:
        return _write(folder, source, harvest, sides, seed, command)


def write_all(
    out: Path, harvests: Mapping[str, Harvest], seed: int, command: str
) -> list[CardFacts]:
    """Write the corpora of several sources, split together, so that no relatives are parted.

    `out` holds a folder for each, and a card that opens them all or one by its name.

    Raises:
        BuildError: `out` holds files already, or a source gave no networks.
    """
    check_new(out)
    for name, harvest in harvests.items():
        if not harvest.records:
            raise BuildError(_nothing_read(name, harvest))
    harvests = _with_distinct_names(harvests)
    corpus_of = {r.network.name: name for name, h in harvests.items() for r in h.records}
    networks = [r.network for h in harvests.values() for r in h.records]
    sides = split_protected(networks, seed)
    facts = []
    with whole_folder(out) as folder:
        for name, harvest in harvests.items():
            own = {s: tuple(n for n in ns if corpus_of[n.name] == name) for s, ns in sides.items()}
            facts.append(
                _write(folder / name, SOURCES[name], harvest, own, seed, f"{command} # {name}")
            )
        write_table(
            folder / REPORTS_FOLDER / "relatives.tsv",
            ("one", "source", "other", "source", "shared members", "shared edges"),
            _relatives(networks, corpus_of),
        )
        write_text(folder / "README.md", _card_of_all(facts, list(harvests), command))
    return facts


def _with_distinct_names(harvests: Mapping[str, Harvest]) -> dict[str, Harvest]:
    """Networks of two sources that have one name get the source's name in front."""
    taken: set[str] = set()
    result = {}
    for name, harvest in harvests.items():
        records = []
        for record in harvest.records:
            network = record.network
            if network.name in taken:
                network = replace(
                    network, name=f"{name}/{network.name}", family=network.family_name
                )
            taken.add(network.name)
            records.append(Record(network, record.provenance))
        result[name] = replace(harvest, records=records)
    return result


def _write(
    folder: Path,
    source: Source,
    harvest: Harvest,
    sides: Mapping[str, Sequence[SignalingNetwork]],
    seed: int,
    command: str,
) -> CardFacts:
    record_of = {record.network.name: record for record in harvest.records}
    facts = CardFacts(
        source.title, source.licence, source.may_be_shared, command, harvest, sides, seed
    )
    for side in facts.used_sides:
        write_side(folder, side, [record_of[network.name] for network in sides[side]])
    reports = folder / REPORTS_FOLDER
    for name, problems in (
        ("skipped", harvest.skipped),
        ("warnings", harvest.warnings),
        ("missing", harvest.missing),
    ):
        write_table(
            reports / f"{name}.tsv",
            ("location", "reason"),
            [(p.location, p.reason) for p in problems],
        )
    write_table(
        reports / "unmapped.tsv",
        ("name", "networks"),
        unmapped_names(r.network for r in harvest.records),
    )
    summary = {
        "statistics": asdict(facts.statistics),
        "content_hash": facts.content_hash,
        "sides": {side: len(sides[side]) for side in SIDES},
        "release": harvest.release,
        "seed": seed,
    }
    write_text(reports / "summary.json", json.dumps(summary, indent=2) + "\n")
    write_text(folder / "README.md", write_card(facts))
    return facts


def _relatives(
    networks: Sequence[SignalingNetwork], corpus_of: Mapping[str, str]
) -> list[tuple[object, ...]]:
    """Pairs of relatives from two sources, with what they share."""
    rows: list[tuple[object, ...]] = []
    for a, b in relatives_by_overlap(networks):
        one, other = networks[a], networks[b]
        if corpus_of[one.name] != corpus_of[other.name]:
            shared = (f"{member_overlap(one, other):.2f}", f"{edge_overlap(one, other):.2f}")
            rows.append((one.name, corpus_of[one.name], other.name, corpus_of[other.name], *shared))
    return rows


def _card_of_all(facts: Sequence[CardFacts], names: Sequence[str], command: str) -> str:
    used = [f.used_sides for f in facts]
    all_sides = [side for side in SIDES if any(side in sides for sides in used)]
    configurations = [("default", "*/", all_sides)]
    configurations += [(n, f"{n}/", s) for n, s in zip(names, used, strict=True)]
    shut = [f.title for f in facts if not f.may_be_shared]
    lines = header("Pathways of several sources", "other", configurations)
    lines += ["", "# Pathways of several sources, as signalling networks", ""]
    if shut:
        lines += [f"**Must not be passed on**: it holds {' and '.join(shut)}.", ""]
    lines += [f"Made by `{command}`. Each folder has a card of its own.", ""]
    lines += statistics_table((n, f.statistics) for n, f in zip(names, facts, strict=True))
    lines += [
        "",
        "The sources are split together: a pathway that several of them describe is on one side. "
        "`reports/relatives.tsv` lists such pairs.",
        "",
    ]
    return "\n".join(lines)


def _nothing_read(name: str, harvest: Harvest) -> str:
    reasons = [f"{p.location}: {p.reason}" for p in harvest.skipped[:3]]
    why = "; ".join(reasons) or "it holds no files of that source"
    return f"{name}: no networks were found ({why})"


def check_new(out: Path) -> None:
    """
    Raises:
        BuildError: a corpus would be written over something.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BuildError(f"{out}: it exists already; expected a new folder, or an empty one")


def write_table(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a tab-separated table with a header; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    write_text(path, text.getvalue())
