"""Build a pretraining corpus from a pathway source: from its service, or from files on disk.

    python corpora/build.py reactome --out corpora-built/reactome
    python corpora/build.py kegg --out corpora-built/kegg --organism hsa
    python corpora/build.py boolean --out corpora-built/boolean --from-dir ../shared/data/boolean
    python corpora/build.py all --out corpora-built/all --from-dir ../shared/data

The same as `hmlm corpus build`.
"""

import sys

from hmlm_fm.cli.corpus_build import build

if __name__ == "__main__":
    sys.exit(build(sys.argv[1:]))
