"""How right the small models of the catalogue are, trained by least squares as shipped and by first-order steps.

python benchmarks/catalogue.py                          each model, both ways, three seeds
python benchmarks/catalogue.py --models analytic        one model
python benchmarks/catalogue.py --ways "least squares"   one way

Measured on 10,000 ergodic states: 100 trajectories, every tenth of 1,000 periods, after 200 that are left out.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import deqn

FIRST_ORDER = [
    "optimizer=brock_mirman", "optimizer.schedule_kwargs.decay_steps=10000", "run.keras_precision=float32",
    "run.N_minibatch_size=128", "run.N_epochs_per_episode=2", "run.N_episodes=500",
]  # fmt: skip
WAYS = {"first order": FIRST_ORDER, "least squares": []}


def savings(run: deqn.Run, states: Tensor) -> Tensor:
    """|a - a*| at states `[n, n_states]`, in units of the good: `[n, savers]`."""
    return run.policy_errors(states)["a"]


def consumption(run: deqn.Run, states: Tensor) -> Tensor:
    """|C / C* - 1| at states `[n, n_states]`, C* from Chebyshev collocation: `[n]`."""
    with run.model.context(), torch.no_grad():
        return run.model.linker.link("Hooks").errors(states)[0]


MODELS = {"analytic": savings, "rbc_labor": consumption}


def measure(name: str, overrides: list[str]) -> list[float]:
    """Seconds of processor time of training, mean and largest |residual|, mean and largest error of the policy."""
    trainer = deqn.Trainer(deqn.load_model(name, overrides))
    began = time.process_time()
    trainer.fit(quiet=True)
    seconds = time.process_time() - began
    run = deqn.Run(trainer.model, Path())
    states = run.simulate(batch=100, length=1200)[200::10].flatten(0, 1)
    residual = torch.cat([values.flatten() for values in run.residuals(states).values()]).abs()
    error = MODELS[name](run, states)
    found = [seconds, *(float(x) for x in (residual.mean(), residual.max(), error.mean(), error.max()))]
    print(name, *overrides, *(f"{x:.2g}" for x in found), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("overrides", nargs="*", help="keys of the configuration")
    options = parser.parse_args()
    table = Table(title=f"median and worst of seeds {options.seeds}", show_edge=False)
    for heading in ("", "", "seconds", "mean |residual|", "max |residual|", "mean error", "max error"):
        table.add_column(heading)
    for name in options.models:
        for way in options.ways:
            overrides = [*WAYS[way], *options.overrides]
            figures = torch.tensor([measure(name, [*overrides, f"seed={seed}"]) for seed in options.seeds])
            for what, row in (("median", figures.median(0).values), ("worst", figures.amax(0))):
                seconds, *rest = row.tolist()
                table.add_row(f"{name}, {way}", what, f"{seconds:.0f}", *(f"{x:.1e}" for x in rest))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
