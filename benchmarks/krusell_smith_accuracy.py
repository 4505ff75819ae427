"""Trains `model=krusell_smith` as it is shipped, for several seeds, and measures what its README line claims.

    python benchmarks/krusell_smith_accuracy.py --seeds 0 1 2

The reference values are those of an endogenous-grid solution with 3,200 x 15 nodes and a 6,400-node histogram, on one
path of 10,000 quarters. Over such paths the mean of K has a standard deviation of about 0.08 % and that of log K of about
5 %, so that here 64 paths of 10,000 quarters are averaged; the first 2,000 quarters of each are left out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

import deqn

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = {"mean K": 33.123, "std log K": 0.010847, "share at the limit [%]": 5.34}
PATHS, PERIODS, BURN_IN = 64, 10_000, 2_000


def measure(run: deqn.Run) -> dict[str, float]:
    """Moments of simulated paths, and Euler discrepancies on the states that they visit."""
    model = run.model
    states = run.starting_state[torch.arange(PATHS) % len(run.starting_state)]
    capital, limit, visited, mass_error = [], [], [], 0.0
    with model.context(), torch.no_grad():
        for t in range(BURN_IN + PERIODS):
            if t >= BURN_IN:
                capital.append(model.Definitions.K(states, None))
                limit.append(model.Definitions.at_limit(states, None))
                if t % 1000 == 0:
                    visited.append(states)
                    mass_error = max(mass_error, float((model.Definitions.mass(states, None) - 1).abs().max()))
            states = model.step(states)
    K = torch.stack(capital).double()
    residuals = run.residuals(torch.cat(visited))["euler"].abs().double()
    log_K = K.log()
    return {
        "mean K": float(K.mean()),
        "std log K": float((log_K - log_K.mean(0)).square().mean().sqrt()),
        "share at the limit [%]": 100 * float(torch.stack(limit).mean()),
        "median |Euler discrepancy|": float(residuals.median()),
        "mean log10": float(residuals.clamp(min=1e-12).log10().mean()),
        "p99": float(residuals.flatten().sort().values[int(0.99 * residuals.numel())]),
        "largest |mass - 1|": mass_error,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("overrides", nargs="*", help="further arguments for run_deepnet.py")
    arguments = parser.parse_args()
    table = Table(show_edge=False)
    for heading in ("", "reference", *(f"seed {seed}" for seed in arguments.seeds)):
        table.add_column(heading, no_wrap=True)
    columns = []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            command = [sys.executable, str(ROOT / "run_deepnet.py"), "model=krusell_smith", f"seed={seed}"]
            subprocess.run([*command, f"hydra.run.dir={folder}", *arguments.overrides], check=True)
            seconds = time.perf_counter() - began
            columns.append({"seconds": seconds, **measure(deqn.load_run(folder))})
    for name in columns[0]:
        reference = REFERENCE.get(name)
        table.add_row(name, f"{reference:.5g}" if reference else "", *(f"{column[name]:.5g}" for column in columns))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
