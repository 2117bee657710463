"""Build the package's token list anew, from its tables and from lists of gene symbols on disk.

    python corpora/build_vocabulary.py --shared ../shared/data

The same files give the same bytes. With --check nothing is written; the exit code says whether
the shipped list is up to date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import hmlm_fm
from hmlm_fm.common.files import write_text
from hmlm_fm.corpora.vocabulary_build import (
    build_vocabulary,
    coverage,
    read_sources,
    vocabulary_to_json,
)
from hmlm_fm.formats.edge_table import read_edge_table

SHIPPED = Path(hmlm_fm.__file__).parent / "model" / "vocabulary.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shared", required=True, help="folder with reactome/ and wikipathways/")
    parser.add_argument("--output", default=SHIPPED, help="file to write; default: the package's")
    parser.add_argument("--check", action="store_true", help="compare with the file, do not write")
    arguments = parser.parse_args()
    try:
        vocabulary = build_vocabulary(read_sources(arguments.shared))
    except (OSError, ValueError) as error:
        print(f"build_vocabulary: {error}", file=sys.stderr)
        return 2
    genes = sum(":" not in token for token in vocabulary.tokens) - 3
    molecules = sum(token.startswith("CHEBI:") for token in vocabulary.tokens)
    print(
        f"version {vocabulary.version}: {genes} genes, {molecules} small molecules, "
        f"{len(vocabulary.tokens) - 3 - genes - molecules} processes, "
        f"{len(vocabulary.aliases)} aliases"
    )
    edges = Path(arguments.shared) / "wikipathways" / "edges.tsv"
    if arguments.check:
        text = Path(arguments.output).read_text(encoding="utf-8")
        return 0 if text == vocabulary_to_json(vocabulary) else 1
    write_text(arguments.output, vocabulary_to_json(vocabulary))
    if edges.exists():
        print(coverage(read_edge_table(edges)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
