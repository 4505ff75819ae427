"""How right `dice` is: the path from 2015 to 2300, beside that of the direct optimisation.

python benchmarks/dice.py                       as shipped and by first-order steps, three seeds
python benchmarks/dice.py --ways shipped        one way
python benchmarks/dice.py --figure              draws docs/figures/dice.png of the first seed, trained as shipped

Distances are the largest of all years, relative.
"""

from __future__ import annotations

import argparse

import numpy as np
from catalogue import FIGURES, WAYS, train
from rich.console import Console
from rich.table import Table

import deqn

OF = ("T", "M", "mu", "scc", "C", "K")


def distances(run: deqn.Run) -> list[float]:
    """Of each name in `OF`, the largest relative distance to the optimisation, 2015 to 2300."""
    hooks = run.model.linker.link("Hooks")
    with run.model.context():
        ours, theirs = hooks.path(run), hooks.solution(run)
    return [float(np.abs(ours[name] / getattr(theirs, name)[: len(ours[name])] - 1).max()) for name in OF]


def residuals(run: deqn.Run) -> tuple[float, float]:
    """Mean and largest |residual| along that path."""
    hooks = run.model.linker.link("Hooks")
    with run.model.context():
        every = np.abs(np.concatenate([v.flatten().numpy() for v in run.residuals(hooks.states(run)).values()]))
    return float(every.mean()), float(every.max())


def measure(overrides: list[str], figure: bool) -> list[float]:
    run, seconds = train("dice", overrides)
    found = [seconds, *residuals(run), *distances(run)]
    print(*overrides, *(f"{x:.2g}" for x in found), flush=True)
    if figure:
        with run.model.context():
            run.model.linker.link("PostProcess").draw(run).savefig(FIGURES / "dice.png", dpi=130, facecolor="white")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--figure", action="store_true")
    parser.add_argument("overrides", nargs="*", help="keys of the configuration")
    options = parser.parse_args()
    table = Table(title=f"median and worst of seeds {options.seeds}", show_edge=False)
    for heading in ("", "", "seconds", "mean |residual|", "max |residual|", *OF):
        table.add_column(heading)
    for way in options.ways:
        drawn = options.figure and way == "shipped"
        rows = [
            measure([*WAYS[way], *options.overrides, f"seed={s}"], drawn and s == options.seeds[0])
            for s in options.seeds
        ]
        for what, row in (("median", np.median(rows, 0)), ("worst", np.max(rows, 0))):
            seconds, mean, largest, *rest = row
            cells = (f"{seconds:.0f}", f"{mean:.1e}", f"{largest:.1e}", *(f"{100 * x:.2f} %" for x in rest))
            table.add_row(way, what, *cells)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
