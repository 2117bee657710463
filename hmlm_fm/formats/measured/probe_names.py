"""Everyday names of antibodies, probes and secreted proteins, and the genes that they detect.

Names are compared by a key: without case, hyphens, blanks and other signs, Greek letters by their
first. The table is `networks/readout_names.tsv`; what it has not is looked up among the symbols,
aliases and families of the package.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ...model.vocabulary import Vocabulary
from ..names import FAMILIES, meaning_of

PROBE_NAMES = Path(__file__).parents[2] / "networks" / "readout_names.tsv"

_GREEK = dict(
    zip("αβγδεζθικλμω", "a b g d e z q i k l m w".split(), strict=True),
)
_SPELLED_GREEK = {
    "epsilon": "e",
    "lambda": "l",
    "alpha": "a",
    "gamma": "g",
    "delta": "d",
    "kappa": "k",
    "theta": "q",
    "beta": "b",
    "zeta": "z",
}
_SPELLED = re.compile("|".join(_SPELLED_GREEK))
# Words of tables that are also names of genes in capitals.
_WORDS = frozenset(
    "april light clock impact control large rest set fast time well perk cell cells dose".split()
)
# pERK and P-ERK are phosphorylated ERK, and not PERK.
_PREFIXED = re.compile(r"[pt][A-Z]|[pPtT][ _.-]")
_SHORTEST_SPELLING = 5
_SHORTEST_WITH_A_NUMBER = 4


def clean(name: str) -> str:
    """A name without blanks around it, Greek letters in Latin ones."""
    text = unicodedata.normalize("NFKC", name).strip(" \t\r\n_-.:/")
    text = re.sub("[‐‑‒–—−]", "-", text)
    return "".join(_GREEK.get(sign.lower(), sign) for sign in text)


@cache
def key_of_name(name: str) -> str:
    """What is compared of a name."""
    return re.sub(r"[^a-z0-9]", "", _SPELLED.sub(lambda m: _SPELLED_GREEK[m[0]], name.lower()))


def genes_of_probe_name(name: str, sites: Iterable[str] = ()) -> tuple[str, ...]:
    """Genes by the table of probes; a row for one of the sites comes first.

    A symbol is no other spelling of a name in the table: EIF2A is not eIF2a.
    """
    if _is_word(name):
        return ()
    rows = _rows_of(name)
    for site in sites:
        if site in rows:
            return rows[site]
    if name in Vocabulary.shipped().index and name not in _written():
        return (name,)
    return rows.get("", ())


def is_ambiguous(name: str) -> bool:
    """Whether a name is in the table of probes without genes, or is a word of tables."""
    return _is_word(name) or _rows_of(name).get("", ("",)) == ()


def _is_word(name: str) -> bool:
    return name in (name.lower(), name.capitalize()) and name.lower() in _WORDS


def known_by_spelling(name: str) -> tuple[tuple[str, ...], str]:
    """Genes by symbol, alias or family, as written or else spelled otherwise, and which it was."""
    vocabulary = Vocabulary.shipped()
    members = meaning_of(name).members
    if any(":" in member for member in members):
        return (), ""  # a small molecule or a process is no gene
    if name in vocabulary.index:
        return members, "symbol"
    if name in vocabulary.aliases:
        return members, "alias"
    if len(members) > 1:
        return members, "family"
    if _PREFIXED.match(name):
        return (), ""
    if members:
        return members, "spelling"
    key = key_of_name(name)
    shortest = _SHORTEST_WITH_A_NUMBER if re.search(r"[a-z]\d", key) else _SHORTEST_SPELLING
    if len(key) < shortest and not re.fullmatch(r"il\d", key):
        return (), ""
    found = _spellings().get(key, ())
    return found, "spelling" if found else ""


def _rows_of(name: str) -> dict[str, tuple[str, ...]]:
    """Genes by site that the table of probes has for a name."""
    if _PREFIXED.match(name) and not {name, name.lower()} & _written():
        return {}
    return _probes().get(key_of_name(name), {})


@cache
def _written() -> frozenset[str]:
    """The names of the table of probes as they are written there; P-cadherin in small ones too."""
    names = [name for row in _rows(PROBE_NAMES) for name in row["names"].split(" | ")]
    return frozenset(names) | {name.lower() for name in names if _PREFIXED.match(name)}


@cache
def _probes() -> dict[str, dict[str, tuple[str, ...]]]:
    """Genes by key and site; the site is empty where any will do."""
    probes: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in _rows(PROBE_NAMES):
        genes = tuple(row["genes"].split(" | ")) if row["genes"] else ()
        for name in row["names"].split(" | "):
            for site in row["sites"].split(" | "):
                probes.setdefault(key_of_name(name), {})[site] = genes
    return probes


@cache
def _spellings() -> dict[str, tuple[str, ...]]:
    """Genes by the key of their symbols, aliases and families, where it means one thing."""
    vocabulary = Vocabulary.shipped()
    families = [
        (name, tuple(row["members"].split(" | ")))
        for row in _rows(FAMILIES)
        for name in (row["name"], *row["aliases"].split(" | "))
    ]
    levels = (
        [(token, (token,)) for token in vocabulary.tokens],
        families,
        [(name, (token,)) for name, token in vocabulary.aliases.items()],
    )
    spellings: dict[str, tuple[str, ...]] = {}
    for level in levels:  # a symbol comes before a family, and that before an alias
        found: dict[str, set[tuple[str, ...]]] = {}
        for name, genes in level:
            found.setdefault(key_of_name(name), set()).add(genes)
        for key, meanings in found.items():
            if key not in spellings:
                spellings[key] = meanings.pop() if len(meanings) == 1 else ()
    return {
        key: genes for key, genes in spellings.items() if not any(":" in gene for gene in genes)
    }


def _rows(path: Path) -> Iterable[dict[str, str]]:
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith("#")]
    return csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
