"""How right `irbc_irreversible` is: residuals on the economy's path, in the box of training, and where a country does not invest.

python benchmarks/irbc_irreversible.py                    as shipped and by first-order steps, three seeds
python benchmarks/irbc_irreversible.py --ways shipped     one way

On 10,000 ergodic states (100 trajectories, every tenth of 1,000 periods, after 200 that are left out), and on 4,000 of the box.
Residuals are those of both countries' Euler equations, relative to the value of a unit of capital.
"""

from __future__ import annotations

import argparse

import numpy as np
from catalogue import WAYS, ergodic, train
from rich.console import Console
from rich.table import Table

COLUMNS = (
    "seconds",
    "path: mean",
    "path: max",
    "box: mean",
    "box: max",
    "mean where one binds",
    "% of the box that binds",
)


def measure(overrides: list[str]) -> list[float]:
    """A number for each of `COLUMNS`."""
    run, seconds = train("irbc_irreversible", overrides)
    with run.model.context():
        box = run.model.initial_states(4000)
    path, inside = (run.residuals(states)["euler"].abs() for states in (ergodic(run), box))
    binds = run.definitions(box)["binds"] == 1
    found = [path.mean(), path.max(), inside.mean(), inside.max(), inside[binds].mean(), 100 * binds.double().mean()]
    print(*overrides, f"{seconds:.0f}", *(f"{x:.2g}" for x in found), flush=True)
    return [seconds, *(float(x) for x in found)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("overrides", nargs="*", help="keys of the configuration")
    options = parser.parse_args()
    table = Table(title=f"median and worst of seeds {options.seeds}", show_edge=False)
    for heading in ("", "", *COLUMNS):
        table.add_column(heading)
    for way in options.ways:
        rows = [measure([*WAYS[way], *options.overrides, f"seed={seed}"]) for seed in options.seeds]
        for what, row in (("median", np.median(rows, 0)), ("worst", np.max(rows, 0))):
            seconds, *residuals, share = row
            table.add_row(way, what, f"{seconds:.0f}", *(f"{x:.1e}" for x in residuals), f"{share:.1f}")
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
