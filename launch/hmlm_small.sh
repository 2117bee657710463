#!/usr/bin/env bash
# Makes the checkpoint that ships as hmlm-small, in two and a half hours on two CPU cores; run again,
# it goes on where it was stopped.
#   launch/hmlm_small.sh WIKIPATHWAYS SIGNOR BOOLEAN MEASURED_SETS [FOLDER]
set -euo pipefail
wikipathways=${1:?the folder of hmlm corpus build wikipathways}
signor=${2:?the folder of hmlm corpus build signor}
boolean=${3:?the folder of hmlm corpus build boolean}
measured=${4:?a folder of measured sets whose licence allows training}
out=${5:-outputs/hmlm-small}
pretrained=$out/pretrained

# Both objectives on pathways: 40 minutes on one core.
if [ ! -f "$pretrained/metrics.json" ]; then
    accelerate launch pretrain/run.py --corpus "$wikipathways" --output_dir "$pretrained" \
        --size tiny --steps 1500 --batch_size 4 --language_networks 8 --warmup_steps 60 \
        --trajectory_networks 700 --held_out_networks 24 --save_steps 100 --logging_steps 20 \
        --response_steps 0 --resume_from_checkpoint auto
fi

# 30,000 worlds: 40 minutes on one core.
worlds=()
for part in 0 1 2 3 4 5; do
    if [ ! -d "$out/worlds/$part" ]; then
        hmlm corpus worlds core "$wikipathways" "$signor" "$boolean" --count 5000 \
            --seed $((1000000 + 100000 * part)) --out "$out/worlds/$part"
    fi
    worlds+=(--worlds "$out/worlds/$part")
done

# The head for measured sets, on worlds and then on measured sets: 50 minutes on two cores.
if [ ! -d "$out/model" ]; then
    hmlm responses "$pretrained" "$out/model" "${worlds[@]}" --sets "$measured" \
        --steps 9000 --set-steps 1000 --loaders 1
fi
