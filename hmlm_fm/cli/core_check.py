"""`hmlm corpus check-core`: looks the statements of the core pathways up in public databases."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..corpora.core_evidence import below_thresholds, check_evidence, summarise
from ..formats.network_loading import load_core
from .plain_arguments import PlainParser, exit_code

if TYPE_CHECKING:
    import pandas as pd

LINE = "{:<28}{:>11}{:>8}{:>11}{:>7}{:>7}{:>10}"


def check_core(arguments: list[str]) -> int:
    """Look every gene-gene statement of the core pathways up, and print what was found.

    Returns:
        The exit code: 0 done, 1 below the thresholds of `corpora.core_evidence`, 2 bad input, 130
        stopped.
    """

    def run() -> int:
        options = parse(arguments)
        networks = load_core()
        report = check_evidence(networks, options.shared)
        distinct = check_evidence(networks, options.shared, distinct=True)
        if options.report:
            report.to_csv(options.report, index=False)
        print("\n".join([*pathway_lines(report, distinct), *sign_lines(report, distinct)]))
        print("\n".join(statement_lines(distinct)))
        problems = below_thresholds(summarise(report))
        for problem in problems:
            print(f"check-core: {problem}", file=sys.stderr)
        return 1 if problems else 0

    return exit_code(run)


def parse(arguments: list[str]) -> argparse.Namespace:
    """
    Raises:
        OptionsError: an unknown option, or a missing one.
    """
    parser = PlainParser(
        "hmlm corpus check-core",
        "Look every gene-gene statement of the core pathways up in Reactome FI, SIGNOR and\n"
        "WikiPathways. Prints a line per pathway, then the statements whose sign the databases\n"
        "contradict and those that no database has. Exit code 1 below the demanded shares.",
        "--shared shared/data --report core_evidence.csv",
    )
    parser.add_argument(
        "--shared",
        type=Path,
        required=True,
        help="folder with reactome/, signor/ and wikipathways/",
    )
    parser.add_argument("--report", type=Path, help="CSV file with a line per statement")
    return parser.parse_args(arguments)


def pathway_lines(report: pd.DataFrame, distinct: pd.DataFrame) -> list[str]:
    """The figures of every pathway and of all of them, one line each."""
    heads = "pathway statements found direction agree mixed disagree".split()
    lines = [LINE.format(*heads)]
    lines += [_figures(str(pathway), rows) for pathway, rows in report.groupby("pathway")]
    return [*lines, _figures("all", report), _figures("all, each statement once", distinct)]


def sign_lines(report: pd.DataFrame, distinct: pd.DataFrame) -> list[str]:
    """In what share of the statements the databases have the same sign."""
    total, once = summarise(report), summarise(distinct)
    labels = {
        "sign_agreement": "some database agrees",
        "sign_agreement_strict": "where databases are unanimous",
        "sign_agreement_unanimous": "all databases agree",
    }
    return [
        "\nsign agreement                          all   each once",
        *(f"  {label:<34}{total[key]:>7.1%}{once[key]:>12.1%}" for key, label in labels.items()),
    ]


def statement_lines(distinct: pd.DataFrame) -> list[str]:
    """The statements that databases contradict, and those that none has."""
    lines = []
    for title, chosen in (
        ("contradicted by the databases", distinct["sign_check"] == "disagree"),
        ("in no database", ~distinct["found"]),
    ):
        lines.append(f"\n{title}: {int(chosen.sum())} of {len(distinct)} distinct statements")
        lines += [_statement(row) for _, row in distinct[chosen].iterrows()]
    return lines


def _figures(name: str, rows: pd.DataFrame) -> str:
    total = summarise(rows)
    shares = (f"{total[key]:.1%}" for key in ("found", "same_direction"))
    counts = (str(total[key]) for key in ("agree", "mixed", "disagree"))
    return LINE.format(name, str(total["statements"]), *shares, *counts)


def _statement(row: pd.Series) -> str:
    """A statement with the signs that databases have for it, as `A -| B (kind)`."""
    arrow = "->" if row["sign"] > 0 else "-|"
    stated = f"  {row['database_signs']}" if row["database_signs"] else ""
    return f"  {row['pathway']}: {row['source']} {arrow} {row['target']} ({row['kind']}){stated}"
