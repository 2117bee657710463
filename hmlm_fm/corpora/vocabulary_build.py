"""Build `vocabulary.json`, the token list of the package, from readable lists.

Genes are gathered from lists of human gene symbols on disk, from the shipped networks and from
`networks/extra_genes.tsv`; small molecules, processes and other names are the tables beside it.
The result depends on nothing but those files.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..formats.json_format import read_json
from ..model.network import SignalingNetwork
from ..model.vocabulary import SPECIAL_TOKENS, Vocabulary

VERSION = "2026.1"
TABLES = Path(__file__).parent.parent / "networks"

_SYMBOL = re.compile(r"[A-Z][A-Za-z0-9]*(-[A-Za-z0-9]+)*")
_NOT_A_SYMBOL = re.compile(r"ENSG\d+")


@dataclass(frozen=True)
class VocabularySources:
    """What the vocabulary is made of.

    Attributes:
        symbols: gene symbols of any age, as lists and diagrams use them.
        gene_aliases: retired symbols and everyday names, each with the approved symbol.
        named_tokens: small molecules and processes, with the names that mean them.
        networks: the shipped networks; every member of theirs becomes a token.
    """

    symbols: frozenset[str]
    gene_aliases: Mapping[str, str]
    named_tokens: Mapping[str, tuple[str, ...]]
    networks: tuple[SignalingNetwork, ...]


def read_sources(shared: str | os.PathLike[str]) -> VocabularySources:
    """The tables of the package, its networks, and the gene lists below the folder `shared`.

    Raises:
        FileNotFoundError: a list is missing.
    """
    reactome = Path(shared) / "reactome"
    symbols = {row["symbol"] for row in _table(TABLES / "extra_genes.tsv")}
    symbols |= {row["symbol"] for row in _table(reactome / "uniprot_symbol.tsv.gz")}
    for row in _table(reactome / "fi_edges.tsv.gz"):
        symbols |= {row["source"], row["target"]}
    for line in _lines(reactome / "pathway_members_symbols.gmt.gz"):
        symbols.update(line.rstrip("\n").split("\t")[2:])
    named = {
        row["token"]: (row["name"], *_names(row["aliases"]))
        for table in ("small_molecules.tsv", "processes.tsv")
        for row in _table(TABLES / table)
    }
    paths = [*sorted((TABLES / "core").glob("*.json")), TABLES / "cardiac_fibroblast.json"]
    return VocabularySources(
        symbols=frozenset(symbols),
        gene_aliases={r["name"]: r["symbol"] for r in _table(TABLES / "gene_aliases.tsv")},
        named_tokens=named,
        networks=tuple(map(read_json, paths)),
    )


def build_vocabulary(sources: VocabularySources) -> Vocabulary:
    """The vocabulary: special tokens, then genes, small molecules and processes, each sorted."""
    members = {m for network in sources.networks for x in network.molecules for m in x.members}
    genes = {
        symbol
        for symbol in sources.symbols - sources.gene_aliases.keys()
        if _SYMBOL.fullmatch(symbol) and not _NOT_A_SYMBOL.fullmatch(symbol)
    }
    genes |= {member for member in members if ":" not in member}
    genes |= set(sources.gene_aliases.values())
    others = sources.named_tokens.keys() | {member for member in members if ":" in member}
    tokens = (
        *SPECIAL_TOKENS,
        *sorted(genes),
        *sorted((t for t in others if t.startswith("CHEBI:")), key=lambda t: int(t[6:])),
        *sorted(t for t in others if t.startswith("process:")),
    )
    known = set(tokens)
    aliases = {
        name: token
        for name, token in (
            *_aliases_of_networks(sources.networks),
            *((name, token) for token, names in sources.named_tokens.items() for name in names),
            *sources.gene_aliases.items(),
        )
        if name not in known
    }
    return Vocabulary(VERSION, tokens, dict(sorted(aliases.items())))


def vocabulary_to_json(vocabulary: Vocabulary) -> str:
    """The vocabulary as `Vocabulary.load` reads it, one entry a line so that changes show."""
    content = {
        "version": vocabulary.version,
        "tokens": list(vocabulary.tokens),
        "aliases": dict(vocabulary.aliases),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), indent=0) + "\n"


def _aliases_of_networks(networks: Iterable[SignalingNetwork]) -> Iterator[tuple[str, str]]:
    """Names and labels of small molecules and processes, where all networks agree on them.

    Proteins do not count: what one network calls p38 may be MAPK14, in another a family.
    """
    meant: dict[str, set[tuple[str, ...]]] = {}
    for network in networks:
        for molecule in network.molecules:
            if molecule.kind in ("small molecule", "process", "phenotype"):
                for name in filter(None, (molecule.name, molecule.label)):
                    meant.setdefault(name, set()).add(molecule.members)
    for name, alternatives in meant.items():
        members = alternatives.pop()
        if not alternatives and len(members) == 1:
            yield name, members[0]


def _table(path: Path) -> Iterable[dict[str, str]]:
    """Rows of a tab-separated table with headers; lines that start with # are comments."""
    lines = (line for line in _lines(path) if not line.startswith("#"))
    return csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


def _lines(path: Path) -> Iterator[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        yield from file


def _names(cell: str) -> tuple[str, ...]:
    return tuple(name for name in cell.split(" | ") if name)


def coverage(networks: Iterable[SignalingNetwork]) -> str:
    """A line on how much of some networks the tokens of their molecules cover, by mention."""
    networks = tuple(networks)
    known = {
        (network.name, molecule.name)
        for network in networks
        for molecule in network.molecules
        if molecule.members
    }
    n_molecules = sum(len(network.molecules) for network in networks)
    ends = [
        (network.name, name) in known
        for network in networks
        for interaction in network.interactions
        for name in (*interaction.sources, interaction.target)
    ]
    return (
        f"{len(known)} of {n_molecules} molecules in {len(networks)} networks have tokens "
        f"({len(known) / n_molecules:.1%}), and {sum(ends)} of {len(ends)} ends of their "
        f"interactions ({sum(ends) / len(ends):.1%})"
    )
