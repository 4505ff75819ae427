"""`deqn compare <run> <run> ...`: how far runs of one economy are apart; for who replicates a paper."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from rich.table import Table

from deqn.analysis.compare import Comparison, compare
from deqn.analysis.run import load_run
from deqn.commands import entry
from deqn.errors import ConfigError
from deqn.training.terminal import duration, escape, terminal

DIFFERENT = 3


def main() -> None:
    """Compares the runs that `sys.argv` names; ends the process."""
    parser = argparse.ArgumentParser(
        prog=sys.argv[0],
        description="Policies and definitions at the states of all runs, paths on common shocks, residuals and time. "
        f"Exit status {DIFFERENT} where a run differs from the first by more than --tolerance.",
    )
    parser.add_argument("runs", nargs="+", metavar="run", help="run folders, the ones that hold .hydra/ and ckpt/")
    parser.add_argument(
        "--tolerance", type=float, default=math.inf, metavar="X",
        help="largest mean difference of any policy or definition, relative to its mean size, that counts as the same",
    )  # fmt: skip
    parser.add_argument("--out", metavar="FILE.csv", help="writes the table of differences")
    options = parser.parse_args()
    entry.finish(lambda: _compare(options))


def _compare(options: argparse.Namespace) -> int:
    if len(options.runs) < 2:
        raise ConfigError(f"deqn compare needs two runs or more, got {options.runs[0]}.")
    if not options.tolerance >= 0:
        raise ConfigError(f"--tolerance {options.tolerance}: expected a number of at least zero, such as 0.001.")
    out = None if options.out is None else Path(options.out)
    if out is not None and not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}.")
    runs = [load_run(folder) for folder in options.runs]
    console = terminal()
    for folder, run in zip(options.runs, runs, strict=True):
        for note in run.notes:
            console.print(f"[yellow]note[/yellow] {escape(folder)}: {escape(note)}")
    found = compare(runs, options.runs)
    show(found, options.runs[0])
    if out is not None:
        found.differences.to_csv(out, index=False, float_format="%.9g")
        console.print(f"written: {out}", markup=False)
    if found.largest <= options.tolerance:
        return 0
    worst = found.differences.sort_values("mean").iloc[-1]
    print(
        f"{worst['run']} differs: {worst['variable']} by {worst['mean']:.2g} of its mean size on average, more than the "
        f"tolerance of {options.tolerance:g}",
        file=sys.stderr,
    )
    return DIFFERENT


def show(found: Comparison, first: str) -> None:
    """Prints both tables."""
    console = terminal()
    table = Table(show_edge=False)
    for heading in ("run", *found.runs.columns):
        table.add_column(heading)
    for name, row in found.runs.iterrows():
        seconds = row["seconds"]
        table.add_row(
            escape(str(name)), f"{row['episodes']:,}", duration(seconds) if isinstance(seconds, int | float) else "unknown",
            str(row["seed"]), f"{row['mean residual']:.1e}", f"{row['largest residual']:.1e}", str(row["verdict"]),
        )  # fmt: skip
    console.print(table)
    table = Table(title=f"differences from {escape(first)}, relative to the mean size of the variable", show_edge=False)
    for heading in ("run", "variable", "mean", "largest", "largest on common shocks"):
        table.add_column(heading)
    for one in found.differences.to_dict("records"):
        path = "" if math.isnan(one["path"]) else f"{one['path']:.1e}"
        table.add_row(escape(one["run"]), escape(one["variable"]), f"{one['mean']:.1e}", f"{one['largest']:.1e}", path)
    console.print(table)
