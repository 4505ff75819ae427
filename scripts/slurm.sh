#!/usr/bin/env bash
# Trains one model on several machines under SLURM, stops before the time limit and goes on in the next job:
#   sbatch scripts/slurm.sh runs/ks model=krusell_smith seed=1
# The first word is the run folder, on a file system that all machines see. Lines to adapt: #SBATCH, and the environment below.
#SBATCH --job-name=deqn
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=4
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

run_dir=${1:?"usage: sbatch scripts/slurm.sh <run folder> [model=... and other overrides]"}
shift
processes=${PROCESSES_PER_NODE:-$SLURM_CPUS_PER_TASK} # with GPUs: as many as a machine has

cd "${SLURM_SUBMIT_DIR:-.}"
[ ! -f .venv/bin/activate ] || . .venv/bin/activate
export OMP_NUM_THREADS=1

# a job that was put back, or sent again, goes on where the last one stopped
if compgen -G "$run_dir/ckpt/ckpt-*.pt" >/dev/null; then
    [ $# = 0 ] || echo "slurm.sh: $run_dir goes on with its own configuration; not used: $*"
    set -- STARTING_POINT=LATEST
    export USE_CONFIG_FROM_RUN_DIR=$run_dir
fi

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 10000)) # two jobs may share a machine
# one torchrun a machine, which starts the processes there
srun --kill-on-bad-exit=1 torchrun \
    --nnodes "$SLURM_JOB_NUM_NODES" --nproc-per-node "$processes" \
    --rdzv-backend c10d --rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "$first:$port" \
    run_deepnet.py "hydra.run.dir=$run_dir" "$@" &
training=$!

# B:USR1 reaches this script alone, two minutes before the time limit. srun would answer SIGTERM by killing its tasks; scancel
# sends it to the tasks themselves, not to this script: the step under way is finished and a checkpoint written
asked=0
trap 'asked=1; scancel --signal=TERM "$SLURM_JOB_ID" || true' USR1
status=0
wait "$training" || status=$?
if [ "$asked" = 1 ]; then
    status=0
    wait "$training" || status=$? # the first wait was broken off by the signal
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
