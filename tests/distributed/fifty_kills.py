"""Kills a run at random moments, resumes it each time, and compares its end with that of a run that was never killed.

python -m tests.distributed.fifty_kills --processes 2 --kills 50
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import assert_same
from tests.distributed.launches import Launch, last, last_episode, launch

# a checkpoint after each of the short episodes
RUN = [
    "model=bm1972", "net.layers.0.hidden.units=16", "net.layers.1.hidden.units=16", "hydra.run.dir=run", "CHECKPOINT_INTERVAL=1",
]  # fmt: skip
RESUME = ["STARTING_POINT=LATEST", "hydra.run.dir=run"]
EPISODES_PER_KILL = 60


@dataclass
class Killed:
    """What happened.

    Attributes:
        kills: processes killed.
        writing: of them, while a checkpoint was being written (its temporary file was left).
        preparing: before the first episode of a start.
        seconds: the longest time until the other processes had ended.
        episode: where the last kill left the run.
    """

    kills: int = 0
    writing: int = 0
    preparing: int = 0
    seconds: float = 0.0
    episode: int = 0


def kill_and_resume(cwd: Path, processes: int, kills: int, seed: int = 0) -> Killed:
    """Trains in `cwd/run` and is killed so many times; in `cwd/whole` nothing happens.

    Raises:
        AssertionError: when anything but the killed processes fails, or the two ends differ in a bit.
    """
    moments, killed = random.Random(seed), Killed()
    length = f"run.N_episodes={EPISODES_PER_KILL * kills}"
    folder = cwd / "run"
    for _ in range(kills):
        before = last_episode(folder)
        typed = [*RUN, length] if before == 0 else RESUME
        environment = {} if before == 0 else {"USE_CONFIG_FROM_RUN_DIR": "run"}
        with Launch("srun", processes, cwd, *typed, **environment) as run:
            when = moments.choice(["preparing", "training", "training", "writing", "writing"])
            delay, victim = moments.random(), moments.randrange(processes)
            if when == "preparing":
                time.sleep(4 * delay)
            else:
                run.until(lambda before=before: last_episode(folder) > before)
                time.sleep(0.15 * delay)
            if when == "writing":
                _until_writing(run, folder)
            assert run.processes[victim].poll() is None, run.text
            # before they have met, the others could only wait for the one that is gone: all are killed
            victims = range(processes) if when == "preparing" else [victim]
            for rank in victims:
                run.kill(rank)
            began = time.monotonic()
            codes = run.wait(30)
            killed.seconds = max(killed.seconds, time.monotonic() - began)
            assert codes == [-9 if rank in victims else 5 for rank in range(processes)], run.text
        left = list((folder / "ckpt").glob("*.tmp"))
        killed.kills += 1
        killed.writing += bool(left)
        killed.episode = last_episode(folder)
        killed.preparing += killed.episode == before
        for path in left:
            path.unlink()  # to be counted once; the next start does not mind it
        assert killed.episode >= before
    assert killed.episode < EPISODES_PER_KILL * kills, "it was over before the last kill"
    launch("srun", processes, cwd, *RESUME, USE_CONFIG_FROM_RUN_DIR="run", timeout=600)
    launch("srun", processes, cwd, *RUN, length, "hydra.run.dir=whole", timeout=600)
    assert_same(last(folder), last(cwd / "whole"))
    return killed


def _until_writing(run: Launch, folder: Path) -> None:
    """Until the temporary file of a checkpoint is there."""
    until = time.monotonic() + 10
    while time.monotonic() < until and all(process.poll() is None for process in run.processes):
        if any((folder / "ckpt").glob("*.tmp")):
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(kill_and_resume(Path(name), asked.processes, asked.kills, asked.seed))
