"""The jobs of Hydra's sweeps (`-m`): the header once, a line a job, a table at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from deqn.analysis.sweep import read
from deqn.commands.sweep_table import SweepTable
from deqn.configuration.compose import Composed
from deqn.economy.probe import Report
from deqn.training.monitor import Monitor

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


class Multirun(SweepTable):
    """Trains the jobs of a sweep and tells of them.

    Args:
        train: one run, shown and recorded by the monitor that it is given the maker of.
    """

    def __init__(self, train: Train) -> None:
        super().__init__()
        self._train = train
        self._shown: set[str] = set()
        self._run_folder: Path | None = None

    def start(self, folder: Path, swept: Mapping[str, str], n_jobs: int | None) -> None:
        """Before the first job."""
        self.begin(
            folder, swept, n_jobs, "below: the header of the first job, then a line for each job that has ended\n"
        )

    def train(self, composed: Composed) -> int:
        return self._train(composed, self._monitor)

    def _monitor(self, model: Any, folder: Any, **options: Any) -> Monitor:
        self._run_folder = folder.path
        return JobMonitor(self._shown, model, folder, **options)

    def job_ended(self, number: int, overrides: Sequence[str], folder: Path, code: int, error: str) -> None:
        """After each job: its exit status, and its error."""
        self.ended(read(number, overrides, self._run_folder or folder, code, error))
        self._run_folder = None

    def end(self) -> None:
        """After the last job, or when the sweep is stopped."""
        self.close()
