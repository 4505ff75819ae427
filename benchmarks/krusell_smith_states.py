"""What the network sees of the distribution of wealth (net.options.aggregate_state): does more than K help?

    python benchmarks/krusell_smith_states.py --preset smoke --seeds 0
    python benchmarks/krusell_smith_states.py --preset teaching --seeds 0 1 2 --jobs 2 constants.nA=300

Trains each choice and each seed with the same preset, holds it against Reference.py on the run's grid and on the same
10,000 shocks (Report.py), and prints a table. A line that begins with "|" is one of Markdown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

import deqn

ROOT = Path(__file__).resolve().parent.parent
CHOICES = ("capital", "moments", "learned", "histogram")
COLUMNS = {
    "bias of mean K [%]": "{:+.4f}",
    "max |d log K| [%]": "{:.4f}",
    "demeaned max [%]": "{:.4f}",
    "std of log K, ratio": "{:.4f}",
    "policy error / c, households": "{:.1e}",
    "policy error / c, p99": "{:.1e}",
    "Euler mean log10": "{:.2f}",
    "Euler p99 log10": "{:.2f}",
    "parameters": "{:,}",
    "CPU ms a step": "{:.1f}",
    "seconds": "{:.0f}",
}


def train(folder: Path, choice: str, seed: int, arguments: argparse.Namespace) -> Path:
    """A run folder, trained by a process of its own."""
    run = folder / f"{choice}-{seed}"
    command = [sys.executable, str(ROOT / "run_deepnet.py"), f"model={arguments.model}", f"preset={arguments.preset}"]
    command += [f"seed={seed}", f"net.options.aggregate_state={choice}", f"hydra.run.dir={run}", *arguments.overrides]
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}\n{process.stdout}")
    print(f"trained: {choice}, seed {seed}", file=sys.stderr, flush=True)
    return run


def measure(folder: Path) -> dict[str, float]:
    """The numbers of one run; its references lie beside the run folders, so that they are solved once."""
    run = deqn.load_run(folder)
    run.output = folder.with_name(f"{folder.name}-report")
    run.output.mkdir(exist_ok=True)
    with run.model.context(), torch.no_grad():
        report = run.model.linker.link("Report", ROOT / "models" / "krusell_smith").accuracy_report(run)
    ended = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    path = report["path of K"]["network against reference, both on the run's grid"]
    policy = report["policy error |a' - a'_ref| / c"]["ergodic cloud"]
    euler = report["Euler errors"]["ergodic cloud"]
    values = [*(path[name] for name in list(COLUMNS)[:4]), policy["mean over households"], policy["p99"]]
    values += [euler["mean log10"], euler["p99"], sum(p.numel() for p in run.model.network.parameters())]
    values += [milliseconds_a_step(run), ended["seconds"]]
    return dict(zip(COLUMNS, values, strict=True))


def milliseconds_a_step(run: deqn.Run, steps: int = 50) -> float:
    """Median time on the processor of gradient steps on one minibatch; what else runs there does not count."""
    trainer = deqn.Trainer(run.model)
    states = run.starting_state[: run.config.run.N_minibatch_size]
    times = []
    with run.model.context():
        for _ in range(steps):
            began = time.process_time()
            trainer.step(states)
            times.append(time.process_time() - began)
    return 1000 * statistics.median(times)


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="krusell_smith")
    parser.add_argument("--preset", default="default", help="smoke, teaching, default or production")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--choices", nargs="*", choices=CHOICES, default=list(CHOICES))
    parser.add_argument("--jobs", type=int, default=1, help="runs trained at the same time")
    parser.add_argument("--keep", type=Path, help="folder for the runs (default: a temporary one)")
    parser.add_argument("overrides", nargs="*", help="further arguments for run_deepnet.py")
    arguments = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        pairs = [(choice, seed) for seed in arguments.seeds for choice in arguments.choices]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            runs = list(pool.map(lambda pair: train(folder, *pair, arguments), pairs))
        rows = [measure(run) for run in runs]  # one after the other: each simulates by itself
    print(line(["aggregate_state", "seed", *COLUMNS]))
    print("|---" * (2 + len(COLUMNS)) + "|")
    for (choice, seed), row in zip(pairs, rows, strict=True):
        print(line([choice, str(seed), *(form.format(row[name]) for name, form in COLUMNS.items())]))


if __name__ == "__main__":
    main()
