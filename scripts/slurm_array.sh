#!/usr/bin/env bash
# Trains the runs of a sweep under SLURM, one for each job of an array; before the time limit it stops and goes on in the next job:
#   sbatch --array=0-5 scripts/slurm_array.sh hydra.sweep.dir=runs/rates model=bm1972 seed=1,2,3 optimizer.learning_rate=1e-3,3e-4
# As many jobs as there are combinations, counted from 0. Afterwards, for the table and the figure:
#   deqn sweep hydra.sweep.dir=runs/rates
#SBATCH --job-name=deqn-sweep
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

[ $# -gt 0 ] || { echo "usage: sbatch --array=0-<n> scripts/slurm_array.sh hydra.sweep.dir=<folder> key=value,value ..." >&2; exit 2; }
cd "${SLURM_SUBMIT_DIR:-.}"
[ ! -f .venv/bin/activate ] || . .venv/bin/activate
export OMP_NUM_THREADS=1

python -m deqn sweep --only "$SLURM_ARRAY_TASK_ID" "$@" &
training=$!

# B:USR1 reaches this script, two minutes before the time limit: the run writes a checkpoint, and the job is put back
asked=0
trap 'asked=1; kill -TERM "$training" || true' USR1
status=0
wait "$training" || status=$?
if [ "$asked" = 1 ]; then
    status=0
    wait "$training" || status=$? # the first wait was broken off by the signal
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$status"
