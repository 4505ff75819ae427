"""scripts/slurm.sh with stand-ins for SLURM's own commands."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, plain_environment
from tests.distributed.launches import SCRIPTS, last, last_episode

# as the real one, it does not pass SIGTERM on: it kills all that it has started
SRUN = """#!/bin/sh
while [ "$1" != torchrun ]; do
    case $1 in
    --*) shift ;;
    *) echo "srun: $1?" >&2; exit 2 ;;
    esac
done
family() {
    echo "$1"
    for child in $(pgrep -P "$1"); do family "$child"; done
}
"$@" &
task=$!
echo "$task" >"$TASK"
trap 'kill -KILL $(family "$task"); exit 137' TERM
wait "$task"
"""
# all processes of the step get the signal, the batch script does not
SCANCEL = """#!/bin/sh
if [ "$*" != "--signal=TERM 7" ]; then echo "scancel: $*?" >&2; exit 2; fi
task=$(cat "$TASK")
kill -TERM "$task" $(pgrep -P "$task")
"""
SCONTROL = '#!/bin/sh\nif [ "$1" = show ]; then echo 127.0.0.1; else echo "$*" >"$REQUEUED"; fi\n'


@pytest.mark.slow
def test_a_job_stops_before_its_time_limit_and_goes_on_when_it_is_put_back(tmp_path):
    for name, text in (("srun", SRUN), ("scancel", SCANCEL), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = plain_environment(
        PATH=f"{tmp_path}:{SCRIPTS}:{os.environ['PATH']}",
        SLURM_CPUS_PER_TASK="2",
        SLURM_JOB_ID="7",
        SLURM_JOB_NUM_NODES="1",
        SLURM_JOB_NODELIST="here",
        SLURM_SUBMIT_DIR=str(ROOT),
        TASK=str(tmp_path / "task"),
        REQUEUED=str(tmp_path / "requeued"),
        TMPDIR=str(tmp_path),
    )
    folder = tmp_path / "run"

    def job(*typed: str) -> subprocess.Popen:
        with (tmp_path / "log").open("a") as log:
            return subprocess.Popen(
                ["bash", str(ROOT / "scripts" / "slurm.sh"), str(folder), *typed],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def until(happened, process: subprocess.Popen) -> None:
        end = time.monotonic() + 90
        while not happened():
            assert time.monotonic() < end, log(tmp_path)
            assert process.poll() is None, log(tmp_path)
            time.sleep(0.01)

    typed = ["model=bm1972", "run.N_episodes=1500", "CHECKPOINT_INTERVAL=5"]
    first = job(*typed)
    try:
        until(lambda: last_episode(folder) >= 10, first)
        first.send_signal(signal.SIGUSR1)
        first.wait(timeout=60)
    finally:
        if first.poll() is None:
            os.killpg(first.pid, signal.SIGTERM)
    assert log(tmp_path).count("interrupted at episode") == 1, log(tmp_path)
    assert (tmp_path / "requeued").read_text() == "requeue 7\n"
    episode = last_episode(folder)
    assert 10 <= episode < 1500
    assert len(last(folder)["others"]) == 1
    unused = f"slurm.sh: {folder} goes on with its own configuration; not used: {' '.join(typed)}\n"
    assert unused not in log(tmp_path)
    again = job(*typed)
    assert again.wait(timeout=300) == 0, log(tmp_path)
    assert log(tmp_path).count(unused) == 1
    assert f"Resumed from ckpt-{episode}" in log(tmp_path)
    assert last_episode(folder) == 1500


def log(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")
