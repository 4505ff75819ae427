"""The accuracy report of a run: the network beside the classical solution, on the same shocks.

Euler errors alone hide a level bias: a uniform savings error of 0.1 % of consumption moves mean K by 0.26 % at a mean Euler
error of 10^-4.5. So the path of K and the error of the policy stand beside them. Two references are solved: on the run's own
grid, which tells the network's error, and on a fine one, which tells the grid's.
"""

import hashlib
import json
from itertools import pairwise

import numpy as np
import pandas as pd
import torch

import Definitions
import Parameters
import Reference
import State

from deqn import figures, histogram

PERIODS, BURN_IN, SEED = 10_000, 1_000, 20_101  # of the common sequence of Z
EVERY = 50  # quarters between the states of the ergodic cloud
FINE_ASSETS, FINE_TOP = 1_600, 300.0
NOT_PROVEN = (
    "Not proven: that the policy is as good in states that neither the path nor the box visits, that the solution is unique, "
    "or that moments of the distribution beyond its mean would not matter with other preferences. The reference has an error of "
    "its own, and a histogram's nodes stand for a continuum of households."
)


def accuracy_report(run):
    """Measures, writes accuracy.json, accuracy.md and accuracy.png into `run.output`; returns the measures by section."""
    own, fine = references(run)
    z = productivity_path(own["Pi_tfp"], BURN_IN + PERIODS)
    network, cloud = network_path(run, z)
    paths = {
        "network, own grid": network,
        "network, fine grid": network_path_on(run, z, fine["a_grid"]),
        "reference, own grid": Reference.simulate(own, z),
        "reference, fine grid": Reference.simulate(fine, z),
    }
    series = ("K", "C", "at_limit", "mass", "mass_at_top")
    kept = {name: {k: np.asarray(path[k])[BURN_IN:] for k in series if k in path} for name, path in paths.items()}
    box = run.wider_box(cloud)
    report = {
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
        "moments": {name: moments(path, z[BURN_IN:], own["tfp_grid"]) for name, path in kept.items()},
        "shocks": {"quarters": PERIODS, "left out before": BURN_IN, "seed": SEED},
        "not proven": NOT_PROVEN,
    }
    (run.output / "accuracy.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    (run.output / "accuracy.md").write_text(markdown(report), encoding="utf-8")
    figures.save(draw(paths), run.output / "accuracy.png")
    return report


def references(run):
    """The classical solution on the run's grid and on a fine one, solved by the first post-processing of a run."""
    constants = run.config.constants
    fine = {"n_assets": max(FINE_ASSETS, 2 * constants["nA"]), "top": max(FINE_TOP, constants["amax"])}
    if constants["amax"] < 100:  # an economy with a bound that binds: the fine grid has the same one
        fine["top"] = constants["amax"]
    solutions = []
    for options in ({}, fine):
        key = hashlib.sha256(json.dumps([constants, options], sort_keys=True).encode()).hexdigest()[:12]
        path = run.output.parent / f"reference-{key}.npz"  # beside the folders of all post-processings of this run
        if not path.is_file():
            grid = f"{options.get('n_assets', constants['nA']):,} asset nodes"
            print(f"solving the classical reference on {grid} (up to a minute, once)", flush=True)
            Reference.save(Reference.solve(constants, **options), path)
        solutions.append(Reference.load(path))
    return solutions


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
        K, C, at_limit, mass, mass_at_top by quarter; and the states of every 50th quarter after the burn-in, [n, n_states].
    """
    model = run.model
    productivity = Parameters.tfp_grid[torch.as_tensor(z, device=model.device)]
    state = State.update(model.initial_states(1), "distribution", Parameters.D_ss)
    rows, visited = torch.empty(len(z), 5, dtype=model.dtype, device=model.device), []
    for t in range(len(z)):
        state = State.update(state, "Z", productivity[t])
        if t >= BURN_IN and t % EVERY == 0:
            visited.append(state)
        distribution = State.distribution(state)
        households = Definitions.households(state, model.policy(state))
        rows[t] = torch.cat(
            [
                Definitions.K(state, None),
                histogram.aggregate(distribution, households.c),
                Definitions.at_limit(state, None),
                Definitions.mass(state, None),
                Definitions.mass_at_top(state, None),
            ]
        )
        moved = histogram.transport(distribution, households.a_next, Parameters.a_grid, Parameters.Pi_e)
        state = State.update(state, "distribution", moved)
    columns = rows.double().cpu().numpy().T
    return dict(zip(("K", "C", "at_limit", "mass", "mass_at_top"), columns, strict=True)), torch.cat(visited)


def network_path_on(run, z, a_fine):
    """The network's policy on a finer histogram, by linear interpolation of consumption: K, C, at_limit by quarter."""
    model = run.model
    a_fine = torch.as_tensor(a_fine, dtype=torch.float64, device=model.device)
    Pi_e, e_grid = Parameters.Pi_e.double(), Parameters.e_grid.double()
    a_grid = Parameters.a_grid.double()
    lower, weight = histogram.lottery_weights(a_fine, a_grid)
    stationary = torch.as_tensor(np.asarray(Parameters.D_ss.cpu()), dtype=torch.float64, device=model.device)
    mass = torch.zeros(len(e_grid), len(a_fine), dtype=torch.float64, device=model.device)
    at, share = histogram.lottery_weights(a_grid, a_fine)
    mass.index_add_(1, at, stationary * (1 - share)).index_add_(1, at + 1, stationary * share)
    rows = np.empty((len(z), 3))
    state = model.initial_states(1)
    for t in range(len(z)):
        K = histogram.aggregate(mass, a_fine)
        state = at_aggregates(state, Parameters.tfp_grid[int(z[t])], K.to(model.dtype))
        households = Definitions.households(state, model.policy(state))
        c = histogram.evaluate(households.c[0].double(), lower.expand(len(e_grid), -1), weight.expand(len(e_grid), -1))
        _, wage = Definitions.prices(state)
        cash = (1 + households.r.double()) * a_fine + wage.double() * e_grid[:, None]
        savings = (cash - c).clamp(a_fine[0], a_fine[-1])
        rows[t] = K.item(), histogram.aggregate(mass, cash - savings).item(), mass[:, 0].sum().item()
        mass = histogram.transport(mass, savings, a_fine, Pi_e)
    return dict(zip(("K", "C", "at_limit"), rows.T, strict=True))


def at_aggregates(state, Z, K):
    """A state with given Z and K, which are all that the network sees: all households at the two nodes around K."""
    lower, weight = histogram.lottery_weights(K.reshape(1), Parameters.a_grid)
    distribution = torch.zeros_like(State.distribution(state))
    distribution[:, 0, lower] = 1 - weight
    distribution[:, 0, lower + 1] = weight
    return State.update_dict(state, {"Z": Z, "distribution": distribution})


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
    """|residual|, which is |1 - c_implied / c| where no limit binds and zero where one rightly does."""
    on_cloud = run.residuals(cloud)["euler"].abs().double().cpu().numpy()
    result = {"ergodic cloud": logs(on_cloud), "wider box": logs(run.residuals(box)["euler"].abs().double().cpu().numpy())}
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
    for t in range(1, len(predicted)):
        constant, slope = law[z[half + t - 1]]
        predicted[t] = constant + slope * predicted[t - 1]
    error = 100 * np.abs(predicted - log_K[half:])
    return {"R2": float(1 - left / total), "Den Haan max [%]": float(error.max()), "Den Haan mean [%]": float(error.mean())}


def moments(path, z, tfp_grid):
    """Moments of one path, after the burn-in."""
    K, C = path["K"], path["C"]
    log_K, Y = np.log(K), tfp_grid[z] * K ** Parameters.alpha * Parameters.L ** (1 - Parameters.alpha)
    I = Y - C
    result = {"mean K": K.mean(), "mean C": C.mean(), "mean Y": Y.mean(), "mean I": I.mean(), "std log K": log_K.std()}
    result["autocorrelation log K"] = np.corrcoef(log_K[1:], log_K[:-1])[0, 1]
    for name, series in (("K", K), ("C", C), ("I", I)):
        result[f"correlation of {name} with Y"] = np.corrcoef(series, Y)[0, 1]
    result["share at the borrowing limit"] = path["at_limit"].mean()
    if "mass" in path:
        result["largest |total mass - 1|"] = np.abs(path["mass"] - 1).max()
        result["largest mass at the last node"] = path["mass_at_top"].max()
    return {name: float(value) for name, value in result.items()}


def quantiles(errors):
    """Mean, p50, p90, p99, max."""
    p50, p90, p99 = np.quantile(errors, [0.5, 0.9, 0.99])
    return {"mean": float(errors.mean()), "p50": float(p50), "p90": float(p90), "p99": float(p99), "max": float(errors.max())}


def logs(errors):
    """log10 of the quantiles; `mean` is the mean of log10 over the nodes where no limit binds."""
    free = errors[errors > 1e-11]
    result = {name: float(np.log10(max(value, 1e-16))) for name, value in quantiles(errors).items() if name != "mean"}
    return {"mean log10": float(np.log10(free).mean()) if len(free) else -16.0, **result}


def markdown(report):
    """The report as tables."""
    parts = ["# Accuracy of a Krusell-Smith run\n"]
    for section, content in report.items():
        parts.append(f"\n## {section}\n")
        if isinstance(content, str):
            parts.append(content + "\n")
            continue
        table = pd.DataFrame(content).T if isinstance(next(iter(content.values())), dict) else pd.Series(content).to_frame("")
        parts.append("| | " + " | ".join(map(str, table.columns)) + " |\n|" + "---|" * (table.shape[1] + 1) + "\n")
        for name, row in table.iterrows():
            parts.append(f"| {name} | " + " | ".join("" if pd.isna(v) else f"{v:.5g}" for v in row) + " |\n")
    return "".join(parts)


def draw(paths):
    """Log K of the network and of the references, and their differences."""
    figure, (top, bottom) = figures.new(rows=2, width=8.0, height=2.4)
    for name, style in (("reference, fine grid", "k"), ("network, own grid", "C0--")):
        top.plot(paths[name]["K"], style, linewidth=0.8, label=name)
    top.set(title="Capital on a common sequence of shocks", ylabel="K")
    top.legend()
    for name, reference in (("network, own grid", "reference, own grid"), ("network, own grid", "reference, fine grid")):
        gap = 100 * np.log(paths[name]["K"] / paths[reference]["K"])
        bottom.plot(gap, linewidth=0.8, label=f"{name} - {reference}")
    bottom.set(xlabel="quarter", ylabel="d log K [%]")
    bottom.legend()
    return figure
