"""Simulate a next-state corpus: drawn conditions and rates on the topologies of any corpus.

    python corpora/simulate.py core --out corpora-built/core-trajectories --networks 512
    python corpora/simulate.py corpora-built/reactome --out corpora-built/reactome-trajectories
    python corpora/simulate.py ../shared/data/biomodels --sbml --out corpora-built/biomodels-runs

The same as `hmlm corpus simulate`.
"""

import sys

from hmlm_fm.cli.corpus_simulation import simulate

if __name__ == "__main__":
    sys.exit(simulate(sys.argv[1:]))
