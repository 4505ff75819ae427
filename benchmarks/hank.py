"""The zero lower bound in `hank`: trained with the bound, without it, and with small shocks; prints Markdown tables.

    python benchmarks/hank.py                                  default preset, seed 0
    python benchmarks/hank.py --preset teaching --seeds 0 1 2
    python benchmarks/hank.py --keep runs/hank --figure docs/figures/hank.png

Both economies see the same shocks. A run that is in the folder of --keep is not trained again.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

import numpy as np
import torch

import deqn
from deqn.analysis import figures
from deqn.analysis.heterogeneous import linear
from deqn.analysis.heterogeneous.economy import Economy, array

ROOT = File(__file__).resolve().parent.parent
CASES = {
    "with the bound": [],
    "without": ["constants.zero_bound=false"],
    "small shocks": ["constants.zero_bound=false", "constants.sd_b=0.001"],
}
PERIODS, BURN_IN, SEED = 10_000, 500, 20_240_101
NAMES = ("Y", "pi", "i", "r", "clearing", "excess_bonds", "mass_at_top", "equality")


def train(folder: File, case: str, preset: str, seed: int, overrides: list[str]) -> File:
    """A run folder, trained by a process of its own."""
    run = folder / f"{case.replace(' ', '_')}-{preset}-{seed}"
    if run.is_dir() and json.loads((run / "run.json").read_text(encoding="utf-8")).get("status") == "finished":
        return run
    command = [sys.executable, str(ROOT / "run_deepnet.py"), "model=hank", f"seed={seed}"]
    command += [] if preset == "default" else [f"preset={preset}"]
    process = subprocess.run(
        [*command, f"hydra.run.dir={run}", *CASES[case], *overrides],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}\n{process.stdout}")
    return run


def simulate(run: deqn.Run, periods: int) -> dict[str, np.ndarray]:
    """Series `[periods]` along the common shocks, and residuals by equation at every 20th quarter, flat."""
    economy = Economy(run)
    draws = np.random.default_rng(SEED).random(BURN_IN + periods + 1)
    found: dict[str, list[np.ndarray]] = {
        name: [] for name in (*NAMES, "shocks", "binds", "euler", "weighted", "inflation")
    }
    with run.model.context(), torch.no_grad():
        for stretch in economy.path(draws, BURN_IN):
            if stretch.start < 0:
                continue
            states, policies = stretch.now, stretch.policies
            for name in (*NAMES, "binds"):
                found[name].append(array(getattr(economy.Definitions, name)(states, policies)))
            found["shocks"].append(stretch.shocks[:-1])
            some = states[::20]
            residuals = run.model.equations(some, run.model.policy(some))
            found["euler"].append(array(residuals["euler"].abs()).ravel())
            found["weighted"].append(array((residuals["euler"].abs() * economy.distribution(some)).sum((-2, -1))))
            found["inflation"].append(array(residuals["inflation"].abs()) / 10)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def bound_table(series: dict[str, dict[str, np.ndarray]]) -> str:
    rows: dict[str, list[str]] = {}
    binds = series["with the bound"]["binds"] > 0.5
    for path in series.values():
        at, pi = path["binds"] > 0.5, 400 * path["pi"]
        cells = {
            "quarters in which the rule asks for less than zero [%]": f"{100 * at.mean():.2f}",
            "length of such a spell, mean [quarters]": f"{at.sum() / max(1, (at & ~np.roll(at, 1)).sum()):.1f}",
            "output where the bound binds, mean [%]": f"{100 * np.log(path['Y'][binds]).mean():.2f}",
            "output, lowest [%]": f"{100 * np.log(path['Y']).min():.2f}",
            "output, standard deviation [%]": f"{100 * np.log(path['Y']).std():.2f}",
            "output, mean [%]": f"{100 * np.log(path['Y']).mean():.3f}",
            "inflation over its target where the bound binds [% a year]": f"{pi[binds].mean():.2f}",
            "inflation over its target, mean [% a year]": f"{pi.mean():.3f}",
            "nominal rate, lowest [% a year]": f"{400 * path['i'].min():.2f}",
            "residuals of the Euler equation, mean": f"{path['euler'].mean():.1e}",
            "the same over households": f"{path['weighted'].mean():.1e}",
            "the same, 99.9th percentile over nodes": f"{np.quantile(path['euler'], 0.999):.1e}",
            "the same, largest over nodes": f"{path['euler'].max():.1e}",
            "error of expected inflation, mean [log points]": f"{path['inflation'].mean():.1e}",
            "the same, largest in a quarter": f"{path['inflation'].max():.1e}",
            "excess demand for bonds, largest, of output": f"{np.abs(path['excess_bonds']).max():.1e}",
            "excess demand for goods, largest, of output": f"{np.abs(path['clearing']).max():.1e}",
        }
        for i, (name, cell) in enumerate(cells.items()):
            rows.setdefault(f"{i} {name}", []).append(cell)
    lines = [f"| | {' | '.join(series)} |", "|---|" + "---:|" * len(series)]
    return "\n".join([*lines, *(f"| {name.split(' ', 1)[1]} | {' | '.join(cells)} |" for name, cells in rows.items())])


def backward_induction(constants: Mapping[str, Any], shocks: np.ndarray) -> dict[str, np.ndarray]:
    """The path of models/hank/reference/Reference.py along the same shocks, from the stationary histogram on."""
    spec = importlib.util.spec_from_file_location("hank_reference", ROOT / "models/hank/reference/Reference.py")
    assert spec is not None
    assert spec.loader is not None
    Reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(Reference)
    return Reference.simulate(Reference.solve(dict(constants)), shocks)


def reference_table(path: dict[str, np.ndarray], exact: dict[str, np.ndarray]) -> str:
    """The network beside backward induction; at the bound, in the quarters in which it binds in both. After a burn-in."""
    later = np.arange(len(exact["Y"])) >= BURN_IN
    at, there = (path["binds"] > 0.5) & later, (exact["rule"] < 0) & later
    both = at & there
    lines = ["| | network | backward induction | distance, mean | largest |", "|---|---:|---:|---:|---:|"]
    shares = [f"{100 * where.sum() / later.sum():.2f}" for where in (at, there)]
    lines.append(f"| quarters at the bound [%] | {' | '.join(shares)} | | |")
    for name, scale, title in (
        ("Y", 100, "log Y [%]"),
        ("pi", 400, "inflation [% a year]"),
        ("i", 400, "rate [% a year]"),
    ):
        ours, theirs = (scale * (np.log(one[name]) if name == "Y" else one[name]) for one in (path, exact))
        for where, words in ((later, "mean"), (both, "mean at the bound")):
            gap = np.abs(ours - theirs)[where]
            row = f"{ours[where].mean():.3f} | {theirs[where].mean():.3f} | {gap.mean():.4f} | {gap.max():.3f}"
            lines.append(f"| {title}, {words} | {row} |")
        lines.append(f"| {title}, lowest | {ours[later].min():.3f} | {theirs[later].min():.3f} | | |")
    return "\n".join(lines)


def responses(run: deqn.Run, quarters: int = 20) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The network's and the linear solution's paths after the spread went a node up and stays there for five quarters, less those
    at the middle node; `[quarters]`, per unit of log output and in rates."""
    model = run.model
    lines = linear.solve(model.linker.link("Linear").sequence_jacobian(model.config.constants, model.calibration))
    middle = len(model.calibration["pi_b"]) // 2
    still = np.full(200 + quarters, middle)
    shocked = still.copy()
    shocked[200:205] += 1
    names = ("Y", "pi", "i", "r")
    exact = {name: np.subtract(*linear.path(lines, np.stack([shocked, still]))[name])[200:] for name in names}
    found: dict[str, list[float]] = {name: [] for name in names}
    with model.context(), torch.no_grad():
        states = Economy(run).start.repeat(2, 1)
        for now in np.stack([shocked, still]).T:
            states = model.State.update(states, "b", model.Parameters.b_grid[torch.as_tensor(now)])
            policies = model.policy(states)
            for name in names:
                one, other = array(getattr(model.Definitions, name)(states, policies))
                found[name].append(one - other)
            states = model.linker.link("Dynamics").step(states, policies, model.State.b(states))
    return {name: np.array(values)[200:] for name, values in found.items()}, exact


def linear_table(run: deqn.Run) -> str:
    found, exact = responses(run)
    lines = [
        "| | linear, on impact | network, on impact | largest difference, of the peak [%] |",
        "|---|---:|---:|---:|",
    ]
    for name in found:
        gap = 100 * np.abs(found[name] - exact[name]).max() / np.abs(exact[name]).max()
        lines.append(f"| {name} [1e-4] | {1e4 * exact[name][0]:.4f} | {1e4 * found[name][0]:.4f} | {gap:.2f} |")
    return "\n".join(lines)


def draw(paths: dict[str, dict[str, np.ndarray]], shown: int = 120):
    """Paths along the same shocks, in the stretch in which the bound binds most often in the first."""
    binds = np.convolve(next(iter(paths.values()))["binds"][BURN_IN:], np.ones(shown), "valid")
    start = BURN_IN + int(binds.argmax())
    figure, axes = figures.new(rows=3, width=8.0, height=2.2)
    for axis, name, scale, title in zip(
        axes, ("Y", "pi", "i"), (100, 400, 400),
        ("Output, % from the stationary economy", "Inflation over its target, % a year", "Nominal rate, % a year"),
        strict=True,
    ):  # fmt: skip
        for (case, path), style in zip(paths.items(), ("C0", "C1--", "k:"), strict=True):
            values = np.log(path[name]) if name == "Y" else path[name]
            axis.plot(scale * values[start : start + shown], style, linewidth=1.0, label=case)
        axis.set(title=title)
    axes[0].margins(y=0.3)  # room for the legend
    axes[0].legend(loc="upper center", ncols=3)
    axes[-1].set(xlabel="quarter")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--periods", type=int, default=PERIODS)
    parser.add_argument("--keep", type=File)
    parser.add_argument("--no-small-shocks", action="store_true", help="without the linear solution and the run for it")
    parser.add_argument("--figure", type=File, help="where the figure of the first seed is written")
    parser.add_argument("overrides", nargs="*", help="for all runs, such as run.threads=1")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or File(temporary)
        for number, seed in enumerate(arguments.seeds):
            runs = {
                case: deqn.load_run(train(folder, case, arguments.preset, seed, arguments.overrides))
                for case in CASES
                if case != "small shocks" or not arguments.no_small_shocks
            }
            series = {case: simulate(runs[case], arguments.periods) for case in ("with the bound", "without")}
            print(f"\nseed {seed}, {arguments.periods:,} quarters of common shocks\n\n{bound_table(series)}\n")
            exact = {case: backward_induction(runs[case].config.constants, series[case]["shocks"]) for case in series}
            for case, path in series.items():
                print(f"{case}, beside models/hank/reference/Reference.py\n\n{reference_table(path, exact[case])}\n")
            if not arguments.no_small_shocks:
                print(linear_table(runs["small shocks"]), flush=True)
            if arguments.figure and number == 0:
                names = {"backward induction": "with the bound", "backward induction without the bound": "without"}
                paths = {"network": series["with the bound"]} | {name: exact[case] for name, case in names.items()}
                figures.save(draw(paths), arguments.figure)


if __name__ == "__main__":
    main()
