"""`deqn sweep` as it is typed: several runs at a time, killed and gone on with."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deqn.disk.checkpoint import Checkpoints
from tests import warm
from tests.conftest import ROOT, TINY, plain_environment

SHORT = [*TINY, "run.N_episodes=3"]


def command(*typed: str) -> list[str]:
    return [warm.python(), "-m", "deqn", "sweep", *typed]


def sweep(cwd: Path, *typed: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*typed), cwd=cwd, env=plain_environment(COLUMNS="100", PYTHONPATH=str(ROOT), **environment),
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def table(folder: Path, without: tuple[str, ...] = ("seconds",)) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(encoding="utf-8", newline="") as file:
        return [{key: value for key, value in row.items() if key not in without} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def grid(tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Two learning rates and two seeds."""
    cwd = tmp_path_factory.mktemp("grid")
    return sweep(cwd, *SHORT, "seed=1,2", "optimizer.learning_rate=1e-3,1e-2", "hydra.sweep.dir=many"), cwd


def test_the_jobs_are_those_of_hydras_sweep(grid):
    process, cwd = grid
    assert process.returncode == 0, process.stderr
    rows = table(cwd / "many")
    assert [(row["job"], row["seed"], row["optimizer.learning_rate"]) for row in rows] == [
        ("0", "1", "0.001"), ("1", "1", "0.01"), ("2", "2", "0.001"), ("3", "2", "0.01")
    ]  # fmt: skip
    hydra = subprocess.run(
        [warm.python(), str(ROOT / "run_deepnet.py"), "-m", *SHORT, "seed=2", "optimizer.learning_rate=1e-3,1e-2",
         "hydra.sweep.dir=hydra"],
        cwd=cwd, env=plain_environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert hydra.returncode == 0, hydra.stderr
    figures = ("loss", "mean_residual", "max_residual", "policy_error", "verdict")
    for one, other in zip(rows[2:], table(cwd / "hydra"), strict=True):
        assert [one[name] for name in figures] == [other[name] for name in figures]


def test_the_table_the_figure_and_the_best_are_told(grid):
    process, cwd = grid
    assert "the same: many/sweep.csv, many/sweep_over_seeds.csv, many/sweep.png" in process.stdout
    assert (cwd / "many" / "sweep.png").stat().st_size > 5_000
    with (cwd / "many" / "sweep_over_seeds.csv").open(encoding="utf-8", newline="") as file:
        medians = {row["optimizer.learning_rate"]: float(row["median_mean_residual"]) for row in csv.DictReader(file)}
    best = min(medians, key=medians.__getitem__)
    assert f"smallest median over seeds of the mean |residual|: learning_rate={best}" in process.stdout


def test_what_each_run_said_is_kept(grid):
    logs = grid[1] / "many" / "logs"
    assert sorted(path.name for path in logs.iterdir()) == ["0.txt", "1.txt", "2.txt", "3.txt"]
    assert "verdict" in (logs / "3.txt").read_text() or "warning" in (logs / "3.txt").read_text()


def test_a_finished_sweep_trains_nothing_more(grid):
    _, cwd = grid
    before = {path: path.stat().st_mtime_ns for path in (cwd / "many").glob("*/run.json")}
    again = sweep(cwd, "hydra.sweep.dir=many")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("[") >= 4
    assert {path: path.stat().st_mtime_ns for path in (cwd / "many").glob("*/run.json")} == before


def test_another_sweep_in_the_folder_is_refused(grid):
    refused = sweep(grid[1], *SHORT, "seed=1,2,3", "hydra.sweep.dir=many")
    assert refused.returncode == 2
    assert "many holds another sweep: overrides" in refused.stderr


def test_killed_and_gone_on_with_it_ends_as_if_it_had_not_been(tmp_path):
    """Drawn, pruned and killed with -9: first while the first trials are trained, then while the next ones are."""
    typed = [
        *TINY,
        "run.N_episodes=30",
        "optimizer.learning_rate=tag(log,interval(1e-5,1e-1))",
        "--trials",
        "2",
        "--jobs",
        "1",
    ]
    whole = sweep(tmp_path, *typed, "hydra.sweep.dir=whole")
    assert whole.returncode == 0, whole.stderr

    def started(job: int):
        return Checkpoints(tmp_path / "killed" / str(job)).names()

    for job in (0, 1):
        process = subprocess.Popen(
            command(*typed, "hydra.sweep.dir=killed"), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=plain_environment(PYTHONPATH=str(ROOT)),
        )  # fmt: skip
        until = time.monotonic() + 120
        while not started(job) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert started(job)
    # at once: the run of the one that was killed may still write its last checkpoint
    again = sweep(tmp_path, "hydra.sweep.dir=killed")
    assert again.returncode == 0, again.stderr
    assert table(tmp_path / "killed") == table(tmp_path / "whole")


def test_ctrl_c_stops_the_runs_with_a_checkpoint_and_says_how_to_go_on(tmp_path):
    process = subprocess.Popen(
        command(*TINY, "run.N_episodes=100000", "seed=1,2", "hydra.sweep.dir=many", "--jobs", "2"), cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=plain_environment(PYTHONPATH=str(ROOT)),
    )  # fmt: skip
    until = time.monotonic() + 120
    while not all(Checkpoints(tmp_path / "many" / job).names() for job in "01") and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "hydra.sweep.dir=many" in err
    for job in "01":
        assert json.loads((tmp_path / "many" / job / "run.json").read_text())["status"] == "interrupted"


def test_one_job_of_a_grid_is_trained_alone_and_then_belongs_to_the_sweep(tmp_path):
    typed = [*SHORT, "seed=1,2", "hydra.sweep.dir=many"]
    assert sweep(tmp_path, *typed, "--only", "1").returncode == 0
    record = tmp_path / "many" / "1" / "run.json"
    before = record.stat().st_mtime_ns
    assert not (tmp_path / "many" / "0").exists()
    assert sweep(tmp_path, "hydra.sweep.dir=many").returncode == 0
    assert [row["seed"] for row in table(tmp_path / "many")] == ["1", "2"]
    assert record.stat().st_mtime_ns == before


def test_a_run_that_fails_is_named_and_ends_no_other(tmp_path):
    """A learning rate with which the loss is no number after a step or two."""
    typed = [*SHORT, "run.N_episodes=20", "optimizer.optimizer=SGD", "optimizer.learning_rate=1e-3,1e30"]
    ended = sweep(tmp_path, *typed, "hydra.sweep.dir=many", "--jobs", "1")
    assert ended.returncode == 0
    assert "1 of 2 jobs failed: many/1" in ended.stderr
    assert "job 1: TrainingError: not a finite number" in ended.stderr
    assert table(tmp_path / "many")[1]["verdict"] == "not finite"


WRONG = {
    "a value that is wrong in one job": (["seed=1,2", "optimizer.learning_rate=1e-3,-1"], "learning_rate = -1"),
    "an end of an interval": (["optimizer.learning_rate=interval(-1,1)"], "learning_rate = -1"),
    "an interval of a whole number": (["run.N_sim_batch=interval(16,64)"], "run.N_sim_batch = 34.34"),
    "a key in the wrong place": (["learning_rate=1e-3,1e-4"], "Write optimizer.learning_rate="),
    "nothing to sweep": (["seed=1"], "no key has several values"),
    "a run folder": (["seed=1,2", "hydra.run.dir=here"], "the run folders are numbered"),
    "a starting point": (["seed=1,2", "STARTING_POINT=LATEST"], "a sweep goes on by itself"),
    "no trials": (["seed=1,2", "--trials", "0"], "--trials 0: expected a whole number of at least 1"),
    "a job that there is not": (["seed=1,2", "--only", "2"], "--only 2: expected a job from 0 to 1"),
    "a job that is drawn": (["seed=1,2", "--trials", "3", "--only", "1"], "--only takes a job of a grid"),
    "a folder without a sweep": (["hydra.sweep.dir=nowhere"], "there is no sweep in "),
    "a file that is not there": (["--space", "nowhere.yaml"], "nowhere.yaml cannot be read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_before_a_folder_exists(tmp_path, case, monkeypatch, capsys):
    from deqn.commands import sweep as module

    typed, fragment = WRONG[case]
    model = [] if case == "a folder without a sweep" else ["model=brock_mirman"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["deqn sweep", *model, *typed])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 2
    assert fragment in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_runs_of_hydras_sweep_are_left_alone(tmp_path):
    (tmp_path / "many" / "0").mkdir(parents=True)
    (tmp_path / "many" / "0" / "run.json").write_text("{}")
    refused = sweep(tmp_path, *SHORT, "seed=1,2", "hydra.sweep.dir=many")
    assert refused.returncode == 2
    assert "many holds runs that deqn sweep has not started" in refused.stderr


def test_under_a_launcher_it_says_how_to_sweep_instead(tmp_path):
    refused = sweep(tmp_path, *SHORT, "seed=1,2", RANK="0", WORLD_SIZE="2", LOCAL_RANK="0", MASTER_ADDR="localhost",
                    MASTER_PORT="29999")  # fmt: skip
    assert refused.returncode == 2
    assert "start it without torchrun" in refused.stderr


def test_a_job_of_an_array_stops_before_its_time_limit_and_goes_on(tmp_path):
    """scripts/slurm_array.sh with a stand-in for scontrol."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "scontrol").write_text('#!/bin/sh\necho "$*" >requeued\n')
    (tmp_path / "bin" / "scontrol").chmod(0o755)
    environment = plain_environment(
        PATH=f"{tmp_path / 'bin'}:{Path(warm.python()).parent}:{os.environ['PATH']}", PYTHONPATH=str(ROOT),
        SLURM_SUBMIT_DIR=str(tmp_path), SLURM_ARRAY_JOB_ID="5", SLURM_ARRAY_TASK_ID="1", SLURM_NTASKS="1",
    )  # fmt: skip
    typed = ["hydra.sweep.dir=many", *TINY, "run.N_episodes=400", "seed=1,2", "CHECKPOINT_INTERVAL=5"]
    job = ["bash", str(ROOT / "scripts" / "slurm_array.sh"), *typed]
    checkpoints = Checkpoints(tmp_path / "many" / "1")
    first = subprocess.Popen(job, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not checkpoints.names() and time.monotonic() < until:
        time.sleep(0.02)
    first.send_signal(signal.SIGUSR1)
    assert first.wait(timeout=60) == 143
    assert (tmp_path / "requeued").read_text() == "requeue 5_1\n"
    reached = checkpoints.names()[-1]
    again = subprocess.run(job, env=environment, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert f"Resumed from {reached}" in again.stdout
    assert checkpoints.names()[-1] == "ckpt-400"
