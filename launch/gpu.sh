#!/usr/bin/env bash
# Pretraining on all GPUs of this machine; run again, it goes on with what it finds.
#   launch/gpu.sh FOLDER_WITH_A_CORPUS [FOLDER_OF_THE_RUN]
set -euo pipefail
corpus=${1:?a folder that corpora/build.py made, or core}
out=${2:-outputs/gpu}
gpus=$(nvidia-smi --list-gpus | wc -l)

# One GPU has a file of its own: DistributedDataParallel wants two.
config=launch/multi_gpu.yaml
if [ "$gpus" -eq 1 ]; then config=launch/single_gpu.yaml; fi

# Eight networks of next states for every GPU and step, drawn ahead by two loaders each.
accelerate launch --config_file "$config" --num_processes "$gpus" pretrain/run.py \
    --corpus "$corpus" --output_dir "$out" --size small --steps 20000 \
    --batch_size $((8 * gpus)) --loaders 2 --trajectory_networks 4000 --warmup_steps 500 \
    --save_steps 500 --logging_steps 50 --resume_from_checkpoint auto
