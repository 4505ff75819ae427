"""Stopped and resumed as a user does it: real processes, real signals, the same parameters in the end."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deqn.disk.checkpoint import Checkpoints
from tests.conftest import ROOT, TINY, assert_same, plain_environment

N_EPISODES = 30
RUN = [*TINY, f"run.N_episodes={N_EPISODES}", "++net.layers.1.hidden.dropout_rate=0.1", "hydra.run.dir=run"]
# a slower gradient step, so that a signal finds the run under way on any machine; the numbers are untouched
SLOW_HOOKS = """
import time

def cycle_hook(state, i):
    time.sleep(0.1)
"""


def last(folder: Path) -> dict:
    """The newest checkpoint without its header."""
    payload, _, _ = Checkpoints(folder).load("LATEST")
    return {key: value for key, value in payload.items() if key != "header"}


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "brock_mirman").mkdir()
    for file in ("Calibration", "Definitions", "Dynamics", "Equations"):
        (folder / "brock_mirman" / f"{file}.py").write_text((ROOT / f"models/brock_mirman/{file}.py").read_text())
    (folder / "brock_mirman" / "Hooks.py").write_text(SLOW_HOOKS)
    return folder


def test_three_and_three_more_equal_six_from_the_command_line(answer, tmp_path):
    """With dropout and a schedule over the six episodes; the second half reads the configuration of the first."""
    typed = [*TINY, "++net.layers.1.hidden.dropout_rate=0.1", "optimizer.schedule_kwargs={decay_steps: 48}"]
    assert answer(*typed, "run.N_episodes=6", "hydra.run.dir=whole").code == 0
    assert answer(*typed, "run.N_episodes=3", "hydra.run.dir=parts").code == 0
    more = answer("STARTING_POINT=LATEST", "run.N_episodes=6", USE_CONFIG_FROM_RUN_DIR="parts")
    assert more.code == 0, more.err
    assert "Resumed from ckpt-3: 3 episodes, 24 gradient steps." in more.out
    assert_same(last(tmp_path / "parts"), last(tmp_path / "whole"))


def start(cwd: Path, *arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "run_deepnet.py"), *arguments],
        cwd=cwd,
        env=plain_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def uninterrupted(models_dir, tmp_path_factory) -> dict:
    cwd = tmp_path_factory.mktemp("whole")
    process = start(cwd, *RUN, f"MODELS_DIR={models_dir}")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, out + err
    return last(cwd / "run")


def wait_for(folder: Path, name: str, process: subprocess.Popen) -> None:
    """Until a checkpoint is there; the process must still be running then."""
    until = time.monotonic() + 120
    while not Checkpoints(folder).path(name).is_file():
        assert time.monotonic() < until, "no checkpoint in two minutes"
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_a_run_that_a_signal_stopped_resumes_to_the_same_end(number, status, tmp_path, models_dir, uninterrupted):
    process = start(tmp_path, *RUN, f"MODELS_DIR={models_dir}")
    wait_for(tmp_path / "run", "ckpt-3", process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status, out + err
    assert "Traceback" not in err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"
    assert last(tmp_path / "run")["episode"] < N_EPISODES

    line = re.search(r"^interrupted at episode \d+; resume: (.*)$", out, re.MULTILINE)
    assert line, out
    words = shlex.split(line[1])  # the printed line is what a user pastes
    assert words[0] == "USE_CONFIG_FROM_RUN_DIR=run"
    assert words[1].endswith("python")  # or its path, where PATH leads to another one
    assert words[2] == str(ROOT / "run_deepnet.py")
    resumed = start(tmp_path, *words[3:], USE_CONFIG_FROM_RUN_DIR="run")
    out, err = resumed.communicate(timeout=200)
    assert resumed.returncode == 0, out + err
    assert_same(last(tmp_path / "run"), uninterrupted)


def test_a_killed_run_resumes_to_the_same_end(tmp_path, models_dir, uninterrupted):
    process = start(tmp_path, *RUN, f"MODELS_DIR={models_dir}")
    wait_for(tmp_path / "run", "ckpt-3", process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    resumed = start(tmp_path, "STARTING_POINT=LATEST", "hydra.run.dir=run", USE_CONFIG_FROM_RUN_DIR="run")
    out, err = resumed.communicate(timeout=200)
    assert resumed.returncode == 0, out + err
    assert_same(last(tmp_path / "run"), uninterrupted)
    lines = [line for line in (tmp_path / "run" / "error_file.txt").read_text().splitlines() if line]
    assert len(lines) >= 2 * N_EPISODES  # two epochs an episode; the episode that was killed may be there twice


def test_a_folder_in_use_is_refused_and_the_run_in_it_is_untouched(tmp_path, models_dir):
    process = start(tmp_path, *RUN, "run.N_episodes=10000", f"MODELS_DIR={models_dir}")
    try:
        wait_for(tmp_path / "run", "ckpt-1", process)
        second = start(tmp_path, *RUN, "seed=5", f"MODELS_DIR={models_dir}")
        _, err = second.communicate(timeout=120)
        assert second.returncode == 2
        assert f"in use by process {process.pid}" in err
        assert "Traceback" not in err
        assert json.loads((tmp_path / "run" / "run.json").read_text())["seed"] == 0
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143
