"""Look every gene-gene statement of the core pathways up in Reactome FI, SIGNOR and WikiPathways.

    python corpora/check_core.py --shared ../shared/data --report core_evidence.csv

Prints one row per pathway, then the statements whose sign the databases contradict and those
that no database has. The exit code is 1 below the thresholds of `hmlm_fm.corpora.core_evidence`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from hmlm_fm.corpora.core_evidence import below_thresholds, check_evidence, summarise
from hmlm_fm.formats import load_core

LINE = "{:<28}{:>11}{:>8}{:>11}{:>7}{:>7}{:>10}"


def table(report: pd.DataFrame) -> list[str]:
    """The figures of every pathway, one line each."""
    heads = "pathway statements found direction agree mixed disagree".split()
    lines = [LINE.format(*heads)]
    for pathway, rows in report.groupby("pathway"):
        lines.append(figures(str(pathway), rows))
    return lines


def figures(name: str, rows: pd.DataFrame) -> str:
    total = summarise(rows)
    shares = (f"{total[key]:.1%}" for key in ("found", "same_direction"))
    counts = (str(total[key]) for key in ("agree", "mixed", "disagree"))
    return LINE.format(name, str(total["statements"]), *shares, *counts)


def statement(row: pd.Series) -> str:
    """A statement and what the databases say of it, as `A -| B (kind)`."""
    arrow = "->" if row["sign"] > 0 else "-|"
    told = f"  {row['database_signs']}" if row["database_signs"] else ""
    return f"  {row['pathway']}: {row['source']} {arrow} {row['target']} ({row['kind']}){told}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--shared",
        type=Path,
        required=True,
        help="folder with reactome/, signor/ and wikipathways/",
    )
    parser.add_argument("--report", type=Path, help="CSV file for one row per statement")
    arguments = parser.parse_args()
    networks = load_core()
    try:
        report = check_evidence(networks, arguments.shared)
        distinct = check_evidence(networks, arguments.shared, distinct=True)
    except OSError as error:
        print(f"check_core: {error}", file=sys.stderr)
        return 2
    if arguments.report:
        report.to_csv(arguments.report, index=False)
    print("\n".join(table(report)))
    print(figures("all", report))
    print(figures("all, each statement once", distinct))
    total, once = summarise(report), summarise(distinct)
    print("\nsign agreement                          all   each once")
    for key, label in (
        ("sign_agreement", "some database agrees"),
        ("sign_agreement_strict", "where databases are unanimous"),
        ("sign_agreement_unanimous", "all databases agree"),
    ):
        print(f"  {label:<34}{total[key]:>7.1%}{once[key]:>12.1%}")
    for title, chosen in (
        ("contradicted by the databases", distinct["sign_check"] == "disagree"),
        ("in no database", ~distinct["found"]),
    ):
        print(f"\n{title}: {int(chosen.sum())} of {len(distinct)} distinct statements")
        print("\n".join(statement(row) for _, row in distinct[chosen].iterrows()))
    problems = below_thresholds(total)
    for problem in problems:
        print(f"check_core: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
