"""What a sweep says while it goes on and at its end; its jobs may be trained by Hydra (`-m`) or by `deqn sweep`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from pathlib import Path

from deqn.analysis.sweep import Group, Job, Summary, short, written
from deqn.errors import count
from deqn.processes.programs import from_here, to_type
from deqn.training.terminal import terminal


class SweepTable:
    """A line for each job that has ended, then the table, and the same in files."""

    def __init__(self) -> None:
        self.console = terminal()
        self.jobs: list[Job] = []
        self.folder = Path()
        self._swept: list[str] = []
        self._n_jobs: int | None = None
        self._began = 0.0

    def begin(self, folder: Path, swept: Mapping[str, str], n_jobs: int | None, how: str) -> None:
        """How many jobs there are, and where.

        Args:
            swept: the keys with several values, and these as they were typed.
            n_jobs: None where it is not known.
            how: what is shown below, or how they are trained.
        """
        self.folder, self._swept, self._began, self._n_jobs = folder, [*swept], time.perf_counter(), n_jobs
        typed = " ".join(f"{key}={values}" for key, values in swept.items())
        jobs = "a sweep" if n_jobs is None else f"a sweep of {count(n_jobs, 'job')}"
        self.print(f"{jobs}: {typed or 'no key has several values'}")
        self.print(f"folder: {from_here(folder)}")
        self.print(how)

    def ended(self, job: Job) -> None:
        """A line with what one compares."""
        self.jobs.append(job)
        keys = [key for key in self._swept if key in job.overrides]
        what = " ".join(f"{short(key, keys)}={job.overrides[key]}" for key in keys) or "as typed"
        figures = [
            f"{label} {written(name, job.figures[name])}".strip()
            for name, label in {"loss": "loss", "mean_residual": "|residual|", "seconds": ""}.items()
            if name in job.figures
        ]
        verdict = f"verdict {job.verdict}" if job.judged else job.verdict
        figures.insert(-1 if "seconds" in job.figures else len(figures), verdict)
        where = job.folder.name if job.folder.parent == self.folder else from_here(job.folder)
        of = "" if self._n_jobs is None else f"/{self._n_jobs}"
        self.print(f"[{len(self.jobs)}{of}] {what}: {', '.join(figures)}; {where}/")

    def close(self) -> Summary:
        """The table, and the same in files."""
        summary = Summary(self.jobs, self._swept)
        seconds = written("seconds", time.perf_counter() - self._began)
        of = "" if self._n_jobs in (None, len(self.jobs)) else f" (of {self._n_jobs})"
        self.print(
            f"\n{count(len(self.jobs), 'job')}{of} in {seconds}; |residual| is that on states simulated after training"
        )
        self.console.print(summary.table(self.console), soft_wrap=False)
        try:
            files = summary.write(self.folder)
        except OSError as error:
            self.print(f"sweep.csv cannot be written: {error.strerror}")
        else:
            self.print(f"the same: {', '.join(from_here(file) for file in files)}")
        self._tell_of_best(summary)
        if any(job.judged and not job.ok for job in self.jobs):
            self.print("what the verdict has found, and what to try: under `verdict` in the run.json of each job")
        self.print(f"next:\n  {to_type(f'tensorboard --logdir {shlex.quote(from_here(self.folder))}')}")
        return summary

    def _tell_of_best(self, summary: Summary) -> None:
        best = summary.best()
        keys = [] if best is None else [key for key in self._swept if key in best.overrides]
        if best is None or not keys or len(self.jobs) < 2:  # only seeds were swept: there is nothing to choose
            return
        what = " ".join(f"{short(key, keys)}={best.overrides[key]}" for key in keys)
        over = "median over seeds of the " if isinstance(best, Group) else ""
        self.print(f"smallest {over}mean |residual|: {what}")

    def print(self, text: str) -> None:
        self.console.print(text, markup=False)
