"""Compare the core networks with what public databases state about the same pairs of genes.

The core pathways are written from knowledge of the field. This module looks every gene-gene
statement of them up afterwards, in Reactome FI, SIGNOR and WikiPathways, which are read from a
folder that is not part of the package.

Definitions, used in every column and figure below:

statement
    one signed source of one interaction and its target, where both have gene members. Of a
    family or complex any member counts; a gene is never paired with itself.
found
    at least one database has at least one pair of members, in either direction, after retired
    symbols and everyday names in the databases have been replaced by the approved symbols.
same direction
    at least one database has a pair of members from source to target. Reactome FI draws some
    undirected relations (binding, catalysis) as directed rows; such a row counts as it is drawn.
database sign
    +1 or -1 for what a database states from source to target: in Reactome FI ``activate`` or
    ``inhibit``/``repression``; in SIGNOR the first word of the type, which is the effect; in
    WikiPathways the sign of the arrow. Other types (binding, catalyze, expression,
    phosphorylate, conversion ...) state no sign, and nor does a type that states both.
sign
    ``agree`` where all signs stated by any database for any pair of members are that of the
    statement, ``disagree`` where all are the opposite, ``mixed`` where databases or members
    state both, empty where none is stated.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..formats.statement_tables import sign_of_words

if TYPE_CHECKING:
    from ..model.network import SignalingNetwork

DATABASES = {
    "reactome_fi": "reactome/fi_edges.tsv.gz",
    "signor": "signor/edges.tsv.gz",
    "wikipathways": "wikipathways/edges.tsv",
}
GENE_ALIASES = Path(__file__).parent.parent / "networks" / "gene_aliases.tsv"
FOUND_AT_LEAST = 0.80
SIGN_AGREEMENT_AT_LEAST = 0.90
COLUMNS = (
    "pathway source target kind sign found same_direction databases database_signs sign_check"
).split()

Signs = dict[tuple[str, str], set[int]]
"""Of each directed pair of gene symbols, the signs stated for it (0: the pair without a sign)."""


def read_gene_aliases() -> dict[str, str]:
    """Retired symbols and everyday names of genes, with the approved symbol."""
    table = pd.read_csv(
        GENE_ALIASES, sep="\t", comment="#", dtype=str, keep_default_na=False, quoting=3
    )
    return dict(zip(table["name"], table["symbol"], strict=True))


def read_evidence(shared: Path) -> dict[str, Signs]:
    """Read the three databases below the folder ``shared`` into directed, signed gene pairs."""
    missing = [path for path in DATABASES.values() if not (shared / path).is_file()]
    if missing:
        raise FileNotFoundError(f"{shared}: no {', '.join(missing)}")
    current = read_gene_aliases()
    evidence: dict[str, Signs] = {}
    for name, path in DATABASES.items():
        table = pd.read_csv(shared / path, sep="\t", dtype=str, keep_default_na=False)
        if name == "wikipathways":
            signs = [int(sign or 0) for sign in table["sign"]]
        else:
            words = [kind.split("|") for kind in table["interactionType"]]
            signs = [sign_of_words(w[:1] if name == "signor" else w) for w in words]
        pairs: Signs = {}
        for sources, targets, sign in zip(table["source"], table["target"], signs, strict=True):
            for a, b in itertools.product(sources.split(";"), targets.split(";")):
                pairs.setdefault((current.get(a, a), current.get(b, b)), set()).add(sign)
        evidence[name] = pairs
    return evidence


def is_gene(member: str) -> bool:
    """Whether a member identifier is a gene symbol (others carry a prefix such as ``CHEBI:``)."""
    return ":" not in member


def look_up(
    sources: Iterable[str], targets: Iterable[str], evidence: Mapping[str, Signs]
) -> dict[str, tuple[set[int] | None, bool]]:
    """What each database has between two sets of genes: (signs source to target, or None; any).

    ``any`` is true where the database has a pair of members in either direction. Databases
    without any pair are left out.
    """
    result: dict[str, tuple[set[int] | None, bool]] = {}
    pairs = [(a, b) for a, b in itertools.product(sources, targets) if a != b]
    for name, table in evidence.items():
        forward = [table[pair] for pair in pairs if pair in table]
        backward = any((b, a) in table for a, b in pairs)
        if forward or backward:
            result[name] = (set().union(*forward) if forward else None, True)
    return result


def check_evidence(
    networks: Iterable[SignalingNetwork], shared: Path, distinct: bool = False
) -> pd.DataFrame:
    """One row per gene-gene statement of ``networks``, with what the databases in ``shared`` state.

    With ``distinct`` a statement (source, target, sign) that several pathways share is one row,
    that of the first pathway.
    """
    evidence = read_evidence(shared)
    rows: list[tuple[object, ...]] = []
    counted: set[tuple[str, str, int]] = set()
    for network in networks:
        genes = {m.name: [x for x in m.members if is_gene(x)] for m in network.molecules}
        for interaction in network.interactions:
            target = interaction.target
            for source, sign in zip(interaction.sources, interaction.signs, strict=True):
                key = (source, target, sign)
                if not any(a != b for a in genes[source] for b in genes[target]):
                    continue
                if distinct and key in counted:
                    continue
                counted.add(key)
                hits = look_up(genes[source], genes[target], evidence)
                forward = {name: signs for name, (signs, _) in hits.items() if signs is not None}
                stated = set().union(*forward.values()) - {0} if forward else set()
                check = ""
                if stated and sign:
                    check = "mixed" if len(stated) > 1 else "disagree"
                    check = "agree" if stated == {sign} else check
                by_database = {
                    n: "/".join(f"{s:+d}" for s in sorted(v)) for n, v in forward.items()
                }
                database_signs = " ".join(f"{name}:{text}" for name, text in by_database.items())
                rows.append(
                    (network.name, source, target, interaction.kind, sign, bool(hits))
                    + (bool(forward), " ".join(hits), database_signs, check)
                )
    return pd.DataFrame(rows, columns=COLUMNS)


def summarise(report: pd.DataFrame) -> dict[str, float]:
    """Counts and shares of a report of `check_evidence`.

    ``found`` and ``same_direction`` are shares of all statements. ``sign_agreement`` is the
    share of the statements with a sign on both sides for which a database states the same sign
    (agree or mixed); ``sign_agreement_strict`` leaves the mixed ones out of both counts;
    ``sign_agreement_unanimous`` counts the mixed ones as not agreeing.
    """
    counts = report["sign_check"].value_counts()
    agree, mixed, disagree = (int(counts.get(k, 0)) for k in ("agree", "mixed", "disagree"))
    nan = float("nan")
    signed = agree + mixed + disagree
    return {
        "statements": len(report),
        "found": float(report["found"].mean()) if len(report) else nan,
        "same_direction": float(report["same_direction"].mean()) if len(report) else nan,
        "agree": agree,
        "mixed": mixed,
        "disagree": disagree,
        "sign_agreement": (agree + mixed) / signed if signed else nan,
        "sign_agreement_strict": agree / (agree + disagree) if agree + disagree else nan,
        "sign_agreement_unanimous": agree / signed if signed else nan,
    }


def below_thresholds(figures: Mapping[str, float]) -> list[str]:
    """What of the figures of `summarise` is too low, in words; empty if nothing is."""
    thresholds = {"found": FOUND_AT_LEAST, "sign_agreement": SIGN_AGREEMENT_AT_LEAST}
    return [
        f"{key} is {figures[key]:.1%}; expected at least {least:.0%}"
        for key, least in thresholds.items()
        if not figures[key] >= least
    ]
