"""The card of a corpus: the README.md whose header `datasets` reads and whose text people read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import yaml

from ..model.network import SignalingNetwork
from .corpus_statistics import Statistics, statistics_of, statistics_table
from .layout import DATA_FOLDER
from .records import Harvest
from .relatives import SIDES

LICENCE_IDS = {"CC0": "cc0-1.0", "Apache-2.0": "apache-2.0"}


@dataclass(frozen=True)
class CardFacts:
    """What the card of one corpus states.

    Attributes:
        title, licence: of the source.
        may_be_shared: whether the corpus may be passed on.
        command: that makes it.
        harvest: what the source gave.
        sides: the networks of each side.
        seed: of the split.
    """

    title: str
    licence: str
    may_be_shared: bool
    command: str
    harvest: Harvest
    sides: Mapping[str, Sequence[SignalingNetwork]]
    seed: int

    @property
    def used_sides(self) -> list[str]:
        """The sides that have networks."""
        return [side for side in SIDES if self.sides[side]]

    @cached_property
    def statistics(self) -> Statistics:
        """Of all sides together."""
        return statistics_of(network for side in self.sides.values() for network in side)

    @cached_property
    def content_hash(self) -> str:
        """Of all sides together, see `corpus_hash`."""
        return corpus_hash(network for side in self.sides.values() for network in side)


def corpus_hash(networks: Iterable[SignalingNetwork]) -> str:
    """SHA-256 over the content hashes of the networks, whatever their order."""
    hashes = sorted(network.content_hash for network in networks)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def split_hash(sides: Mapping[str, Iterable[SignalingNetwork]]) -> str:
    """SHA-256 over which networks are on which side, whatever their order."""
    lines = [f"{side} {corpus_hash(sides[side])}" for side in SIDES]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def header(
    title: str,
    licence: str,
    configurations: Sequence[tuple[str, str, Sequence[str]]],
    form: str = "as signalling networks",
) -> list[str]:
    """The YAML header that names the Parquet files.

    Args:
        title, licence: of the corpus.
        configurations: name, folder (with a slash, or empty), and sides that are not empty.
        form: that the content has.
    """
    content = {
        "pretty_name": f"{title}, {form}",
        "license": LICENCE_IDS.get(licence, "other"),
        "tags": ["biology", "cell-signalling", "hmlm_fm"],
        "configs": [
            {
                "config_name": name,
                "data_files": [
                    {"split": side, "path": f"{folder}{DATA_FOLDER}/{side}-*.parquet"}
                    for side in sides
                ],
            }
            for name, folder, sides in configurations
        ],
    }
    return ["---", yaml.safe_dump(content, sort_keys=False, allow_unicode=True).strip(), "---"]


def write_card(facts: CardFacts) -> str:
    """The card of one corpus as Markdown."""
    used = facts.used_sides
    harvest = facts.harvest
    lines = header(facts.title, facts.licence, [("default", "", used)])
    lines += ["", f"# {facts.title}, as signalling networks", ""]
    if not facts.may_be_shared:
        lines += [
            "**This corpus must not be passed on.** Its source may be used for academic purposes "
            "and not be redistributed; build it anew where it is needed.",
            "",
        ]
    dates = sorted(r.provenance.retrieved for r in harvest.records if r.provenance.retrieved)
    facts_by_name = {
        "source": facts.title,
        "release": harvest.release or "not stated by the files",
        "retrieved": f"{dates[0]} to {dates[-1]}" if dates else "from files; see `provenance`",
        "licence": facts.licence,
        "query": harvest.query or f"all files of a folder, as {facts.title}",
        "command": f"`{facts.command}`",
        "content hash": f"`{facts.content_hash}`",
    }
    lines += [
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in facts_by_name.items()),
        "",
    ]
    lines += statistics_table([(s, statistics_of(facts.sides[s])) for s in used])
    lines += [
        "",
        f"Not read: {len(harvest.skipped)}; odd but read: {len(harvest.warnings)}; missing: "
        f"{len(harvest.missing)}. The folder `reports` lists them, and every name that the "
        "vocabulary has not: such a molecule is known by its place in the network alone and is "
        "never requested.",
        "",
        f"Relatives (revisions of one model, networks that share more than half of their members "
        f"or edges) are on one side; the split is drawn by seed {facts.seed}. The cardiac "
        "fibroblast and hypertrophy models and their relatives are on the test side: models are "
        "benchmarked on them.",
        "",
        "```python",
        "from datasets import load_dataset",
        "",
        'networks = load_dataset("FOLDER")["train"]  # this folder',
        "```",
        "",
        "Each row is one network: `molecules`, `interactions` (sources joined by AND; signs 1, -1 "
        "or 0 for unknown; several interactions on one target joined by OR), `pathways`, and "
        "`provenance`. `hmlm_fm.corpora.load_corpus` gives them back as `SignalingNetwork`s.",
        "",
    ]
    return "\n".join(lines)
