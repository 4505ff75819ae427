"""Accuracy of Krusell-Smith runs against the classical solution, by preset, what it sees and seed; prints Markdown tables.

    python benchmarks/krusell_smith_accuracy.py                                         the default preset, seeds 0 1 2
    python benchmarks/krusell_smith_accuracy.py --presets teaching default production   three presets
    python benchmarks/krusell_smith_accuracy.py --sees nothing moments learned histogram --presets teaching --seeds 0
    python benchmarks/krusell_smith_accuracy.py --model krusell_smith_1998
    python benchmarks/krusell_smith_accuracy.py --model countercyclical_risk --sees nothing learned
    python benchmarks/krusell_smith_accuracy.py --processes 2                           each run trained by two processes
    python benchmarks/krusell_smith_accuracy.py --keep runs/accuracy --jobs 2 run.threads=1   keeps the runs, two at a time

Trains each run with run_deepnet.py and holds it against Reference.py on the same 10,000 shocks: as it is against
the reference on a fine grid (the sum of the errors of network and grid), and on the run's own grid (the network's error alone).
Where the folder has further references, such as one that forecasts two moments, they have columns of their own. Euler errors of a
household, in % of c, are off the nodes: static, and those of the dynamic test.
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
    "static Euler [%]": "{:.5f}",
    "dynamic Euler [%]": "{:.5f}",
}
# of another reference
OTHER = {"bias [%]": "{:+.4f}", "max [%]": "{:.4f}", "std ratio": "{:.4f}", "policy error / c": "{:.1e}"}
POLICY = "policy error |a' - a'_ref| / c"
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


def measure(folder: File, periods: int | None) -> dict[str, float]:
    """The numbers of one run by column; its references lie beside the run folders, so that they are solved once."""
    run = deqn.load_run(folder)
    run.output = folder.with_name(f"{folder.name}-report")
    run.output.mkdir(exist_ok=True)
    with run.model.context(), torch.no_grad():
        references = run.from_post_process("references")(run, periods)
        path = Path(Economy(run))
        report = accuracy_report(path, references.pop("own grid"), references.pop("fine grid"), references)
    ended = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    fine, own = report["path of K"][FINE], report["path of K"][OWN]
    euler = report["Euler errors"]["ergodic cloud"]
    household = path.household
    values = [
        *(fine[name] for name in list(COLUMNS)[:4]),
        *(own[name] for name in list(COLUMNS)[:2]),
        report[POLICY]["ergodic cloud"]["mean"],
        euler["mean log10"],
        euler["p99"],
        ended["seconds"] / 60,
        *(100 * float(np.abs(household[name] / household["c"] - 1).mean()) for name in ("c_implied", "c_other")),
    ]
    found = dict(zip(COLUMNS, values, strict=True))
    for name in references:
        gap, policy = report["path of K"][f"network against {name}"], report[POLICY][f"ergodic cloud, against {name}"]
        others = (gap["bias of mean K [%]"], gap["max |d log K| [%]"], gap["std of log K, ratio"], policy["mean"])
        found |= {f"{name}: {column}": value for column, value in zip(OTHER, others, strict=True)}
    return found


def summary(rows: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Median and worst of each column; of biases by their size, of ratios by their distance from one."""
    median, worst = {}, {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        median[name] = float(np.median(values))
        worst[name] = max(values, key=lambda x: x if "log10" in name else abs(x - ("ratio" in name)))
    return {"median": median, "worst": worst}


def shown(name: str, value: float) -> str:
    return (COLUMNS | OTHER)[name.rpartition(": ")[2] if name not in COLUMNS else name].format(value)


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
    columns = next(iter(rows.values()))
    print(line("preset", "sees", "seed", *columns))
    print("|---" * (3 + len(columns)) + "|")
    for preset, state in itertools.product(arguments.presets, arguments.sees):
        group = {str(seed): rows[preset, state, seed] for seed in arguments.seeds}
        if len(group) > 1:
            group |= summary(list(group.values()))
        for label, row in group.items():
            print(line(preset, state, label, *(shown(name, value) for name, value in row.items())))
        if arguments.model == "krusell_smith" and preset in LIMITS:
            print(line(preset, "", "limit", *("" if x is None else f"{x:g}" for x in LIMITS[preset])))


if __name__ == "__main__":
    main()
