"""How right the policies of N countries are, and how long they take: residuals on a path and on spheres around rest.

python benchmarks/irbc.py                           2, 10 and 50 countries, three seeds
python benchmarks/irbc.py --countries 10 --seeds 0

The network of 50 countries is that of 10, as it is: its parameters do not depend on N.

On the path of the economy: 1,000 states, every tenth of 10,000 periods after 200 that are left out. On spheres: 1,000 states at
distance r from the steady state, in capital and productivity as levels, all at least 0.1; after the accuracy tests of Juillard
and Villemot (2011), Journal of Economic Dynamics and Control 35(2), 178-185.
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

SMALL = ["run.N_sim_batch=8", "run.N_minibatch_size=80", "run.N_episodes=20"]
TRAINED = {2: (2, []), 10: (10, SMALL), 50: (10, SMALL)}  # countries in training, and how
RADII = (0.01, 0.1, 1.0)
POINTS = 1000
LEAST = 0.1  # capital or productivity


def path(model: deqn.Model) -> Tensor:
    """`[1000, 2 N]`."""
    kept = []
    with model.context(), torch.no_grad():
        states = model.initial_states(1)
        for t in range(200 + 10 * POINTS):
            states = model.step(states)
            if t >= 200 and t % 10 == 0:
                kept.append(states)
    return torch.cat(kept)


def sphere(model: deqn.Model, r: float) -> Tensor:
    """`[1000, 2 N]`."""
    draws = torch.randn(100 * POINTS, model.n_states, generator=torch.Generator().manual_seed(0), dtype=model.dtype)
    levels = 1 + r * draws / draws.norm(dim=-1, keepdim=True)
    levels = levels[(levels >= LEAST).all(-1)][:POINTS]
    k, a = levels.chunk(2, dim=-1)
    return torch.cat([k, torch.log(a)], dim=-1)


def residuals(run: deqn.Run, states: Tensor) -> tuple[float, float]:
    """Mean and largest."""
    found = torch.cat([run.residuals(part)["euler"] for part in states.split(50)]).abs()
    return float(found.mean()), float(found.max())


def trained(n: int, seed: int) -> tuple[deqn.Model, float]:
    """A model of n countries with its network, and seconds of processor time of training."""
    few, overrides = TRAINED[n]
    trainer = deqn.Trainer(deqn.load_model("irbc", [f"constants.N={few}", f"seed={seed}", *overrides]))
    began = time.process_time()
    trainer.fit(quiet=True)
    seconds = time.process_time() - began
    model = deqn.load_model("irbc", [f"constants.N={n}", f"seed={seed}"])
    model.network.load_state_dict(trainer.model.network.state_dict())
    return model, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--countries", type=int, nargs="+", choices=TRAINED, default=list(TRAINED))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    table = Table(title=f"mean and largest residual, the worst of seeds {options.seeds}", show_edge=False)
    for heading in ("N", "trained with", "seconds", "path", *(f"r = {r}" for r in RADII)):
        table.add_column(heading)
    for n in options.countries:
        rows = []
        for seed in options.seeds:
            model, seconds = trained(n, seed)
            run = deqn.Run(model, Path())
            found = [residuals(run, states) for states in (path(model), *(sphere(model, r) for r in RADII))]
            rows.append(torch.tensor([(seconds, 0.0), *found]))
            print(n, seed, f"{seconds:.0f}", *(f"{mean:.1e} {largest:.1e}" for mean, largest in found), flush=True)
        (seconds, _), *found = torch.stack(rows).amax(0).tolist()
        table.add_row(str(n), str(TRAINED[n][0]), f"{seconds:.0f}", *(f"{x:.1e} / {y:.1e}" for x, y in found))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
