"""Fine-tune an HMLM on one tissue.

    hmlm finetune --conditions MEASURED_SET --output_dir FOLDER
    hmlm finetune --network FILE --conditions FILE.csv --observations FILE.csv --output_dir FOLDER
    accelerate launch finetune/run.py --config finetune/configs/cardiac_fibroblast.yaml
    accelerate launch --config_file launch/multi_cpu.yaml finetune/run.py

`--observations` is a table of what was measured: columns molecule, time_hours, value, condition,
and perhaps modality and sd; `--conditions` states what each condition is: columns condition, kind,
molecule, value, and perhaps start_hours and end_hours. A MIDAS table, as `--conditions`, holds
both.
Without tables the network is simulated at the budget, with the kinetics that its file states, and
the model is measured on held-out conditions. It runs in minutes on one CPU core.
"""

from __future__ import annotations

from ..common.option_parsing import parse_options
from .plain_arguments import exit_code

EXAMPLE = (
    "hmlm finetune --network cardiac-fibroblast --budget 8x4 --steps 10 --members 2 "
    "--output_dir outputs/fibroblast"
)


def run(arguments: list[str]) -> int:
    """Run `hmlm finetune` with these arguments; returns the exit code."""

    def fit() -> int:
        from ..finetuning.finetuning_options import FinetuningOptions
        from ..finetuning.finetuning_run import run_finetuning

        run_finetuning(
            parse_options(FinetuningOptions, arguments, __doc__, EXAMPLE, "hmlm finetune")
        )
        return 0

    return exit_code(fit, "nothing is written")
