"""Fine-tune an HMLM on one tissue.

    accelerate launch finetune/run.py --config finetune/configs/cardiac_fibroblast.yaml
    accelerate launch finetune/run.py --network FILE --observations FILE.csv \
        --conditions FILE.csv --output_dir outputs/mine
    accelerate launch --config_file launch/multi_cpu.yaml finetune/run.py
    python finetune/run.py --network FILE --budget 16x4 --checkpoint none

With `--observations` a table of measurements is fitted to: columns molecule, time_hours, value,
condition, and perhaps modality and sd; `--conditions` says what each condition is: columns
condition, kind, molecule, value, and perhaps start_hours and end_hours. Without, the network is
simulated at the budget, with the kinetics that its file states, and the model is measured on
conditions that it has not seen. It runs in minutes on one CPU core.
"""

from __future__ import annotations

import sys

from hmlm_fm.common.errors import FormatError, OptionsError
from hmlm_fm.common.option_parsing import parse_options
from hmlm_fm.common.words import in_one_line, warnings_in_lines
from hmlm_fm.finetuning.finetuning_options import FinetuningOptions
from hmlm_fm.finetuning.finetuning_run import run_finetuning
from hmlm_fm.model.network import NetworkError


def main() -> int:
    try:
        options = parse_options(FinetuningOptions, sys.argv[1:], __doc__)
        with warnings_in_lines():
            run_finetuning(options)
    except (OptionsError, FormatError, NetworkError) as error:
        print(f"error: {in_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; nothing is written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
