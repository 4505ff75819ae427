"""What the runs of a sweep found, side by side: from their run.json alone."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from deqn.disk.run_folder import MEASURED, RunFolder
from deqn.training.terminal import duration

SEED = "seed"
# figure -> its heading; what is largest is worst
FIGURES = {
    "loss": "loss",
    "mean_residual": "mean |residual|",
    "max_residual": "max |residual|",
    "policy_error": "max |x - exact|",
    "seconds": "time",
}
_LINES = 40  # of the figure: the best combinations
_NOT_SOLVED = 6
_REFUSED = 2


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Attributes:
        number: that of the sweep, from 0.
        overrides: key -> value, as they were typed.
        folder: its run folder.
        verdict: `ok`, the kinds of what was found, or how the run ended where that was before the verdict.
        figures: those of `FIGURES` that are known: loss of the last epoch per state, |residual| on the states simulated
            after training, the largest distance to a closed form, seconds of training.
        error: what went wrong, in one line.
        pruned: whether it was given up; its residuals are then the last that were measured.
    """

    number: int
    overrides: Mapping[str, str]
    folder: Path
    verdict: str
    figures: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    pruned: bool = False

    @property
    def ok(self) -> bool:
        return self.verdict == "ok"

    @property
    def judged(self) -> bool:
        """Whether it ended with a verdict."""
        return "mean_residual" in self.figures and not self.pruned


def read(number: int, overrides: Sequence[str], folder: Path, code: int = 0, error: str = "") -> Job:
    """A job from the run.json in its folder.

    Args:
        overrides: `seed=1`, ...
        code: its exit status; where it was refused, what lies in the folder is not its own.
    """
    keys = dict(line.lstrip("+").partition("=")[::2] for line in overrides)
    record: Mapping[str, Any] = {} if code == _REFUSED else RunFolder(folder).read()
    figures = {name: record[name] for name in ("loss", "seconds") if name in record}
    verdict = record.get("status", "refused" if code == _REFUSED else "failed")
    if code in (0, _NOT_SOLVED) and "verdict" in record:
        findings = record["verdict"]["findings"]
        verdict = ", ".join(finding["kind"] for finding in findings) or "ok"
        rows = [*record["accuracy"].values()]
        figures |= {"mean_residual": rows[-1]["mean"], "max_residual": rows[-1]["max"]}  # the last one: all equations
        known = record.get("closed_form") or record.get("reference")
        if known:
            figures["policy_error"] = max(row["max"] for row in known.values())
    return Job(number, keys, folder, verdict, figures, " ".join(error.split()))


def given_up(number: int, overrides: Mapping[str, str], folder: Path, episode: int) -> Job:
    """A job that was pruned after an episode, with what was measured there; whatever it has trained since."""
    figures = {}
    for row in measured(folder):
        if int(row["episode"]) == episode:
            figures = {name: float(row[name]) for name in ("mean_residual", "max_residual")}
    return Job(number, overrides, folder, f"pruned after episode {episode}", figures, pruned=True)


def measured(folder: Path) -> list[dict[str, str]]:
    """What a run has measured on fresh states up to now: rows of `episode`, `mean_residual`, `max_residual`."""
    try:
        with (folder / MEASURED).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []


def written(figure: str, value: float | None) -> str:
    """'1.2e-06', '12 s'; '' where it is not known."""
    if value is None:
        return ""
    if figure == "seconds":
        return duration(value) if value >= 10 else f"{value:.1f} s"
    return f"{value:.1e}"


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed only."""

    overrides: Mapping[str, str]
    jobs: Sequence[Job]

    def of(self, statistic: Callable[[Sequence[float]], float], figure: str) -> float | None:
        """Over the jobs that ended with a verdict."""
        values = [job.figures[figure] for job in self.jobs if job.judged and figure in job.figures]
        return statistic(values) if values else None

    @property
    def verdict(self) -> str:
        return f"{sum(job.ok for job in self.jobs)} of {len(self.jobs)} ok"


def worst(values: Sequence[float]) -> float:
    """The largest; what is not a number is worse than any."""
    return max(values, key=lambda value: math.inf if math.isnan(value) else value)


STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {"median": median, "worst": worst}


class Summary:
    """The jobs of a sweep in the order of their numbers.

    Args:
        swept: the keys that tell the jobs apart; else those whose values differ.

    Attributes:
        figures: those of `FIGURES` that some job has.
        groups: over seeds; empty where the seed is not swept.
    """

    def __init__(self, jobs: Sequence[Job], swept: Sequence[str] = ()) -> None:
        self.jobs = sorted(jobs, key=lambda job: job.number)
        every = list(dict.fromkeys(key for job in self.jobs for key in job.overrides))
        self.swept = list(swept) or [k for k in every if len({job.overrides.get(k) for job in self.jobs}) > 1]
        self.figures = [name for name in FIGURES if any(name in job.figures for job in self.jobs)]
        self.groups = self._groups() if SEED in self.swept else []

    def _groups(self) -> list[Group]:
        others = [key for key in self.swept if key != SEED]
        found: dict[tuple[str, ...], list[Job]] = {}
        for job in self.jobs:
            key = tuple(job.overrides.get(name, "") for name in others)
            found.setdefault(key, []).append(job)
        if len(found) == len(self.jobs):  # one seed each: nothing to compare
            return []
        return [Group(dict(zip(others, key, strict=True)), jobs) for key, jobs in found.items()]

    def table(self, console: Console) -> Table:
        """A row a job, then the median and the worst over seeds; overrides in one column where they do not fit in several."""
        table = self._table([[key] for key in self.swept])
        needed = Measurement.get(console, console.options.update_width(1_000), table).minimum
        if len(self.swept) > 1 and needed > console.width:
            table = self._table([self.swept])
        return table

    def _table(self, columns: Sequence[Sequence[str]]) -> Table:
        """Args:
        columns: the keys of each column of overrides.
        """
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0), collapse_padding=True)
        table.add_column("job", justify="right", no_wrap=True)
        for keys in columns:
            table.add_column(_heading(keys[0], self.swept) if len(keys) == 1 else "", no_wrap=len(keys) == 1)
        for name in self.figures:
            table.add_column(FIGURES[name].replace(" ", "\n", 1), justify="right", no_wrap=True)
        table.add_column("verdict", ratio=1, min_width=8)

        def cells(overrides: Mapping[str, str]) -> list[str]:
            return [
                "\n".join(f"{short(key, self.swept)}={overrides.get(key, '')}" for key in keys)
                if len(keys) > 1
                else overrides.get(keys[0], "")
                for keys in columns
            ]

        for job in self.jobs:
            numbers = [written(name, job.figures.get(name)) for name in self.figures]
            table.add_row(str(job.number), *map(escape, cells(job.overrides)), *numbers, escape(job.verdict))
        for group in self.groups:
            for label, statistic in STATISTICS.items():
                numbers = [written(name, group.of(statistic, name)) for name in self.figures]
                shown = cells({SEED: label, **group.overrides})
                table.add_row(
                    "", *map(escape, shown), *numbers, group.verdict if label == "median" else "", style="bold"
                )
        return table

    def write(self, folder: Path) -> list[Path]:
        """`sweep.csv`, a row a job, and `sweep_over_seeds.csv`, a row for each group of seeds; gives their names."""
        rows: list[dict[str, Any]] = [
            {"job": job.number}
            | {key: job.overrides.get(key, "") for key in self.swept}
            | {name: job.figures.get(name, "") for name in self.figures}
            | {"verdict": job.verdict, "folder": os.path.relpath(job.folder, folder), "error": job.error}
            for job in self.jobs
        ]
        groups: list[dict[str, Any]] = [
            {**group.overrides, "seeds": len(group.jobs), "ok": sum(job.ok for job in group.jobs)}
            | {
                f"{label}_{name}": group.of(statistic, name)
                for name in self.figures
                for label, statistic in STATISTICS.items()
            }
            for group in self.groups
        ]
        tables = {"sweep.csv": rows, "sweep_over_seeds.csv": groups}
        files = [_write(folder / name, table) for name, table in tables.items() if table]
        return [*files, *self._draw(folder / "sweep.png")]

    def best(self) -> Job | Group | None:
        """The group whose median |residual| is smallest, of those whose seeds were all trained; without groups, the job."""
        if self.groups:  # one of which a seed is missing would be judged by its better ones
            judged = [group for group in self.groups if all(job.judged for job in group.jobs)]
            return min(judged, key=lambda group: group.of(median, "mean_residual") or 0.0, default=None)
        return min((job for job in self.jobs if job.judged), key=lambda job: job.figures["mean_residual"], default=None)

    def _draw(self, file: Path) -> list[Path]:
        """A line for each combination, the best first: the mean |residual| of each seed, their median and the worst."""
        groups = self.groups or [Group(job.overrides, [job]) for job in self.jobs]
        found = [
            (
                group,
                [job.figures["mean_residual"] for job in group.jobs if job.judged and job.figures["mean_residual"] > 0],
            )
            for group in groups
        ]
        found = sorted(((group, values) for group, values in found if values), key=lambda one: median(one[1]))[:_LINES]
        if not found:
            return []
        from matplotlib.figure import Figure

        keys = [key for key in self.swept if key != SEED or not self.groups]
        figure = Figure(figsize=(7, 1.2 + 0.28 * len(found)), layout="constrained")
        axes = figure.subplots()
        for i, (_, values) in enumerate(found):
            axes.plot(values, [i] * len(values), "o", color="tab:blue", alpha=0.5, label="a run" if i == 0 else None)
            if self.groups:
                axes.plot(median(values), i, "|", color="black", ms=14, mew=2, label="median" if i == 0 else None)
                axes.plot(worst(values), i, "x", color="tab:red", ms=8, label="worst" if i == 0 else None)
        labels = [
            ", ".join(f"{short(k, keys)}={group.overrides.get(k, '')}" for k in keys) or "as typed"
            for group, _ in found
        ]
        axes.set_yticks(range(len(found)), labels, fontsize=8)
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xscale("log")
        axes.set_xlabel("mean |residual| on states simulated after training")
        axes.grid(axis="x", which="both", alpha=0.3)
        if self.groups:
            axes.legend(fontsize=8)
        temporary = file.with_name(f"{file.name}.tmp")
        figure.savefig(temporary, dpi=150, format="png")
        os.replace(temporary, file)
        return [file]


def _write(file: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    temporary = file.with_name(f"{file.name}.tmp")
    with temporary.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, [*rows[0]])
        table.writeheader()
        table.writerows(rows)
    os.replace(temporary, file)
    return file


def _heading(key: str, keys: Sequence[str]) -> str:
    """The last part of a key where no other ends with it, on lines that are short."""
    return short(key, keys).replace("_", "_\n").replace(".", ".\n")


def short(key: str, keys: Sequence[str]) -> str:
    """'learning_rate' for 'optimizer.learning_rate', where no other key ends with it."""
    name = key.rpartition(".")[2]
    return key if sum(other.rpartition(".")[2] == name for other in keys) > 1 else name
