"""Accuracy of Krusell-Smith runs against the classical solution, by preset, what it sees and seed; prints Markdown tables.

    python benchmarks/krusell_smith_accuracy.py                                         the default preset, seeds 0 1 2
    python benchmarks/krusell_smith_accuracy.py --presets teaching default production   three presets
    python benchmarks/krusell_smith_accuracy.py --sees nothing moments learned histogram --presets teaching --seeds 0
    python benchmarks/krusell_smith_accuracy.py --model krusell_smith_1998
    python benchmarks/krusell_smith_accuracy.py --processes 2                           each run trained by two processes
    python benchmarks/krusell_smith_accuracy.py --keep runs/accuracy --jobs 2 run.threads=1   keeps the runs, two at a time

Trains each run with run_deepnet.py and holds it against Reference.py on the same 10,000 shocks: as it is against
the reference on a fine grid (the sum of the errors of network and grid), and on the run's own grid (the network's error alone).
Runs that are in the folder of --keep are not trained again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path as File

import numpy as np
import torch

import deqn
from deqn.analysis.heterogeneous.economy import Economy
from deqn.analysis.heterogeneous.path import Path
from deqn.analysis.heterogeneous.report import accuracy_report

ROOT = File(__file__).resolve().parent.parent
FINE, OWN = "run as it is against the fine reference", "network against reference, both on the run's grid"
COLUMNS = {
    "bias of mean K [%]": "{:+.4f}",
    "max |d log K| [%]": "{:.4f}",
    "demeaned max [%]": "{:.4f}",
    "std of log K, ratio": "{:.4f}",
    "own grid: bias [%]": "{:+.4f}",
    "own grid: max [%]": "{:.4f}",
    "policy error / c": "{:.1e}",
    "Euler mean log10": "{:.2f}",
    "Euler p99 log10": "{:.2f}",
    "minutes": "{:.1f}",
}
# the most that a run of krusell_smith may be off, by preset, in the order of COLUMNS
LIMITS = {
    "teaching": (0.1, 0.5, 0.4, 0.08, None, None, 1.5e-3, -4.3, -3.0, 5),
    "default": (0.05, 0.15, 0.12, 0.02, None, None, 5e-4, -4.8, -3.6, 15),
    "production": (0.02, 0.05, 0.03, 0.003, None, None, 1e-4, -5.3, -4.0, 60),
}


def train(folder: File, preset: str, state: str, seed: int, arguments: argparse.Namespace) -> File:
    """A run folder, trained by a process of its own."""
    run = folder / f"{arguments.model}-{preset}-{state}-{seed}"
    if run.is_dir() and json.loads((run / "run.json").read_text(encoding="utf-8")).get("status") == "finished":
        return run
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(arguments.processes)]
    command = [sys.executable, *(torchrun if arguments.processes > 1 else []), str(ROOT / "run_deepnet.py")]
    command += [f"model={arguments.model}", f"preset={preset}"]
    command += [f"seed={seed}", f"net.distribution.sees={state}", f"hydra.run.dir={run}", *arguments.overrides]
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}\n{process.stdout}")
    print(f"trained: {run.name}", file=sys.stderr, flush=True)
    return run


def measure(folder: File, periods: int | None) -> list[float]:
    """The numbers of one run; its references lie beside the run folders, so that they are solved once."""
    run = deqn.load_run(folder)
    run.output = folder.with_name(f"{folder.name}-report")
    run.output.mkdir(exist_ok=True)
    with run.model.context(), torch.no_grad():
        references = run.from_post_process("references")(run, periods)
        report = accuracy_report(Path(Economy(run)), references["own grid"], references["fine grid"])
    ended = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    fine, own = report["path of K"][FINE], report["path of K"][OWN]
    euler = report["Euler errors"]["ergodic cloud"]
    return [
        *(fine[name] for name in list(COLUMNS)[:4]),
        *(own[name] for name in list(COLUMNS)[:2]),
        report["policy error |a' - a'_ref| / c"]["ergodic cloud"]["mean"],
        euler["mean log10"],
        euler["p99"],
        ended["seconds"] / 60,
    ]


def summary(rows: list[list[float]]) -> dict[str, list[float]]:
    """Median and worst of each column; of biases by their size, of the ratio by its distance from one."""
    values = np.array(rows)
    distance = np.abs(values)
    ratio = list(COLUMNS).index("std of log K, ratio")
    distance[:, ratio] = np.abs(values[:, ratio] - 1)
    logs = [i for i, name in enumerate(COLUMNS) if "log10" in name]
    distance[:, logs] = values[:, logs]
    worst = values[distance.argmax(0), np.arange(values.shape[1])]
    return {"median": np.median(values, axis=0).tolist(), "worst": worst.tolist()}


def line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="krusell_smith")
    parser.add_argument("--presets", nargs="*", default=["default"], help="smoke, teaching, default, production")
    parser.add_argument("--sees", nargs="*", default=["nothing"], help="of net.distribution.sees")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="runs trained at the same time")
    parser.add_argument("--processes", type=int, default=1, help="that train each run together, started by torchrun")
    parser.add_argument("--keep", type=File, help="folder for the runs (default: a temporary one)")
    parser.add_argument("--periods", type=int, help="of the fit of the reference (default: as in post-processing)")
    parser.add_argument("overrides", nargs="*", help="further arguments for run_deepnet.py")
    arguments = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or File(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        wanted = list(itertools.product(arguments.presets, arguments.sees, arguments.seeds))
        with ThreadPoolExecutor(arguments.jobs) as pool:
            runs = list(pool.map(lambda which: train(folder, *which, arguments), wanted))
        rows = dict(zip(wanted, (measure(run, arguments.periods) for run in runs), strict=True))  # one after the other
    print(line("preset", "sees", "seed", *COLUMNS))
    print("|---" * (3 + len(COLUMNS)) + "|")
    for preset, state in itertools.product(arguments.presets, arguments.sees):
        group = {str(seed): rows[preset, state, seed] for seed in arguments.seeds}
        if len(group) > 1:
            group |= summary(list(group.values()))
        for label, row in group.items():
            print(line(preset, state, label, *(f.format(x) for f, x in zip(COLUMNS.values(), row, strict=True))))
        if arguments.model == "krusell_smith" and preset in LIMITS:
            print(line(preset, "", "limit", *("" if x is None else f"{x:g}" for x in LIMITS[preset])))


if __name__ == "__main__":
    main()
