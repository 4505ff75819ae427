"""How right the policies of N countries are, and how long they take: residuals on a path and on spheres around rest.

python benchmarks/irbc.py                           2, 10 and 50 countries, three seeds
python benchmarks/irbc.py --countries 10 --seeds 0
python benchmarks/irbc.py --model irbc_labor        countries that choose hours
python benchmarks/irbc.py --model irbc_leisure --radii 0.01 0.1 0.3 constants=irbc_leisure_7     consumption and leisure, number 7
python benchmarks/irbc.py constants.delta=0         any keys of the configuration

The network of 50 countries is that of 10, as it is: its parameters do not depend on N.

Three tests, after those of Juillard and Villemot (2011), Journal of Economic Dynamics and Control 35(2), 178-185.

Spheres: 1,000 states at distance r from the steady state, in capital and productivity as levels, all at least 0.1.
Path of the economy: 1,000 states, every tenth of 10,000 periods after 200 that are left out.
Chi-squared (Den Haan and Marcet, 1994): whether what the Euler equations miss from one simulated quarter to the next can be
foreseen. 400 paths of 3,000 quarters after 200, and each country's equation: a statistic of its products with a constant, its
own log capital and productivity, and their means over countries. Of an exact solution and long paths, 5 % of them lie below the
lower and above the upper 5 % point of the chi-squared distribution with five degrees of freedom.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy
import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import chi2
from torch import Tensor

import deqn
from deqn.economy.steady_state import replaced_policy

SMALL = ["run.N_sim_batch=8", "run.N_minibatch_size=80", "run.N_episodes=20"]
TRAINED = {2: (2, []), 10: (10, SMALL), 50: (10, SMALL)}  # countries in training, and how
RADII = (0.01, 0.1, 1.0)
POINTS = 1000
LEAST = 0.1  # capital or productivity
PATHS, QUARTERS, LEFT_OUT = 400, 3000, 200  # of the chi-squared test
INSTRUMENTS = 5


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


def chi_squared(model: deqn.Model) -> tuple[float, float]:
    """Percent of the statistics below the lower and above the upper 5 % point."""
    D, State, p = model.Definitions, model.State, model.Parameters
    with model.context(), torch.no_grad():
        states = model.initial_states(PATHS)
        products = torch.zeros(PATHS, int(p.N), INSTRUMENTS, dtype=model.dtype)
        squares = torch.zeros(PATHS, int(p.N), INSTRUMENTS, INSTRUMENTS, dtype=model.dtype)
        instruments = cost = None
        for t in range(LEFT_OUT + QUARTERS + 1):
            policy = model.policy(states)
            price = torch.exp(D.log_lambda(states, policy))[:, None]
            if instruments is not None and t > LEFT_OUT:
                missed = p.beta * price * D.payoff(states, policy) / cost - 1
                products += missed[..., None] * instruments
                squares += missed[..., None, None] ** 2 * instruments[..., None] * instruments[..., None, :]
            own = torch.stack([torch.log(State.k(states)), State.a(states)], dim=-1)  # [PATHS, N, 2]
            mean = own.mean(1, keepdim=True).expand_as(own)
            instruments = torch.cat([torch.ones_like(own[..., :1]), own / p.sd_a, mean / p.sd_a], dim=-1)
            cost = price * (1 + p.phi * model.PolicyState.g(policy))
            states = model.expectations.dynamics.total_step_random(states, policy)
        statistics = (products * torch.linalg.solve(squares, products)).sum(-1)
    low, high = (float(x) for x in chi2.ppf([0.05, 0.95], INSTRUMENTS))
    return 100 * float((statistics < low).double().mean()), 100 * float((statistics > high).double().mean())


def of_reference(name: str, overrides: list[str]) -> tuple[float, ...]:
    """The reference for two countries: mean and largest of its own residuals on its path, and the chi-squared test."""
    model = deqn.load_model(name, overrides)
    solution = model.linker.link("Hooks").solution()

    def policies(states: Tensor) -> Tensor:
        k, a = states.numpy().reshape(-1, 4)[:, :2], states.numpy().reshape(-1, 4)[:, 2:]
        return torch.as_tensor(solution.policies(k, a)["g"]).reshape(*states.shape[:-1], 2)

    with replaced_policy(model, policies):
        k, a = path(model).numpy().reshape(-1, 2, 2).swapaxes(0, 1)
        own = abs(solution.residuals(numpy.concatenate([numpy.log(k), a], axis=-1)))
        return float(own.mean()), float(own.max()), *chi_squared(model)


def trained(name: str, n: int, overrides: list[str]) -> tuple[deqn.Model, float]:
    """A model of n countries with its network, and seconds of processor time of training."""
    few, small = TRAINED[n]
    trainer = deqn.Trainer(deqn.load_model(name, [f"constants.N={few}", *small, *overrides]))
    began = time.process_time()
    trainer.fit(quiet=True)
    seconds = time.process_time() - began
    model = deqn.load_model(name, [f"constants.N={n}", *overrides])
    model.network.load_state_dict(trainer.model.network.state_dict())
    return model, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["irbc", "irbc_labor", "irbc_leisure"], default="irbc")
    parser.add_argument("--countries", type=int, nargs="+", choices=TRAINED, default=list(TRAINED))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--radii", type=float, nargs="+", default=RADII)
    parser.add_argument("overrides", nargs="*", help="keys of the configuration")
    options = parser.parse_args()
    title = f"{options.model}: mean and largest residual, and percent beyond chi-squared; the worst of seeds {options.seeds}"
    table = Table(title=title, show_edge=False)
    for heading in (
        "N",
        "trained with",
        "seconds",
        "path",
        *(f"r = {r}" for r in options.radii),
        "low 5 %",
        "high 5 %",
    ):
        table.add_column(heading)
    for n in options.countries:
        rows, tails = [], []
        for seed in options.seeds:
            model, seconds = trained(options.model, n, [*options.overrides, f"seed={seed}"])
            run = deqn.Run(model, Path())
            found = [residuals(run, states) for states in (path(model), *(sphere(model, r) for r in options.radii))]
            rows.append(torch.tensor([(seconds, 0.0), *found]))
            tails.append(chi_squared(model))
            numbers = *(f"{mean:.1e} {largest:.1e}" for mean, largest in found), *(f"{x:.1f} %" for x in tails[-1])
            print(n, seed, f"{seconds:.0f}", *numbers, flush=True)
        (seconds, _), *found = torch.stack(rows).amax(0).tolist()
        spans = [f"{min(tail):.1f} to {max(tail):.1f}" for tail in zip(*tails, strict=True)]
        table.add_row(str(n), str(TRAINED[n][0]), f"{seconds:.0f}", *(f"{x:.1e} / {y:.1e}" for x, y in found), *spans)
    if 2 in options.countries:
        mean, largest, *tails = of_reference(options.model, options.overrides)
        own = f"{mean:.1e} / {largest:.1e}"
        table.add_row("2", "reference", "", own, *[""] * len(options.radii), *(f"{x:.1f}" for x in tails))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
