"""Pretrain an HMLM on pathways: masked molecules and next states.

    accelerate launch pretrain/run.py
    accelerate launch pretrain/run.py --config pretrain/configs/wikipathways.yaml
    accelerate launch pretrain/run.py --corpus FOLDER --size small --output_dir outputs/mine
    accelerate launch pretrain/run.py --output_dir outputs/mine --resume_from_checkpoint

On several processes, GPUs or machines (launch/README.md says which file is for which):

    accelerate launch --config_file launch/multi_cpu.yaml pretrain/run.py --output_dir outputs/two

Without arguments it takes the `core` corpus that ships with the package and the size `tiny`. Every
option may stand in the YAML file, on the command line, or both: the command line wins.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hmlm_fm.common.errors import FormatError, OptionsError
from hmlm_fm.common.option_parsing import parse_options
from hmlm_fm.common.words import in_one_line, warnings_in_lines
from hmlm_fm.model.network import NetworkError
from hmlm_fm.pretraining.pretraining_options import PretrainingOptions
from hmlm_fm.pretraining.pretraining_run import run_pretraining
from hmlm_fm.pretraining.resuming import last_checkpoint


def main() -> int:
    output_dir = Path()
    try:
        options = parse_options(PretrainingOptions, sys.argv[1:], __doc__)
        output_dir = Path(options.output_dir)
        with warnings_in_lines():
            run_pretraining(options)
    except (OptionsError, FormatError, NetworkError) as error:
        print(f"error: {in_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        saved = last_checkpoint(output_dir)
        hint = f"--resume_from_checkpoint goes on from {saved}" if saved else "nothing is saved yet"
        print(f"\nstopped; {hint}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
