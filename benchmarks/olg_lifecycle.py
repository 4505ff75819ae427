"""Relative Euler errors of olg_lifecycle by age, and its figure.

python benchmarks/olg_lifecycle.py                                     three seeds, trained as shipped
python benchmarks/olg_lifecycle.py --seeds 0 --figures                 draws docs/figures/olg_lifecycle.png
python benchmarks/olg_lifecycle.py --overrides preset=production       another preset

Measured on 10,000 ergodic states: 100 trajectories, every tenth of 1,000 periods, after 200 that are left out. Percentiles are
over states and ages. Errors are in percent of consumption; constraints and complementary slackness hold exactly.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

import deqn

FIGURE = Path(__file__).resolve().parent.parent / "docs" / "figures" / "olg_lifecycle.png"
COLOURS = {"capital": "#3b6fb6", "bond": "#d1793b"}


def statistics(errors: torch.Tensor) -> list[float]:
    """Mean, 99 and 99.9 % percentile and maximum, in percent."""
    flat = 100 * errors.abs().double().numpy().ravel()
    return [flat.mean(), *np.quantile(flat, [0.99, 0.999]), flat.max()]


def measure(seed: int, overrides: list[str], figure: bool) -> None:
    """Trains with a seed and prints a row for each equation and group of ages."""
    model = deqn.load_model("olg_lifecycle", [*overrides, f"seed={seed}"])
    began = time.process_time()
    deqn.Trainer(model).fit(quiet=True)
    seconds = time.process_time() - began
    run = deqn.Run(model, Path())
    states = run.simulate(batch=100, length=1200)[200::10].flatten(0, 1)
    residuals = run.residuals(states)
    savers = residuals["capital"].shape[-1]
    print(f"seed {seed}: {seconds:.0f} s of processor time; mean, p99, p99.9, max [% of consumption]")
    groups = [*torch.arange(savers).chunk(min(4, savers)), torch.arange(savers)]
    for name in COLOURS:
        for ages in groups:
            row = " ".join(f"{x:8.4f}" for x in statistics(residuals[name][:, ages]))
            print(f"  {name:8s} ages {int(ages[0]) + 1:2d} to {int(ages[-1]) + 1:2d} {row}", flush=True)
    both = statistics(torch.cat([residuals[name].flatten() for name in COLOURS]))
    print(f"  both     all ages      {' '.join(f'{x:8.4f}' for x in both)}")
    found = run.definitions(states)
    print(f"  short of collateral {100 * float(found['poor'].double().mean()):.2f} % of the savers", flush=True)
    if figure:
        draw(model, states, found, residuals)


def draw(model: deqn.Model, states: torch.Tensor, found: dict, residuals: dict) -> None:
    """Consumption, capital and bonds over life: 10, 50 and 90 %, and the stationary economy's; Euler errors by age."""
    from deqn import figures

    P = model.Parameters
    age = 20 + np.arange(len(P.c_ss))
    panels = [("consumption", found["c"], P.c_ss, age), ("capital k'", found["k_next"], P.k_ss, age[:-1])]
    panels.append(("bonds b'", found["b_next"], P.b_ss, age[:-1]))
    figure, axes = figures.new(rows=2, columns=2)
    for axis, (title, values, stationary, at) in zip(axes, panels, strict=False):
        low, middle, high = np.quantile(values.double().numpy(), [0.1, 0.5, 0.9], axis=0)
        axis.fill_between(at, low, high, color=COLOURS["capital"], alpha=0.25, linewidth=0, label="10 to 90 %")
        axis.plot(at, middle, color=COLOURS["capital"], label="median")
        axis.plot(at, stationary.numpy(), color="black", linewidth=0.8, linestyle="--", label="without risk")
        axis.set(title=title, xlabel="age")
    axes[0].legend(frameon=False)
    for name, colour in COLOURS.items():
        errors = 100 * residuals[name].abs().double().numpy()
        axes[3].semilogy(age[:-1], errors.mean(0), color=colour, label=f"{name}: mean")
        axes[3].semilogy(age[:-1], np.quantile(errors, 0.999, axis=0), color=colour, linestyle=":", label="99.9 %")
    axes[3].set(title="Euler errors [% of consumption]", xlabel="age")
    axes[3].set_ylim(bottom=5e-4)
    axes[3].legend(frameon=False, loc="lower right", ncols=2)
    figures.save(figure, FIGURE)
    FIGURE.with_suffix(".pdf").unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--overrides", nargs="*", default=[])
    parser.add_argument("--figures", action="store_true", help="draw the figure of the first seed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for seed in options.seeds:
        measure(seed, options.overrides, options.figures and seed == options.seeds[0])


if __name__ == "__main__":
    main()
