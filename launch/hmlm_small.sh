#!/usr/bin/env bash
# Makes the checkpoint that ships as hmlm-small: 40 minutes on one CPU core.
#   launch/hmlm_small.sh FOLDER_WITH_WIKIPATHWAYS outputs/hmlm-small
set -euo pipefail
corpus=${1:?the folder with the edge table of WikiPathways}
out=${2:-outputs/hmlm-small}
accelerate launch pretrain/run.py --corpus "$corpus" --output_dir "$out" \
    --size tiny --steps 1500 --batch_size 4 --language_networks 8 --warmup_steps 60 \
    --trajectory_networks 700 --held_out_networks 24 --save_steps 100 --logging_steps 20
