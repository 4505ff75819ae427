"""The accuracy report of a run: the network beside the classical solution, on the same shocks.

Euler errors alone hide a level bias: a uniform savings error of 0.1 % of consumption moves mean K by 0.26 % at a mean Euler
error of 10^-4.5. So the path of K and the error of the policy stand beside them. Two references are solved: on the run's own
grid, which tells the network's error, and on a fine one, which tells the grid's.
"""

import hashlib
import json
from itertools import pairwise

import numpy as np
import torch

import Definitions
import Dynamics
import Parameters
import State

from reference import Reference

from deqn import figures, histogram

PERIODS, BURN_IN, SEED = 10_000, 1_000, 20_101  # of the common sequence of Z
EVERY = 50  # quarters between the states of the ergodic cloud
INEQUALITY_EVERY = 10  # quarters between two distributions of wealth whose inequality is measured
FINE_ASSETS, FINE_TOP = 1_600, 300.0
SERIES = ("K", "C", "Y", "at_limit", "mass", "mass_at_top")  # of Definitions.py, in every quarter
INEQUALITY = ("gini", "top_10", "top_1")
NOT_PROVEN = (
    "Not proven: that the policy is as good in states that neither the path nor the box visits, that the solution is unique, "
    "or that moments of the distribution beyond those the network sees would not matter with other preferences. The reference "
    "has an error of its own, and a histogram's nodes stand for a continuum of households."
)


def accuracy_report(run):
    """Measures, writes accuracy.json, accuracy.md and accuracy.png into `run.output`; returns the measures by section."""
    own, fine = references(run)
    z = productivity_path(own["Pi_tfp"], BURN_IN + PERIODS)
    network, cloud = network_path(run, z)
    paths = {
        "network, own grid": network,
        "reference, own grid": Reference.simulate(own, z, inequality=True),
        "network, fine grid": network_path_on(run, z, fine["a_grid"]),
        "reference, fine grid": Reference.simulate(fine, z, inequality=True),
    }
    for path in paths.values():  # Z and labour are the same on all of them
        path.setdefault("Y", network["Y"] * (path["K"] / network["K"]) ** Parameters.alpha)
    measured = SERIES + INEQUALITY
    kept = {name: {k: np.asarray(path[k])[BURN_IN:] for k in measured if k in path} for name, path in paths.items()}
    box = run.wider_box(cloud)
    report = {
        "run": about(run),
        "path of K": {
            "network against reference, both on the run's grid": compare(kept, "network, own grid", "reference, own grid"),
            "network against reference, both on the fine grid": compare(kept, "network, fine grid", "reference, fine grid"),
            "run as it is against the fine reference": compare(kept, "network, own grid", "reference, fine grid"),
            "grid alone: reference on the run's grid against the fine one": compare(
                kept, "reference, own grid", "reference, fine grid"
            ),
        },
        "policy error |a' - a'_ref| / c": {
            "ergodic cloud": policy_error(run, own, cloud),
            "wider box": policy_error(run, own, box),
        },
        "Euler errors": euler_errors(run, cloud, box),
        "forecast of log K by Z and log K": {
            name: forecast(paths[name]["K"], z) for name in ("network, own grid", "reference, own grid")
        },
        "moments": {name: moments(path) for name, path in kept.items()},
        "shocks": {"quarters": PERIODS, "left out before": BURN_IN, "seed": SEED},
        "not proven": NOT_PROVEN,
    }
    (run.output / "accuracy.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    (run.output / "accuracy.md").write_text(markdown(report), encoding="utf-8")
    figures.save(draw(paths), run.output / "accuracy.png")
    return report


def about(run):
    """What was trained: the choices that set runs apart, and what training took."""
    config, file = run.config, run.path / "run.json"
    ended = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    result = {
        "seen of the distribution": config.net.distribution.sees,
        "seed": config.seed,
        "asset nodes": len(Parameters.a_grid),
        "episodes": run.episode or config.run.N_episodes,
        "parameters": sum(p.numel() for p in run.model.network.parameters()),
        "precision": config.run.keras_precision,
    }
    return result | {name: ended[key] for name, key in (("gradient steps", "step"), ("seconds", "seconds")) if key in ended}


def references(run):
    """The classical solution on the run's grid and on a fine one, solved by the first post-processing of a run."""
    constants = run.config.constants
    fine = {"n_assets": max(FINE_ASSETS, 2 * constants["nA"]), "top": max(FINE_TOP, constants["amax"])}
    if constants["amax"] < 100:  # an economy with a bound that binds: the fine grid has the same one
        fine["top"] = constants["amax"]
    # capital moves more where Z has two states: another path for the fit moves log K by 0.02 %, of 50,000 quarters by 0.01 %
    long = {"periods": 51_000} if len(Parameters.tfp_grid) == 2 else {}
    solutions = []
    for options in (long, fine | long):
        key = hashlib.sha256(json.dumps([constants, options], sort_keys=True).encode()).hexdigest()[:12]
        path = run.output.parent / f"reference-{key}.npz"  # beside the folders of all post-processings of this run
        if not path.is_file():
            grid = f"{options.get('n_assets', constants['nA']):,} asset nodes"
            print(f"solving the classical reference on {grid} ({'minutes' if long else 'up to a minute'}, once)", flush=True)
            Reference.save(Reference.solve(constants, **options), path)
        solutions.append(Reference.load(path))
    return solutions


def policy(reference):
    """A solution as a policy of this model: a function of states [n, n_states] to shares [n, nE nA]."""

    def shares(states):
        nodes = (State.Z(states)[:, None] - Parameters.tfp_grid).abs().argmin(-1).cpu().numpy()
        c = Reference.consumption_at(reference, nodes, Definitions.K(states, None).double().cpu().numpy())
        cash = Definitions.cash_on_hand(states, Parameters.a_grid)
        return (torch.as_tensor(c).to(cash) / cash).flatten(1)

    return shares


def productivity_path(Pi_tfp, periods):
    """Nodes of Z of the common sequence: [periods], from the middle node on."""
    draws, cumulated = np.random.default_rng(SEED).random(periods), Pi_tfp.cumsum(-1)[:, :-1]
    nodes = np.empty(periods, dtype=np.int64)
    nodes[0] = len(Pi_tfp) // 2
    for t in range(1, periods):
        nodes[t] = (draws[t] >= cumulated[nodes[t - 1]]).sum()
    return nodes


def network_path(run, z):
    """The run's economy on given nodes of Z, from the stationary distribution.

    Returns:
        SERIES and INEQUALITY by quarter (the latter in every 10th after the burn-in, else NaN); and the states of every
        50th quarter after the burn-in, [n, n_states].
    """
    model, a_grid = run.model, Parameters.a_grid
    Z = Parameters.tfp_grid[torch.as_tensor(z, device=model.device)]
    state = State.update_dict(model.initial_states(1), {"Z": Z[:1], "distribution": Parameters.D_ss})
    rows = torch.empty(len(z), len(SERIES), dtype=model.dtype, device=model.device)
    visited, wealth = [], []
    for t in range(len(z)):
        policy = model.policy(state)
        rows[t] = torch.cat([getattr(Definitions, name)(state, policy) for name in SERIES])
        if t >= BURN_IN and t % EVERY == 0:
            visited.append(state)
        if measures_inequality(t):
            wealth.append(State.distribution(state).sum(-2))
        if t + 1 < len(z):
            moved = Dynamics.next_distribution(state, policy, Z[t + 1 : t + 2])
            state = State.update_dict(state, {"Z": Z[t + 1 : t + 2], "distribution": moved})
    return by_name(SERIES, rows) | inequality(len(z), wealth, a_grid), torch.cat(visited)


def network_path_on(run, z, a_fine):
    """The network's policy on a histogram with other nodes: consumption between the run's nodes is linear in assets.

    What the network sees is the histogram put on the run's grid.

    Returns:
        as `network_path`, without the mass.
    """
    model, a_grid = run.model, Parameters.a_grid
    a_fine = torch.as_tensor(a_fine).to(a_grid)
    Z = Parameters.tfp_grid[torch.as_tensor(z, device=model.device)]
    mass, state = put_on(Parameters.D_ss[None], a_grid, a_fine), model.initial_states(1)
    lower, weight = (x.expand(*mass.shape) for x in histogram.lottery_weights(a_fine, a_grid))
    names, wealth = ("K", "C", "Y", "at_limit"), []
    rows = torch.empty(len(z), len(names), dtype=model.dtype, device=model.device)
    for t in range(len(z)):
        state = State.update_dict(state, {"Z": Z[t : t + 1], "distribution": put_on(mass, a_fine, a_grid)})
        policy = model.policy(state)
        c = histogram.evaluate(Definitions.households(state, policy).c, lower, weight)
        cash = Definitions.cash_on_hand(state, a_fine)
        savings = (cash - c).clamp(a_fine[0], a_fine[-1])
        K, C = histogram.aggregate(mass, a_fine), histogram.aggregate(mass, cash - savings)
        rows[t] = torch.cat([K, C, Definitions.Y(state, policy), mass[..., 0].sum(-1)])
        if measures_inequality(t):
            wealth.append(mass.sum(-2))
        if t + 1 < len(z):
            mass = Dynamics.move(mass, savings, a_fine, Z[t : t + 1], Z[t + 1 : t + 2])
    return by_name(names, rows) | inequality(len(z), wealth, a_fine)


def put_on(mass, nodes, grid):
    """Masses [*batch, nE, n] on other nodes [*batch, nE, m]: each goes to the two around it, so that mass and mean stay.

    What lies beyond the ends of `grid` goes to its first or last node.
    """
    lower, upper_weight = (x.expand(*mass.shape) for x in histogram.lottery_weights(nodes, grid))
    upper = mass * upper_weight
    moved = mass.new_zeros(*mass.shape[:-1], len(grid))
    return moved.scatter_add(-1, lower, mass - upper).scatter_add(-1, lower + 1, upper)


def measures_inequality(t):
    return t >= BURN_IN and (t - BURN_IN) % INEQUALITY_EVERY == 0


def inequality(periods, wealth, grid):
    """INEQUALITY by quarter, NaN where it is not measured, from masses [1, n] of the quarters in which it is."""
    masses, grid = torch.stack(wealth).double(), grid.double()
    found = {"gini": histogram.gini(masses, grid)}
    found |= {name: histogram.top_share(masses, grid, top) for name, top in (("top_10", 0.1), ("top_1", 0.01))}
    result = {name: np.full(periods, np.nan) for name in INEQUALITY}
    for name, values in found.items():
        result[name][BURN_IN::INEQUALITY_EVERY] = values.cpu().numpy()
    return result


def by_name(names, rows):
    """{name: [T]}, float64, from rows [T, n]."""
    return dict(zip(names, rows.double().cpu().numpy().T, strict=True))


def compare(paths, name, reference):
    """Distance of a path of K from a reference on the same shocks, in per cent."""
    log_K, log_ref = np.log(paths[name]["K"]), np.log(paths[reference]["K"])
    gap = log_K - log_ref
    return {
        "bias of mean K [%]": 100 * float(paths[name]["K"].mean() / paths[reference]["K"].mean() - 1),
        "max |d log K| [%]": 100 * float(np.abs(gap).max()),
        "mean |d log K| [%]": 100 * float(np.abs(gap).mean()),
        "demeaned max [%]": 100 * float(np.abs(gap - gap.mean()).max()),
        "std of log K, ratio": float(log_K.std() / log_ref.std()),
    }


def policy_error(run, reference, states):
    """|a' - a'_ref| / c at all nodes, in states where the reference has an answer (within its range of K)."""
    K = Definitions.K(states, None).double().cpu().numpy()
    inside = (np.log(K) >= reference["log_K_grid"][0]) & (np.log(K) <= reference["log_K_grid"][-1])
    nodes = (State.Z(states)[:, None] - Parameters.tfp_grid).abs().argmin(-1).cpu().numpy()
    households = Definitions.households(states, run.policies(states))
    errors, weights = [], []
    for i in np.flatnonzero(inside):
        c = households.c[i].double().cpu().numpy()
        # both have the same cash on hand, so that savings differ by what consumption differs
        errors.append(np.abs(c - Reference.consumption_at(reference, int(nodes[i]), float(K[i]))) / c)
        weights.append(State.distribution(states)[i].double().cpu().numpy())
    errors, weights = np.stack(errors), np.stack(weights)
    result = quantiles(errors)
    result["mean over households"] = float((errors * weights).sum() / weights.sum())
    result["states"], result["states beyond the reference's range of K"] = int(inside.sum()), int((~inside).sum())
    return result


def euler_errors(run, cloud, box):
    """|residual| at all nodes: |1 - c_implied / c| where no limit binds; where one does, the distance of desired savings
    from it over c, although what a household does is exact there."""
    on_cloud = run.residuals(cloud)["euler"].abs().double().cpu().numpy()
    households = State.distribution(cloud).double().cpu().numpy()
    result = {"ergodic cloud": logs(on_cloud), "ergodic cloud, weighted by households": logs(on_cloud, households)}
    result["wider box"] = logs(run.residuals(box)["euler"].abs().double().cpu().numpy())
    for i, e in enumerate(Parameters.e_grid.tolist()):
        result[f"ergodic cloud, e = {e:.2f}"] = logs(on_cloud[:, i])
    a = Parameters.a_grid.cpu().numpy()
    edges = [0, 1, 10, 50, 100, np.inf]
    for low, high in pairwise(edges):
        nodes = (a >= low) & (a < high)
        if nodes.any():
            result[f"ergodic cloud, {low} <= a < {high:g}"] = logs(on_cloud[:, :, nodes])
    return result


def forecast(K, z):
    """The best law log K' = b0(Z) + b1(Z) log K on the first half of a path, and how it forecasts the second on its own.

    Source: Den Haan (2010), Journal of Economic Dynamics and Control 34, 79-99.
    """
    log_K, half = np.log(K[BURN_IN:]), (len(K) - BURN_IN) // 2
    z = z[BURN_IN:]
    law, left, total = {}, 0.0, 0.0
    for node in np.unique(z):
        t = np.flatnonzero(z[: half - 1] == node)
        if len(t) < 3:
            continue
        slope, constant = np.polyfit(log_K[t], log_K[t + 1], 1)
        law[node] = (constant, slope)
        left += ((log_K[t + 1] - constant - slope * log_K[t]) ** 2).sum()
        total += ((log_K[t + 1] - log_K[t + 1].mean()) ** 2).sum()
    predicted = np.empty(len(log_K) - half)
    predicted[0] = log_K[half]
    nearest = {node: min(law, key=lambda known, node=node: abs(known - node)) for node in np.unique(z)}
    for t in range(1, len(predicted)):
        constant, slope = law[nearest[z[half + t - 1]]]
        predicted[t] = constant + slope * predicted[t - 1]
    error = 100 * np.abs(predicted - log_K[half:])
    return {"R2": float(1 - left / total), "Den Haan max [%]": float(error.max()), "Den Haan mean [%]": float(error.mean())}


def moments(path):
    """Moments of one path, after the burn-in."""
    K, C, Y = path["K"], path["C"], path["Y"]
    log_K, I = np.log(K), Y - C
    result = {"mean K": K.mean(), "mean C": C.mean(), "mean Y": Y.mean(), "mean I": I.mean(), "std log K": log_K.std()}
    for name, series in (("C", C), ("Y", Y), ("I", I)):
        result[f"std log {name}"] = np.log(series).std()
    for name, series in (("K", K), ("C", C), ("Y", Y), ("I", I)):
        result[f"autocorrelation log {name}"] = correlation(np.log(series[1:]), np.log(series[:-1]))
    for name, series in (("K", K), ("C", C), ("I", I)):
        result[f"correlation of {name} with Y"] = correlation(series, Y)
    result["share at the borrowing limit"] = path["at_limit"].mean()
    texts = ("Gini of wealth", "share of the top 10 %", "share of the top 1 %")
    for name, text in zip(INEQUALITY, texts, strict=True):
        if name in path:
            result[text] = path[name][::INEQUALITY_EVERY].mean()
    if "mass" in path:
        result["largest |total mass - 1|"] = np.abs(path["mass"] - 1).max()
    if "mass_at_top" in path:
        result["largest mass at the last node"] = path["mass_at_top"].max()
    return {name: float(value) for name, value in result.items()}


def correlation(x, y):
    return np.corrcoef(x, y)[0, 1]


def quantiles(errors, weights=None):
    """Mean, p50, p90, p99, max; by weights of the same shape, if given."""
    errors = errors.ravel()
    order = errors.argsort()
    cumulated = np.ones(len(errors)) if weights is None else weights.ravel()[order].clip(0)
    mean = np.average(errors[order], weights=cumulated)
    cumulated = cumulated.cumsum()
    places = np.searchsorted(cumulated, np.array([0.5, 0.9, 0.99]) * cumulated[-1]).clip(0, len(errors) - 1)
    p50, p90, p99 = errors[order][places]
    return {"mean": float(mean), "p50": float(p50), "p90": float(p90), "p99": float(p99), "max": float(errors.max())}


def logs(errors, weights=None):
    """log10 of the quantiles; `mean log10` is the mean of log10 over the nodes with an error."""
    some = errors > 1e-11
    result = {name: float(np.log10(max(v, 1e-16))) for name, v in quantiles(errors, weights).items() if name != "mean"}
    mean = np.average(np.log10(errors[some]), weights=None if weights is None else weights[some]) if some.any() else -16.0
    return {"mean log10": float(mean), **result}


def markdown(report):
    """The report as tables: one for each section, a column for each path where they are compared."""
    run, shocks = report["run"], report["shocks"]
    trained = f"{run['episodes']:,} episodes" + (f", {run['seconds']:,.0f} seconds" if "seconds" in run else "")
    parts = [
        "# Accuracy of a Krusell-Smith run\n\n",
        f"The network saw Z, K and `{run['seen of the distribution']}` of the distribution. Seed {run['seed']}, ",
        f"{run['asset nodes']:,} asset ",
        f"nodes, {trained}; {run['parameters']:,} parameters, {run['precision']}. {shocks['quarters']:,} quarters after ",
        f"{shocks['left out before']:,} that do not count, seed of the shocks {shocks['seed']}.\n",
    ]
    for section, note in SECTIONS.items():
        content = report[section]
        if section == "moments":  # a row for each moment
            content = {row: {name: column.get(row) for name, column in content.items()} for row in content["network, own grid"]}
        columns = list(next(iter(content.values())))
        parts += [f"\n## {section}\n\n{note}\n\n", line("", columns), f"|---|{'---:|' * len(columns)}\n"]
        parts += [line(name, [number(row.get(column)) for column in columns]) for name, row in content.items()]
    return "".join(parts) + f"\n## not proven\n\n{report['not proven']}\n"


SECTIONS = {  # tables of accuracy.md, and a sentence on each
    "path of K": "Differences of log K on the same shocks.",
    "policy error |a' - a'_ref| / c": f"At all nodes of each state, whoever lives there; and the mean over households. The "
    f"ergodic cloud is every {EVERY}th quarter of the path of K.",
    "Euler errors": "log10 |residual|, in units of consumption, at all nodes of each state. Where a limit binds, the distance of "
    "desired savings from it.",
    "forecast of log K by Z and log K": "A law fitted to half of the path, iterated alone on the other (Den Haan, 2010).",
    "moments": f"Of the {PERIODS:,} quarters of the common shocks. Inequality in every {INEQUALITY_EVERY}th quarter.",
}


def line(name, cells):
    """A line of a table in Markdown, where | within a cell is no end of it."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in [name, *cells]) + " |\n"


def number(value):
    """Five digits, more just below one; nothing where nothing was measured."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.8f}" if 0.999 < value < 1 else f"{value:.5g}"


def draw(paths):
    """Log K of the network and of the references, and their differences."""
    figure, (top, bottom) = figures.new(rows=2, width=8.0, height=2.4)
    for name, style in (("reference, fine grid", "k"), ("network, own grid", "C0--")):
        K = paths[name]["K"]
        top.plot(K, style, linewidth=0.8, label=f"{name}, mean {K[BURN_IN:].mean():.3f}")
    top.set(title=f"Capital on the common shocks (means: from quarter {BURN_IN:,} on)", ylabel="K [goods]")
    top.legend()
    for name, reference in (("network, own grid", "reference, own grid"), ("network, own grid", "reference, fine grid")):
        gap = 100 * np.log(paths[name]["K"] / paths[reference]["K"])
        bottom.plot(gap, linewidth=0.8, label=f"{name} - {reference}")
    bottom.set(xlabel="quarter", ylabel="d log K [%]")
    bottom.legend()
    return figure
