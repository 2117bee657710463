"""Pretrain an HMLM on pathways: masked molecules, next states, and simulated measurements.

    accelerate launch pretrain/run.py

All options: `hmlm pretrain --help`.
"""

import sys

from hmlm_fm.cli.pretrain import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
