"""Least squares beside first-order training: seconds, residuals on fresh simulated states, and the distance to what is known.

python benchmarks/least_squares.py             three seeds of each way; about five minutes on one core
python benchmarks/least_squares.py --seeds 0   one
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

import deqn
from deqn.economy.probe import probe

LEAST_SQUARES = ["optimizer=levenberg_marquardt", "net.warm_start=steady_state"]
FLOAT64 = ["run.keras_precision=float64"]
WAYS = {
    "bm1972, shipped (Adam)": ("bm1972", []),
    "bm1972, least squares": ("bm1972", [*LEAST_SQUARES, "run.N_episodes=12"]),
    "bm1972, least squares, float64": ("bm1972", [*LEAST_SQUARES, *FLOAT64, "run.N_episodes=12"]),
    "brock_mirman, shipped (Adam)": ("brock_mirman", []),
    "brock_mirman, least squares": ("brock_mirman", [*LEAST_SQUARES, "run.N_episodes=5"]),
    "brock_mirman, least squares, float64": ("brock_mirman", [*LEAST_SQUARES, *FLOAT64, "run.N_episodes=8"]),
    "delta = 0.1, shipped (Adam)": ("brock_mirman", ["constants.delta=0.1"]),
    "delta = 0.1, least squares, float64": (
        "brock_mirman",
        ["constants.delta=0.1", *LEAST_SQUARES, *FLOAT64, "run.N_episodes=8", "run.N_minibatch_size=256"],
    ),
}  # fmt: skip


def measure(name: str, overrides: list[str], seed: int) -> tuple[float, float, float, float]:
    """Seconds of training, mean and largest |residual|, largest distance to the savings rate alpha beta (NaN where unknown)."""
    model = deqn.load_model(name, [*overrides, f"seed={seed}"])
    probe(model)
    trainer = deqn.Trainer(model)
    began = time.perf_counter()
    trainer.fit()
    seconds = time.perf_counter() - began
    run = deqn.Run(model, Path())
    states = run.simulate(batch=100, length=100).flatten(0, 1)
    residuals = torch.cat([values.abs().flatten() for values in run.residuals(states).values()])
    constants = model.config.constants
    error = float("nan")
    if constants["delta"] == 1:
        error = float((run.policies(states)[:, 0] - constants["alpha"] * constants["beta"]).abs().max())
    return seconds, float(residuals.mean()), float(residuals.max()), error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    seeds = parser.parse_args().seeds
    table = Table(title=f"worst of seeds {seeds}", show_edge=False)
    for heading in ("", "seconds", "mean |residual|", "max |residual|", "max |s - alpha beta|"):
        table.add_column(heading)
    for way, (name, overrides) in WAYS.items():
        worst = torch.tensor([measure(name, overrides, seed) for seed in seeds]).amax(0).tolist()
        table.add_row(way, f"{worst[0]:.1f}", *(f"{x:.1e}" for x in worst[1:]))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
