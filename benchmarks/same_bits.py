"""Digests of what seeded runs of every shipped model end with: to see that a change to the code leaves them bit for bit.

python benchmarks/same_bits.py                    this checkout
python benchmarks/same_bits.py --root ../before   another one, with this environment; compare the two tables
python benchmarks/same_bits.py run.products=plain with more settings for all runs: here without products of the library's own

A digest covers the last checkpoint (network, optimizer, schedule, generators, states) and the error file, which has the
loss of every epoch. Equal on one machine with one thread and the same versions; see docs/explanation/limits.md.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
RUNS = {
    "bm1972": ["model=bm1972", "run.N_episodes=200"],
    "brock_mirman": ["model=brock_mirman", "run.N_episodes=40"],
    "brock_mirman, float64, monomial, dropout": [
        "model=brock_mirman", "run.N_episodes=10", "run.keras_precision=float64", "run.expectation_type=monomial",
        "net.layers.1.hidden.dropout_rate=0.1", "run.sorted_within_batch=true", "constants.delta=0.1",
    ],
    "brock_mirman, pseudo_random, pieces": [
        "model=brock_mirman", "run.N_episodes=10", "run.expectation_type=pseudo_random", "run.N_states_held=640",
        "optimizer.optimizer=RMSprop", "optimizer.clipvalue=0.1",
    ],
    "krusell_smith": ["model=krusell_smith", "preset=smoke"],
    "krusell_smith, learned": [
        "model=krusell_smith", "preset=smoke", "net.distribution.sees=learned", "run.N_episodes=5",
    ],
    "krusell_smith_1998": ["model=krusell_smith_1998", "preset=smoke"],
}  # fmt: skip

PARTS = [  # of a checkpoint; the rest are hashes of files, versions, and what an older one may lack
    "policy", "optimizer", "schedule", "learning_rate", "episode", "step", "rollbacks", "rng", "torch_rng", "cuda_rng",
    "starting_state", "others",
]  # fmt: skip


def entries(tree: Any, path: str = "") -> Iterator[tuple[str, bytes]]:
    """Every number of nested dictionaries and lists, with its place."""
    if isinstance(tree, torch.Tensor):
        yield path, tree.contiguous().numpy().tobytes()
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from entries(value, f"{path}.{key}")
    elif isinstance(tree, (list, tuple)):
        for i, value in enumerate(tree):
            yield from entries(value, f"{path}[{i}]")
    else:
        yield path, repr(tree).encode()


def digest(run: Path) -> str:
    newest = max((run / "ckpt").glob("ckpt-*.pt"), key=lambda path: int(path.stem.removeprefix("ckpt-")))
    payload = torch.load(newest, weights_only=True)
    content = hashlib.sha256((run / "error_file.txt").read_bytes())
    for path, value in entries({key: payload[key] for key in PARTS}):
        content.update(path.encode() + value)
    return content.hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("settings", nargs="*")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    for name, overrides in RUNS.items():
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable,
                str(root / "run_deepnet.py"),
                *overrides,
                *arguments.settings,
                f"hydra.run.dir={folder}/run",
            ]
            environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
            subprocess.run(command, check=True, capture_output=True, env=environment)
            print(f"{digest(Path(folder) / 'run')}  {name}", flush=True)


if __name__ == "__main__":
    main()
