"""Seconds from starting `python run_deepnet.py model=<name>` to its first gradient step, and of `--check`.

python benchmarks/startup.py                 five starts of each shipped model; prints a table
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 5
# the entry point as it is, ended by its first gradient step
UNTIL_FIRST_STEP = """
import os, runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
from deqn.training.trainer import Trainer
step = Trainer.step
def first_step(self, states):
    step(self, states)
    os._exit(0)
Trainer.step = first_step
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return time.perf_counter() - began


def main() -> None:
    table = Table(show_edge=False)
    for heading in ("model", "first gradient step [s]", "--check [s]"):
        table.add_column(heading)
    for model in ("bm1972", "brock_mirman", "krusell_smith"):
        firsts, checks = [], []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                script = [str(ROOT / "run_deepnet.py"), f"model={model}"]
                firsts.append(seconds([sys.executable, "-c", UNTIL_FIRST_STEP, *script, f"hydra.run.dir={folder}/run"]))
                checks.append(seconds([sys.executable, *script, "--check"]))
        cells = (f"median {np.median(t):.1f}, least {min(t):.1f}" for t in (firsts, checks))
        table.add_row(model, *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
