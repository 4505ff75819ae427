"""A sweep on the terminal: the header once, a line a job, a table at the end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from deqn.analysis.sweep import Job, Summary, read, short, written
from deqn.configuration.compose import Composed
from deqn.economy.probe import Report
from deqn.errors import count
from deqn.processes.programs import from_here, to_type
from deqn.training.monitor import Monitor
from deqn.training.terminal import terminal

Train = Callable[[Composed, Callable[..., Monitor]], int]


class JobMonitor(Monitor):
    """Shows a job of a sweep: what a job before it has shown is not shown again, and its closing summary is the sweep's.

    Args:
        shown: names of models and notes that were shown; added to.
    """

    seconds_between_lines = 60.0
    stays = False

    def __init__(self, shown: set[str], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._shown = shown

    def start(self, report: Report, seconds: float | None = None) -> None:
        notes = [*self.model.calibrated.notes, *report.notes]
        if self.model.name not in self._shown:
            if self._shown:
                self.console.print()
            super().start(report, seconds)
            self.console.print()
        else:
            for note in notes:
                if note not in self._shown:
                    self.message(note)
        self._shown |= {self.model.name, *notes}

    def close(self, accuracy: Table, lines: list[str], verdict: list[str], ok: bool) -> None:
        """Nothing: it stands in run.json, and in the table of the sweep."""


class Sweep:
    """Trains the jobs of a sweep and tells of them.

    Args:
        train: one run, shown and recorded by the monitor that it is given the maker of.
    """

    def __init__(self, train: Train) -> None:
        self._train = train
        self._console = terminal()
        self._jobs: list[Job] = []
        self._shown: set[str] = set()
        self._run_folder: Path | None = None
        self._swept: list[str] = []
        self._n_jobs: int | None = None
        self._folder, self._began = Path(), 0.0

    def begin(self, folder: Path, swept: Mapping[str, str], n_jobs: int | None) -> None:
        """How many jobs there are, and where."""
        self._folder, self._swept, self._began = folder, [*swept], time.perf_counter()
        self._n_jobs = n_jobs
        typed = " ".join(f"{key}={values}" for key, values in swept.items())
        jobs = "a sweep" if n_jobs is None else f"a sweep of {count(n_jobs, 'job')}"
        self._print(f"{jobs}: {typed or 'no key has several values'}")
        self._print(f"folder: {from_here(folder)}")
        self._print("below: the header of the first job, then a line for each job that has ended\n")

    def train(self, composed: Composed) -> int:
        return self._train(composed, self._monitor)

    def _monitor(self, model: Any, folder: Any, **options: Any) -> Monitor:
        self._run_folder = folder.path
        return JobMonitor(self._shown, model, folder, **options)

    def ended(self, number: int, overrides: Sequence[str], folder: Path, code: int, error: str) -> None:
        """A line with what one compares."""
        job = read(number, overrides, self._run_folder or folder, code, error)
        self._run_folder = None
        self._jobs.append(job)
        keys = [key for key in self._swept if key in job.overrides]
        what = " ".join(f"{short(key, keys)}={job.overrides[key]}" for key in keys) or "as typed"
        figures = [
            f"{label} {written(name, job.figures[name])}".strip()
            for name, label in {"loss": "loss", "mean_residual": "|residual|", "seconds": ""}.items()
            if name in job.figures
        ]
        verdict = f"verdict {job.verdict}" if job.judged else job.verdict
        figures.insert(-1 if "seconds" in job.figures else len(figures), verdict)
        where = job.folder.name if job.folder.parent == self._folder else from_here(job.folder)
        of = "" if self._n_jobs is None else f"/{self._n_jobs}"
        self._print(f"[{len(self._jobs)}{of}] {what}: {', '.join(figures)}; {where}/")

    def close(self) -> None:
        """The table, and the same as `sweep.csv`."""
        summary = Summary(self._jobs, self._swept)
        seconds = written("seconds", time.perf_counter() - self._began)
        of = "" if self._n_jobs in (None, len(self._jobs)) else f" (of {self._n_jobs})"
        jobs = f"{count(len(self._jobs), 'job')}{of}"
        self._print(f"\n{jobs} in {seconds}; |residual| is that on states simulated after training")
        self._console.print(summary.table(self._console), soft_wrap=False)
        try:
            files = summary.write(self._folder)
        except OSError as error:
            self._print(f"sweep.csv cannot be written: {error.strerror}")
        else:
            self._print(f"the same: {' and '.join(from_here(file) for file in files)}")
        if any(job.judged and not job.ok for job in self._jobs):
            self._print("what the verdict has found, and what to try: under `verdict` in the run.json of each job")
        self._print(f"next:\n  {to_type(f'tensorboard --logdir {shlex.quote(from_here(self._folder))}')}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False)
