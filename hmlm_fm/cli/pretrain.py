"""Pretrain an HMLM on pathways: masked molecules and next states.

    accelerate launch pretrain/run.py
    accelerate launch pretrain/run.py --config pretrain/configs/wikipathways.yaml
    accelerate launch pretrain/run.py --corpus FOLDER --size small --output_dir outputs/mine
    accelerate launch pretrain/run.py --output_dir outputs/mine --resume_from_checkpoint

On several processes, GPUs or machines (launch/README.md lists which file is for which):

    accelerate launch --config_file launch/multi_cpu.yaml pretrain/run.py --output_dir outputs/two

Without arguments it takes the `core` corpus that ships with the package and the size `tiny`. Every
option may stand in the YAML file, on the command line, or both: the command line wins.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..common.option_parsing import parse_options
from .plain_arguments import STOPPED, exit_code

EXAMPLE = (
    "hmlm pretrain --steps 2 --logging_steps 1 --save_steps 2 --trajectory_networks 4 "
    "--held_out_networks 2 --output_dir outputs/look"
)


def run(arguments: list[str]) -> int:
    """Run `hmlm pretrain` with these arguments; returns the exit code."""
    from ..pretraining.pretraining_options import PretrainingOptions
    from ..pretraining.pretraining_run import run_pretraining
    from ..pretraining.resuming import last_checkpoint

    folders: list[Path] = []

    def pretrain() -> int:
        options = parse_options(PretrainingOptions, arguments, __doc__, EXAMPLE, "hmlm pretrain")
        folders.append(Path(options.output_dir))
        run_pretraining(options)
        return 0

    code = exit_code(pretrain)
    if code == STOPPED and folders:
        saved = last_checkpoint(folders[0])
        hint = f"--resume_from_checkpoint resumes {saved}" if saved else "nothing is saved yet"
        print(hint, file=sys.stderr)
    return code
