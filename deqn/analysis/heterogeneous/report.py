"""The accuracy report of a run: the network beside the classical solution, on the same shocks.

Euler errors alone hide a level bias: in `krusell_smith`, a uniform savings error of 0.1 % of consumption moves mean K by 0.26 %
at a mean Euler error of 10^-4.5. So the path of K and the error of the policy stand beside them. There are two references: one on
the run's own grid, which tells the network's error, and one on a fine grid, which tells the grid's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from deqn.analysis import figures
from deqn.analysis.heterogeneous import markdown
from deqn.analysis.heterogeneous.aggregates import euler_residuals, moments
from deqn.analysis.heterogeneous.economy import Economy, array
from deqn.analysis.heterogeneous.path import INEQUALITY, KEPT_EVERY, SEED, Path, inequality
from deqn.analysis.heterogeneous.statistics import forecast, logs, quantiles
from deqn.analysis.run import Run
from deqn.numerics import histogram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVERY = 50  # periods between the states of the ergodic cloud, a multiple of KEPT_EVERY
Series = Mapping[str, np.ndarray]
_NOT_PROVEN = (
    "Not proven: that the policy is as good in states that neither the path nor the box visits, that the solution is unique, "
    "or that moments of the distribution beyond those the network sees would not matter with other preferences. The reference "
    "has an error of its own, and a histogram's nodes stand for a continuum of households."
)
_SECTIONS = {  # tables of accuracy.md, and a sentence on each
    "path of K": "Differences of log K on the same shocks.",
    "policy error |a' - a'_ref| / c": f"At all nodes of each state, whoever lives there; and the mean over households. The "
    f"ergodic cloud is every {EVERY}th period of the path of K.",
    "Euler errors": "log10 |residual|, in units of consumption, at all nodes of each state. Where a limit binds, the distance of "
    "desired savings from it.",
    "forecast of log K by Z and log K": "A law fitted to half of the path, iterated alone on the other (Den Haan, 2010).",
    "moments": f"Of the periods of the common shocks. Inequality in every {KEPT_EVERY}th period.",
}


class Reference(Protocol):
    """A solution by another method, as PostProcess.py of the folder gives it.

    Attributes:
        a_grid: `[nA]`, its nodes.
    """

    a_grid: np.ndarray

    def policy(self, states: Tensor) -> Tensor:
        """Policies of the model `[n, n_policies]` at states `[n, n_states]`; of the one on the run's own grid."""
        ...

    def inside(self, states: Tensor) -> np.ndarray:
        """At which states `[n, n_states]` it has an answer: `[n]`."""
        ...

    def path(self, shocks: np.ndarray) -> Series:
        """Of `[T]` nodes of the shock: K, C, at_limit, if it has them r, gini, top_10, top_1 and others, `[T]` each."""
        ...


def accuracy_report(
    path: Path, own: Reference, fine: Reference, others: Mapping[str, Reference] = MappingProxyType({})
) -> dict[str, Any]:
    """Measures, writes accuracy.json, accuracy.md and accuracy.png into `run.output`; returns the measures by section.

    Args:
        path: of the run's economy under the network.
        own, fine: references on the run's grid and on a fine one.
        others: by name, on the run's grid, such as one that makes other assumptions.
    """
    economy, run = path.economy, path.economy.run
    paths: dict[str, Series] = {
        "network, own grid": path.series | path.inequality,
        "reference, own grid": _counted(own.path(path.shocks), path),
        "network, fine grid": on_other_nodes(path, fine.a_grid),
        "reference, fine grid": _counted(fine.path(path.shocks), path),
    }
    paths |= {f"reference, {name}": _counted(other.path(path.shocks), path) for name, other in others.items()}
    cloud = path.states[:: EVERY // KEPT_EVERY]
    box = run.wider_box(cloud)
    report = {
        "run": _about(run),
        "path of K": {
            "network against reference, both on the run's grid": compare(
                paths, "network, own grid", "reference, own grid"
            ),
            "network against reference, both on the fine grid": compare(
                paths, "network, fine grid", "reference, fine grid"
            ),
            "run as it is against the fine reference": compare(paths, "network, own grid", "reference, fine grid"),
            "grid alone: reference on the run's grid against the fine one": compare(
                paths, "reference, own grid", "reference, fine grid"
            ),
        }
        | {f"network against {name}": compare(paths, "network, own grid", f"reference, {name}") for name in others}
        | {
            f"reference on the run's grid against {name}": compare(paths, "reference, own grid", f"reference, {name}")
            for name in others
        },
        "policy error |a' - a'_ref| / c": {
            "ergodic cloud": policy_error(economy, own, cloud),
            "wider box": policy_error(economy, own, box),
        }
        | {f"ergodic cloud, against {name}": policy_error(economy, other, cloud) for name, other in others.items()},
        "Euler errors": euler_errors(economy, cloud, box),
        "forecast of log K by Z and log K": {
            name: forecast(paths[name]["K"], path.counted) for name in ("network, own grid", "reference, own grid")
        },
        "moments": {name: moments(series, series) for name, series in paths.items()},
        "shocks": {"periods": path.periods, "left out before": path.burn_in, "seed": SEED},
        "not proven": _NOT_PROVEN,
    }
    (run.output / "accuracy.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    (run.output / "accuracy.md").write_text(_page(run, report), encoding="utf-8")
    figures.save(draw(paths), run.output / "accuracy.png")
    return report


def summary(report: Mapping[str, Any]) -> str:
    """A line for the terminal."""
    path = report["path of K"]["network against reference, both on the run's grid"]
    policy = report["policy error |a' - a'_ref| / c"]["ergodic cloud"]
    grid = report["path of K"]["grid alone: reference on the run's grid against the fine one"]
    return (
        f"against the reference on the same {report['shocks']['periods']:,} shocks: mean K "
        f"{report['moments']['network, own grid']['mean K']:.3f}, bias "
        f"{path['bias of mean K [%]']:+.4f} %, max |d log K| {path['max |d log K| [%]']:.4f} %, std of log K x "
        f"{path['std of log K, ratio']:.4f}, policy error / c {100 * policy['mean']:.4f} %; the grid alone: "
        f"{grid['bias of mean K [%]']:+.4f} %. All of it: accuracy.md"
    )


def _about(run: Run) -> dict[str, Any]:
    """What was trained: the choices that set runs apart, and what training took."""
    config, file = run.config, run.path / "run.json"
    ended = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    seen = config.net.distribution
    result = ({"seen of the distribution": seen.sees} if seen else {}) | {
        "seed": config.seed,
        "asset nodes": len(run.model.Parameters.a_grid),
        "episodes": run.episode or config.run.N_episodes,
        "parameters": sum(p.numel() for p in run.model.network.parameters()),
        "precision": config.run.keras_precision,
    }
    return result | {
        name: ended[key] for name, key in (("gradient steps", "step"), ("seconds", "seconds")) if key in ended
    }


def _counted(series: Series, path: Path) -> Series:
    """The periods that count; inequality of those in which the run's is measured."""
    counted = {name: np.asarray(x)[path.burn_in :] for name, x in series.items()}
    return {name: x[::KEPT_EVERY] if name in INEQUALITY else x for name, x in counted.items()}


def on_other_nodes(path: Path, a_fine: np.ndarray) -> Series:
    """The path under the network on a histogram with other nodes: consumption between the run's nodes is linear in assets.

    What the network sees is the histogram put on the run's grid.

    Returns:
        K, C, at_limit, and those of Y, I and r that are definitions, of the periods that count; inequality.
    """
    economy, model = path.economy, path.economy.model
    grid, fine = model.Parameters.a_grid, torch.as_tensor(a_fine).to(model.Parameters.a_grid)
    further = [name for name in ("Y", "I", "r") if name in model.definition_bounds]
    summarised = hasattr(economy.Definitions, "summary")
    with model.context(), torch.no_grad():
        state = economy.start
        mass = put_on(economy.distribution(state), grid, fine)
        lower, weight = (x.expand(*mass.shape) for x in histogram.lottery_weights(fine, grid))
        rows, wealth = torch.empty(len(path.shocks), 3 + len(further), dtype=model.dtype, device=model.device), []
        for t in range(-1, len(path.shocks)):
            policy = model.policy(state)
            found = economy.Definitions.households(state, policy)
            c = histogram.evaluate(found.c, lower, weight)
            cash = economy.cash_on_hand(state, policy, fine)
            price = torch.as_tensor(economy.price(state, policy)).to(cash)[:, None, None]
            savings = ((cash - c) / price).clamp(fine[0], fine[-1])
            if t >= 0:
                values = [
                    torch.as_tensor(economy.summary(state)).to(mass) if summarised else histogram.aggregate(mass, fine),
                    histogram.aggregate(mass, cash - price * savings),
                    mass[..., 0].sum(-1),
                ]
                values += [getattr(economy.Definitions, name)(state, policy) for name in further]
                rows[t] = torch.cat(values)
            if t >= path.burn_in and (t - path.burn_in) % KEPT_EVERY == 0:
                wealth.append(mass)
            if t + 1 < len(path.shocks):
                following = economy.step(state, policy, int(path.shocks[t + 1]))
                moved = histogram.move_assets(mass, savings, fine)
                mass = histogram.move_productivity(moved, economy.Dynamics.transition(state, following))
                state = model.State.update(following, "distribution", put_on(mass, fine, grid))
    series = dict(zip(["K", "C", "at_limit", *further], array(rows)[path.burn_in :].T, strict=True))
    return series | inequality(torch.cat(wealth), fine)


def put_on(mass: Tensor, nodes: Tensor, grid: Tensor) -> Tensor:
    """Masses [*batch, nE, n] on other nodes [*batch, nE, m]: each goes to the two around it, so that mass and mean stay.

    What lies beyond the ends of `grid` goes to its first or last node.
    """
    lower, upper_weight = (x.expand(*mass.shape) for x in histogram.lottery_weights(nodes, grid))
    upper = mass * upper_weight
    moved = mass.new_zeros(*mass.shape[:-1], len(grid))
    return moved.scatter_add(-1, lower, mass - upper).scatter_add(-1, lower + 1, upper)


def compare(paths: Mapping[str, Series], name: str, reference: str) -> dict[str, float]:
    """Distance of a path of K from a reference on the same shocks, in per cent; of r, where both have it."""
    log_K, log_ref = np.log(paths[name]["K"]), np.log(paths[reference]["K"])
    gap = log_K - log_ref
    rates = [paths[column]["r"] for column in (name, reference) if "r" in paths[column]]
    of_r = {"max |d r| [basis points]": 1e4 * float(np.abs(rates[0] - rates[1]).max())} if len(rates) == 2 else {}
    return of_r | {
        "bias of mean K [%]": 100 * float(paths[name]["K"].mean() / paths[reference]["K"].mean() - 1),
        "max |d log K| [%]": 100 * float(np.abs(gap).max()),
        "mean |d log K| [%]": 100 * float(np.abs(gap).mean()),
        "demeaned max [%]": 100 * float(np.abs(gap - gap.mean()).max()),
        "std of log K, ratio": float(log_K.std() / log_ref.std()),
    }


def policy_error(economy: Economy, reference: Reference, states: Tensor) -> dict[str, float]:
    """|a' - a'_ref| / c at all nodes, in states where the reference has an answer."""
    inside = reference.inside(states)
    some = states[torch.as_tensor(inside, device=states.device)]
    # both have the same cash on hand, so that savings differ by what consumption differs
    c, _ = economy.households(some, economy.policy(some))
    exact, _ = economy.households(some, reference.policy(some))
    errors, weights = np.abs(c - exact) / c, array(economy.distribution(some))
    result = quantiles(errors)
    result["mean over households"] = float((errors * weights).sum() / weights.sum())
    result["states"], result["states beyond the reference's range of K"] = int(inside.sum()), int((~inside).sum())
    return result


def euler_errors(economy: Economy, cloud: Tensor, box: Tensor) -> dict[str, dict[str, float]]:
    """|residual| at all nodes: |1 - c_implied / c| where no limit binds; where one does, the distance of desired savings
    from it over c, although what a household does is exact there."""
    on_cloud, on_box = euler_residuals(economy, cloud), euler_residuals(economy, box)
    if on_cloud is None or on_box is None:
        return {}
    households = array(economy.distribution(cloud))
    result = {"ergodic cloud": logs(on_cloud), "ergodic cloud, weighted by households": logs(on_cloud, households)}
    result["wider box"] = logs(on_box)
    for i, label in enumerate(economy.labels):
        result[f"ergodic cloud, {label}"] = logs(on_cloud[:, i])
    a = economy.a_grid
    for low, high in pairwise([0, 1, 10, 50, 100, np.inf]):
        nodes = (a >= low) & (a < high)
        if nodes.any():
            result[f"ergodic cloud, {low} <= a < {high:g}"] = logs(on_cloud[:, :, nodes])
    return result


def _page(run: Run, report: Mapping[str, Any]) -> str:
    """The report as tables: one for each section, a column for each path where they are compared."""
    about, shocks = report["run"], report["shocks"]
    trained = f"{about['episodes']:,} episodes" + (f", {about['seconds']:,.0f} seconds" if "seconds" in about else "")
    seen = "seen of the distribution"
    seen = f"Beside aggregates, the network saw `{about[seen]}` of the distribution. " if seen in about else ""
    parts = [
        f"# Accuracy of a run of {run.model.name}\n\n{seen}Seed {about['seed']}, {about['asset nodes']:,} asset ",
        f"nodes, {trained}; {about['parameters']:,} parameters, {about['precision']}. {shocks['periods']:,} periods after ",
        f"{shocks['left out before']:,} that do not count, seed of the shocks {shocks['seed']}.\n",
    ]
    for section, note in _SECTIONS.items():
        content = report[section]
        if section == "moments":  # a row for each moment
            content = {
                row: {name: column.get(row) for name, column in content.items()} for row in content["network, own grid"]
            }
        parts += [f"\n## {section}\n\n{note}\n\n", markdown.table(content)]
    return "".join(parts) + f"\n## not proven\n\n{report['not proven']}\n"


def draw(paths: Mapping[str, Series]) -> Figure:
    """Log K of the network and of the references, and their differences."""
    figure, (top, bottom) = figures.new(rows=2, width=8.0, height=2.4)
    for name, style in (("reference, fine grid", "k"), ("network, own grid", "C0--")):
        K = paths[name]["K"]
        top.plot(K, style, linewidth=0.8, label=f"{name}, mean {K.mean():.3f}")
    top.set(title="K on the common shocks", ylabel="K [goods]")
    top.legend(loc="upper left", ncols=2, fontsize="small")
    for reference in paths:
        if reference.startswith("reference"):
            gap = 100 * np.log(paths["network, own grid"]["K"] / paths[reference]["K"])
            bottom.plot(gap, linewidth=0.8, label=f"network, own grid - {reference}")
    bottom.set(xlabel="period", ylabel="d log K [%]")
    bottom.legend(loc="lower left", ncols=2, fontsize="small")
    for axis in (top, bottom):
        axis.margins(y=0.3)  # room for the legend
    return figure
