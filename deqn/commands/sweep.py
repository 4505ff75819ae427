"""`deqn sweep`: many runs, several at a time; what is killed goes on where it was."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.progress import BarColumn, Progress, TextColumn

from deqn.analysis.sweep import Job, given_up, measured, read
from deqn.commands import entry
from deqn.commands.sweep_table import SweepTable
from deqn.configuration import space as spaces
from deqn.configuration.compose import Composed, compose
from deqn.configuration.overrides import RUN_DIR_VARIABLE, parse_overrides, quoted
from deqn.configuration.space import Space
from deqn.disk.checkpoint import Checkpoints
from deqn.disk.run_folder import RunFolder
from deqn.disk.study import Study, Trial
from deqn.errors import CheckpointError, ConfigError, count
from deqn.processes.jobs import Job as Process
from deqn.processes.jobs import cores
from deqn.processes.launch import launched
from deqn.processes.programs import from_here, to_type
from deqn.processes.signals import Signals

_DRAWS = 20
_MEASUREMENTS = 20  # of a run
_LOOK = 0.1  # seconds
_ASKED = "sweep.json"
_FOLDER = "hydra.sweep.dir"


def main() -> None:
    """Sweeps as `sys.argv` says; ends the process."""
    parser = argparse.ArgumentParser(
        prog=sys.argv[0],
        usage="%(prog)s [options] key=value key=value,value 'key=interval(low,high)' ...",
        description="Trains a run for each combination of values, several at a time. Where a key has an interval, or --trials is "
        "given, Optuna draws the combinations. The same command, or hydra.sweep.dir=<folder> alone, goes on with a sweep that "
        "was stopped or killed.",
        epilog="docs: docs/howto/sweeps.md",
    )
    parser.add_argument(
        "overrides", nargs="*", help="seed=1,2,3 'optimizer.learning_rate=tag(log,interval(1e-5,1e-2))'"
    )
    parser.add_argument("--space", metavar="FILE.yaml", help="a file with more keys and their values, under params:")
    parser.add_argument(
        "--trials", type=int, metavar="N",
        help=f"combinations that are drawn, each trained with every seed; {_DRAWS} where a key has an interval",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="runs at a time; as many as there are cores, one on a GPU"
    )
    parser.add_argument(
        "--prune", action=argparse.BooleanOptionalAction, default=None,
        help="give up a run that is less accurate on fresh states than the median of those before; the default where "
        "combinations are drawn",
    )  # fmt: skip
    parser.add_argument(
        "--only", type=int, metavar="K", help="trains job K of a grid alone, for arrays of jobs on a cluster"
    )
    parser.add_argument("--config-dir", metavar="DIR", help="a folder with YAML files that join the groups")
    parser.add_argument("--from", dest="library", metavar="DIR", help="a folder of the TensorFlow library, as it is")
    parser.add_argument(
        "--strict", action="store_true", help="exit status 6 where a run is not judged to have solved its model"
    )
    options = parser.parse_intermixed_args()
    entry.finish(lambda: _sweep(options))


def _sweep(options: argparse.Namespace) -> int:
    if launched() is not None:
        raise ConfigError(
            "deqn sweep starts its runs itself, each with one process: start it without torchrun, horovodrun or srun. To train "
            "each run with several processes, sweep with `-m`: docs/howto/cluster.md."
        )
    for name in ("trials", "jobs"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise ConfigError(f"--{name} {getattr(options, name)}: expected a whole number of at least 1.")
    asked = _asked(options)
    os.environ.pop(RUN_DIR_VARIABLE, None)  # the runs have that of the sweep, whoever goes on with it
    if asked["run_dir"] is not None:
        os.environ[RUN_DIR_VARIABLE] = asked["run_dir"]
    plan = Plan(asked)
    if options.only is not None:
        return plan.train_only(options.only)
    with plan.held():
        return Sweep(plan).run(asked["strict"])


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """What is asked for: by this command line or, where it names a folder alone, by that of the sweep in it."""
    folders = [line.partition("=")[2].strip("\"'") for line in options.overrides if line.startswith(f"{_FOLDER}=")]
    typed = [line for line in options.overrides if not line.startswith(f"{_FOLDER}=")]
    now = datetime.now()
    folder = Path(folders[-1] if folders else f"multirun/{now:%Y-%m-%d}/{now:%H-%M-%S}").resolve()
    asked = {
        "overrides": typed, "folder": str(folder), "space": _whole(options.space), "config_dir": _whole(options.config_dir),
        "library": _whole(options.library), "run_dir": _whole(os.environ.get(RUN_DIR_VARIABLE)),
        "trials": options.trials, "prune": options.prune, "jobs": options.jobs, "strict": options.strict,
    }  # fmt: skip
    file = folder / _ASKED
    try:
        before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    except ValueError as error:
        raise CheckpointError(f"{file} cannot be read: {error}. Give another {_FOLDER}.") from error
    if before is None:
        if any(folder.glob("*/run.json")) or (folder / "sweep.csv").exists():
            raise CheckpointError(f"{folder} holds runs that deqn sweep has not started. Give another {_FOLDER}.")
        if not typed and options.space is None:
            where = f"there is no sweep in {folder}" if folders else "nothing is to be swept"
            raise ConfigError(f"{where}. Give the model and the values, such as model=bm1972 seed=1,2,3.")
        return asked
    if not typed and options.space is None:  # it goes on as it was asked for
        again = {key: asked[key] for key in ("trials", "jobs") if asked[key] is not None}
        return {**before, "folder": str(folder), **again, "strict": options.strict or before["strict"]}
    same = ("overrides", "space", "config_dir", "library", "run_dir", "prune")
    differs = [key for key in same if asked[key] != before[key]]
    if differs:
        raise CheckpointError(
            f"{folder} holds another sweep: {'; '.join(f'{key} {before[key]} -> {asked[key]}' for key in differs)}. Give "
            f"{_FOLDER}={from_here(folder)} alone to go on with it, or another {_FOLDER}."
        )
    return asked | {key: before[key] for key in ("trials", "jobs") if asked[key] is None}


def _whole(path: str | None) -> str | None:
    return None if path is None else str(Path(path).resolve())


class Plan:
    """What a sweep trains, checked before anything is written.

    Attributes:
        folder: that of the sweep; the jobs' run folders lie in it by their numbers.
        space: what is swept.
        draws: combinations that are drawn; None where all are trained.
        prune: whether runs are given up early.
        together: runs at a time.
    """

    def __init__(self, asked: dict[str, Any]) -> None:
        self._asked = asked
        self.folder = Path(asked["folder"])
        self.space: Space = spaces.read(asked["overrides"], None if asked["space"] is None else Path(asked["space"]))
        self._refuse_own_keys()
        trials = asked["trials"] or self.space.trials
        self.draws = trials or (_DRAWS if self.space.intervals else None)
        pruned = [wish for wish in (asked["prune"], self.space.prune) if wish is not None]
        self.prune = pruned[0] if pruned else self.draws is not None
        first, *_ = [self._compose(point) for point in self.space.samples()]
        self.episodes = first.config.run.N_episodes
        self._every = first.config.run.accuracy.every or max(1, self.episodes // _MEASUREMENTS)
        grid = 1 if self.space.intervals else len(self.space.grid())
        seeds = len(self.space.choices.get("seed", [""]))
        self.n_jobs = grid if self.draws is None else self.draws * seeds
        self.together = min(asked["jobs"] or _at_a_time(first), self.n_jobs)

    def _refuse_own_keys(self) -> None:
        own = {"hydra.run.dir": "the run folders are numbered", "STARTING_POINT": "a sweep goes on by itself"}
        for line in (*self.space.fixed, *self.space.typed):
            key = line.partition("=")[0]
            if key in own:
                raise ConfigError(f"{line}: leave it out, {own[key]} in {_FOLDER}.")

    def _compose(self, point: dict[str, str]) -> Composed:
        lines = [*self.space.fixed, *(f"{key}={value}" for key, value in point.items())]
        asked = self._asked
        return compose(lines, asked["config_dir"], asked["run_dir"], library=asked["library"])

    def begin(self) -> None:
        """Makes the folder, and writes what was asked for."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = self.folder / f"{_ASKED}.{os.getpid()}.tmp"
            temporary.write_text(json.dumps(self._asked, indent=1), encoding="utf-8")
            os.replace(temporary, self.folder / _ASKED)
        except OSError as error:
            raise CheckpointError(
                f"{self.folder} cannot be written: {error.strerror}. Give another {_FOLDER}."
            ) from error

    def held(self) -> FileLock:
        """The folder, for one sweep at a time."""
        self.begin()
        lock = FileLock(self.folder / "sweep.lock", blocking=False)
        try:
            lock.acquire()
        except Timeout:
            raise CheckpointError(f"{self.folder}: another deqn sweep is at work there. Wait for it.") from None
        return lock

    def folder_of(self, number: int) -> Path:
        return self.folder / str(number)

    def command(self, number: int, point: dict[str, str]) -> list[str]:
        """The arguments of `deqn train` for a job, which goes on where it has a checkpoint."""
        folder, asked = self.folder_of(number), self._asked
        lines = [
            *self.space.fixed,
            *(f"{key}={value}" for key, value in point.items()),
            f"hydra.run.dir={quoted(str(folder))}",
        ]
        if self.prune and not any(o.key_or_group == "run.accuracy.every" for o in parse_overrides(lines)):
            lines.append(f"run.accuracy.every={self._every}")
        if Checkpoints(folder).names():
            lines.append("STARTING_POINT=LATEST")
        places = {"--config-dir": asked["config_dir"], "--from": asked["library"]}
        return [*(word for name, place in places.items() if place for word in (name, place)), *lines]

    def train_only(self, number: int) -> int:
        """One job of a grid, in this process."""
        if self.draws is not None:
            raise ConfigError("--only takes a job of a grid: what Optuna draws depends on the runs before.")
        points = self.space.grid()
        if not 0 <= number < len(points):
            raise ConfigError(f"--only {number}: expected a job from 0 to {len(points) - 1}.")
        self.begin()
        from deqn.commands import train

        sys.argv = ["deqn train", *self.command(number, points[number])]
        train.main()  # ends the process
        return 0


def _at_a_time(composed: Composed) -> int:
    """Runs that find a core each; on a GPU one."""
    device = composed.config.device
    if device == "auto":
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    return 1 if device.startswith("cuda") else max(1, cores() // composed.config.run.threads)


class Sweep:
    """Trains the jobs of a plan and tells of them."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._table = plan, SweepTable()
        self._study = Study(plan.folder, plan.space, plan.draws, plan.prune, plan.episodes, plan.together)
        self._running: dict[Process, Trial] = {}
        self._killed: list[int] = []
        self._bar: Progress | None = None

    def run(self, strict: bool) -> int:
        """The exit status: 0, 2 where all jobs failed, 6 where one is not solved and `strict` asks, 130 and the like."""
        plan, table = self._plan, self._table
        how = f"{count(plan.together, 'run')} at a time"
        if plan.draws is not None:
            how += f"; {count(plan.draws, 'combination')} drawn by Optuna"
        if plan.prune:
            how += "; those less accurate on fresh states than the median are given up"
        typed = {key.lstrip("+"): text for key, text in plan.space.typed.items()}
        table.begin(plan.folder, typed, plan.n_jobs, f"{how}\nbelow: a line for each job that has ended\n")
        with Signals() as signals, self._progress():
            for job in self._before():
                table.ended(job)
            while not signals.received and (trials := self._study.next()):
                self._round(deque(trials), signals)
                if self._killed:
                    break
        table.close()
        again = to_type(f"deqn sweep {_FOLDER}={shlex.quote(from_here(plan.folder))}")
        if signals.received:
            print(f"stopped; to go on: {again}", file=sys.stderr)
            return 128 + signals.received
        if self._killed:
            print(
                f"killed from outside: job {', '.join(map(str, self._killed))} (out of memory? give --jobs 1). To go on: {again}",
                file=sys.stderr,
            )
            return 5
        failed = [job for job in table.jobs if not job.judged and not job.pruned]
        if failed:
            folders = ", ".join(from_here(job.folder) for job in failed)
            print(f"{len(failed)} of {count(len(table.jobs), 'job')} failed: {folders}", file=sys.stderr)
        if len(failed) == len(table.jobs):
            return 2
        return 6 if strict and any(job.judged and not job.ok for job in table.jobs) else 0

    def _progress(self) -> Progress:
        self._bar = Progress(
            BarColumn(bar_width=20), TextColumn("{task.description}", markup=False), console=self._table.console,
            transient=True, disable=not self._table.console.is_terminal,
        )  # fmt: skip
        self._bar.add_task("", total=self._plan.n_jobs)
        return self._bar

    def _before(self) -> list[Job]:
        """The jobs of trials that had ended before this start."""
        return [
            self._found(number, point, pruned, "" if pruned or finished else "failed before")
            for number, point, pruned, finished in self._study.ended()
        ]

    def _round(self, waiting: deque[Trial], signals: Signals) -> None:
        """Trains trials, as many at a time as the plan says, and notes their ends in the order of their numbers."""
        ended: dict[int, tuple[Trial, int, str]] = {}
        order = [trial.number for trial in waiting]
        while waiting or self._running:
            while waiting and len(self._running) < self._plan.together and not signals.received:
                folder = RunFolder(self._plan.folder_of(waiting[0].number))
                if folder.in_use():  # a run of a sweep that was killed writes its last checkpoint
                    break
                trial = waiting.popleft()
                if trial.pruned is not None or "verdict" in folder.read():
                    self._report(trial)
                    ended[trial.number] = (trial, 0, "")
                else:
                    self._start(trial)
            if signals.received:
                waiting.clear()
            for process, trial in [*self._running.items()]:
                if signals.received:
                    process.stop()
                else:
                    self._report(trial)
                if trial.pruned is not None:
                    process.stop()
                if process.code is not None:
                    del self._running[process]
                    error = process.close()
                    if not signals.received:
                        self._report(trial)
                        ended[trial.number] = (trial, process.code, error)
            while order and order[0] in ended:
                self._tell(*ended.pop(order.pop(0)))
            self._show()
            if waiting or self._running:
                time.sleep(_LOOK)
        for number in order:
            if number in ended:
                self._tell(*ended[number])

    def _start(self, trial: Trial) -> None:
        plan = self._plan
        command = plan.command(trial.number, trial.overrides)
        self._running[Process("deqn.commands.job", command, plan.folder / "logs" / f"{trial.number}.txt")] = trial

    def _report(self, trial: Trial) -> None:
        for row in measured(self._plan.folder_of(trial.number)):
            trial.report(int(row["episode"]), float(row["mean_residual"]))

    def _tell(self, trial: Trial, code: int, error: str) -> None:
        """Notes how a trial has ended; one that was killed from outside stays open, and goes on in the next start."""
        if trial.pruned is None and (code < 0 or code > 128):
            self._killed.append(trial.number)
            return
        job = self._found(trial.number, trial.overrides, trial.pruned, error, code)
        trial.tell(job.figures.get("mean_residual") if job.judged else None)
        self._table.ended(job)
        if error and not job.judged and trial.pruned is None:
            print(f"job {trial.number}: {error}", file=sys.stderr)

    def _found(self, number: int, point: dict[str, str], pruned: int | None, error: str, code: int = 0) -> Job:
        folder = self._plan.folder_of(number)
        lines: Sequence[str] = [f"{key}={value}" for key, value in point.items()]
        if pruned is not None:
            return given_up(number, dict(line.lstrip("+").partition("=")[::2] for line in lines), folder, pruned)
        return read(number, lines, folder, code, error)

    def _show(self) -> None:
        if self._bar is None or not self._table.console.is_terminal:
            return
        lines = [
            f"{trial.number}: {process.last_line().partition(' | ')[0]}" for process, trial in self._running.items()
        ]
        self._bar.update(self._bar.task_ids[0], completed=len(self._table.jobs), description="; ".join(lines))
