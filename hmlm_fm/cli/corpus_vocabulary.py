"""`hmlm corpus vocabulary`: builds the package's token list anew."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..common.files import read_text, write_text
from ..corpora.vocabulary_build import (
    build_vocabulary,
    coverage,
    read_sources,
    vocabulary_to_json,
)
from ..formats.edge_table import read_edge_table
from ..model.vocabulary import SPECIAL_TOKENS, Vocabulary
from .plain_arguments import PlainParser, exit_code

SHIPPED = Path(__file__).parent.parent / "model" / "vocabulary.json"


def vocabulary(arguments: list[str]) -> int:
    """Build the token list, or compare it with the shipped one.

    Returns:
        The exit code: 0 done or up to date, 1 not up to date, 2 bad input, 130 stopped.
    """

    def run() -> int:
        options = parse(arguments)
        made = build_vocabulary(read_sources(options.shared))
        print(counts(made))
        if options.check:
            return 0 if read_text(options.output) == vocabulary_to_json(made) else 1
        write_text(options.output, vocabulary_to_json(made))
        edges = options.shared / "wikipathways" / "edges.tsv"
        if edges.exists():
            print(coverage(read_edge_table(edges)))
        return 0

    return exit_code(run)


def parse(arguments: list[str]) -> argparse.Namespace:
    """
    Raises:
        OptionsError: an unknown option, or a missing one.
    """
    parser = PlainParser(
        "hmlm corpus vocabulary",
        "Build the package's token list from its tables and from lists of gene symbols on disk.\n"
        "The same files give the same bytes.",
        "--shared shared/data --check",
    )
    parser.add_argument(
        "--shared", type=Path, required=True, help="folder with reactome/ and wikipathways/"
    )
    parser.add_argument(
        "--output", type=Path, default=SHIPPED, help="file to write; default: the package's"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="compare with the file and write nothing; exit code 1 where they differ",
    )
    return parser.parse_args(arguments)


def counts(made: Vocabulary) -> str:
    """How many tokens of each kind there are, in words."""
    special = len(SPECIAL_TOKENS)
    genes = sum(":" not in token for token in made.tokens) - special
    molecules = sum(token.startswith("CHEBI:") for token in made.tokens)
    return (
        f"version {made.version}: {genes} genes, {molecules} small molecules, "
        f"{len(made.tokens) - special - genes - molecules} processes, {len(made.aliases)} aliases"
    )
