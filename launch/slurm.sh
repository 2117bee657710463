#!/usr/bin/env bash
# Pretraining on two machines of eight GPUs under Slurm; what is broken off goes on when it is
# submitted again.
#   sbatch launch/slurm.sh --corpus FOLDER --size large --output_dir outputs/large
#SBATCH --job-name=hmlm
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -euo pipefail
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export first
srun --kill-on-bad-exit=1 bash -c 'accelerate launch --config_file launch/multi_node.yaml \
    --num_machines "$SLURM_NNODES" --num_processes $((SLURM_NNODES * 8)) \
    --machine_rank "$SLURM_NODEID" --main_process_ip "$first" \
    pretrain/run.py --resume_from_checkpoint auto "$@"' run "$@"
