"""Fine-tune an HMLM on one tissue.

    accelerate launch finetune/run.py --config finetune/configs/cardiac_fibroblast.yaml

All options: `hmlm finetune --help`.
"""

import sys

from hmlm_fm.cli.finetune import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
