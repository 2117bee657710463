#!/usr/bin/env bash
# Both scripts on two CPU processes, in about two minutes: to see that an installation works.
#   launch/cpu_smoke.sh [FOLDER] [zero2|zero3]
set -euo pipefail
out=${1:-outputs/cpu-smoke}
config=launch/${2:-multi_cpu}.yaml

# Two networks of next states per step, one for each process; a line for every step.
accelerate launch --config_file "$config" pretrain/run.py --output_dir "$out/pretrained" \
    --steps 6 --batch_size 2 --language_networks 2 --trajectory_networks 8 \
    --held_out_networks 3 --save_steps 2 --logging_steps 1 --warmup_steps 1

# The folder that it left is what fine-tuning starts from; each process fits one of two members.
accelerate launch --config_file "$config" finetune/run.py --output_dir "$out/tuned" \
    --checkpoint "$out/pretrained" --members 2 --steps 5
