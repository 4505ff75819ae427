"""Households that forecast two moments of the distribution of wealth, to tell what it costs to forecast one. JAX, float64.

    python models/countercyclical_risk/reference/Reference.py          # both solutions side by side; --assets 400, --seed 7

Grids, the endogenous grid method and prices are those of the classical solution in models/krusell_smith/reference/; nothing
is shared with the network's path. There, households know Z, K and their own (e, a). Here they also know

    m = E log(a - amin + shift) - slope log K,

where shift is half a year of mean labour income. Consumption is concave in wealth, so that the mean of a concave function of
wealth tells how much households save, given K. Others explain K' better, but not what they are next themselves: of those that
were tried, this one leaves the smallest errors to laws that are iterated alone (docs/models/countercyclical_risk.md). K and m
follow from what households save today, whatever Z' is. `slope` makes m uncorrelated with log K along the path of the classical
solution, so that the grid is a rectangle in (log K, m).

Laws of motion of log K and m are quadratic in both, for each Z. Given them, consumption on (Z, log K, m, e, a) comes from the
endogenous grid method; given consumption, a histogram is simulated, and the laws are fitted to it until they reproduce
themselves (Krusell and Smith, 1998). Den Haan's (2010) errors are those of both laws iterated together, without the histogram.
With `moments=1` laws have no m in them: then it is the classical solution by this program.

How sure (200 nodes of assets, 10,000 quarters of common shocks): with 12 x 8 nodes of (log K, m) in place of 8 x 5, log K moves
by 2.2e-5 at most; with another seed of the fit, by 4.0e-5; with `moments=1`, it is within 3.5e-7 of the classical solution's.

Shapes: nZ nodes of Z, nK of log K, nM of m, nE of productivity e, nA of assets a; T quarters. u and v are log K and m as
positions in the rectangle, from -1 to 1. Sources: Krusell and Smith (1998), Journal of Political Economy 106, 867-896. Den Haan
(2010), Journal of Economic Dynamics and Control 34, 79-99. Others are in models/krusell_smith/reference/Reference.py.
"""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2]))  # models/, where krusell_smith is

from krusell_smith.reference import Reference as classical

BURN_IN, MAX_LAWS = classical.BURN_IN, classical.MAX_LAWS
BOX = ("shift", "log_K", "half_K", "slope", "m", "half_m")  # what u and v are made with
COARSE = 150  # asset nodes on which laws are found first
MARGIN = 1.5  # of the rectangle, over half of the range along the classical solution's path


def position(box, K, mean_log):
    """u and v of K and E log(a - amin + shift), of any shape."""
    log_K = jnp.log(K)
    return (log_K - box["log_K"]) / box["half_K"], (mean_log - box["slope"] * log_K - box["m"]) / box["half_m"]


def terms(u, v, moments=2):
    """[..., 6] of a quadratic in u and v; [..., 3] of one in u alone."""
    return np.stack([np.ones_like(u), u, u**2, v, u * v, v**2][: 6 if moments == 2 else 3], -1)


def forecast(law, z, u, v):
    """Next period's (u, v) [..., 2] by the law [nZ, 2, 3 or 6]; z, u and v of one shape."""
    return np.einsum("...ij,...j->...i", law[z], terms(u, v, 1 + (law.shape[-1] == 6)))


def fit_law(z, u, v, nZ, moments):
    """Least squares at each Z: law [nZ, 2, 3 or 6], R^2 [nZ, 2]."""
    law, R2 = [], []
    for k in range(nZ):
        now = np.flatnonzero(z[:-1] == k)
        X, target = terms(u[now], v[now], moments), np.stack([u[now + 1], v[now + 1]], -1)
        if len(now) < 5 * X.shape[-1]:
            raise ValueError(f"Z is at node {k} in only {len(now)} quarters: simulate more periods")
        law.append(np.linalg.lstsq(X, target, rcond=1e-12)[0].T)
        R2.append(1 - ((target - X @ law[-1].T) ** 2).sum(0) / ((target - target.mean(0)) ** 2).sum(0))
    return np.stack(law), np.stack(R2)


def den_haan_errors(law, z, u, v, box):
    """The laws iterated alone from the first quarter on against simulated log K: [T], in per cent."""
    alone = np.empty((len(z), 2))
    alone[0] = u[0], v[0]
    for t in range(1, len(z)):
        alone[t] = forecast(law, z[t - 1], *alone[t - 1])
    return 100 * box["half_K"] * np.abs(alone[:, 0] - u)


def policies(p, box, nodes, law, c, tolerance):
    """Consumption [nZ, nK, nM, nE, nA] given the laws of motion, from c on; steps taken."""
    nZ, (nK, nM) = len(p["tfp_grid"]), nodes
    z, u, v = np.meshgrid(np.arange(nZ), np.linspace(-1, 1, nK), np.linspace(-1, 1, nM), indexing="ij")
    later, spread = forecast(law, z, u, v), []
    for i, n in enumerate(nodes):
        s = ((later[..., i] + 1) / 2 * (n - 1)).clip(0, n - 1)  # the law is wild where corners lead, and nobody is there
        first, weights = classical.cubic(s, n)
        spread.append(sum(w[..., None] * (first[..., None] + j == np.arange(n)) for j, w in enumerate(weights)))
        later[..., i] = 2 * s / (n - 1) - 1
    r_next, _ = classical.prices(p, np.arange(nZ)[:, None, None, None], np.exp(box["log_K"] + box["half_K"] * later[..., 0]))
    discount = np.einsum("zy,yzij,zijp,zijq->zijypq", p["Pi_tfp"], 1 + r_next, *spread)
    cash = classical.cash_on_hand(p, z, np.exp(box["log_K"] + box["half_K"] * u))
    S, node, Pi_e = z.size, z.ravel(), p["Pi_e"]
    Pi_e = Pi_e[0, 0] if (Pi_e == Pi_e[0, 0]).all() else Pi_e[node[:, None], node]
    new, steps, change = classical.time_iteration(
        c.reshape(S, *cash.shape[-2:]), cash.reshape(S, *cash.shape[-2:]), discount.reshape(S, S), p["beta"][:, None] * Pi_e,
        p["a_grid"], eis=float(p["eis"]), tolerance=tolerance,
    )  # fmt: skip
    if not change <= tolerance:
        raise ValueError(f"the endogenous grid method did not converge: last relative change {float(change):.1e}")
    return np.asarray(new).reshape(cash.shape), int(steps)


def around(c, z, u, v):
    """Consumption [nE, nA] between the nodes of c [nZ, nK, nM, nE, nA]; beyond the rectangle, that of its edge."""
    starts, weights = [], []
    for x, n in ((u, c.shape[1]), (v, c.shape[2])):
        first, w = classical.cubic(((x + 1) / 2 * (n - 1)).clip(0, n - 1), n)
        starts.append(first)
        weights.append(jnp.stack(w))
    return jnp.einsum("i,j,ijea->ea", *weights, jax.lax.dynamic_slice(c, (z, *starts, 0, 0), (1, 4, 4, *c.shape[3:]))[0])


around_many = jax.jit(jax.vmap(around, (None, 0, 0, 0)))


@partial(jax.jit, static_argnames=("grid", "grid_power"))
def transport_path(z, D, c, box, p, grid, grid_power):
    """As in the classical solution: aggregates [T] along the shocks z [T] from the distribution D [nE, nA] on, and the last D."""
    a_grid, n = p["a_grid"], p["a_grid"].shape[0]
    row = n * jnp.arange(D.shape[0])[:, None]

    def step(D, z):
        z, z_next = z
        by_assets = D.sum(0)
        K, mean_log = by_assets @ a_grid, by_assets @ jnp.log(a_grid - a_grid[0] + box["shift"])
        r, w = classical.prices(p, z, K)
        cash = (1 + r) * a_grid + w * p["income"][z][:, None] + p["goods"][:, None]
        savings = classical.within_limits(p, cash - around(c, z, *position(box, K, mean_log)))
        lower, upper_weight = classical.place(savings, a_grid, grid, grid_power)
        upper, to = D * upper_weight, (row + lower).ravel()
        moved = jnp.zeros(D.size).at[to].add((D - upper).ravel()).at[to + 1].add(upper.ravel())
        out = {"K": K, "mean_log": mean_log, "C": (D * (cash - savings)).sum(), "at_limit": by_assets[0], "by_e": D.sum(1)}
        out |= {"mass": by_assets.sum(), "mass_at_top": by_assets[-1]}
        return p["Pi_e"][z, z_next].T @ moved.reshape(D.shape), out

    return jax.lax.scan(step, D, (z, jnp.append(z[1:], z[-1])))


def run_path(p, box, c, z, D):
    """`transport_path` with numpy arrays, and u and v [T]."""
    names = ("a_grid", "income", "goods", "Pi_e", "tfp_grid", "alpha", "delta", "labour")
    arrays, kind = {name: jnp.asarray(p[name]) for name in names}, {"grid": str(p["grid"]), "grid_power": float(p["grid_power"])}
    D, path = transport_path(jnp.asarray(z), jnp.asarray(classical.at_start(p, D, z[0])), c, box, arrays, **kind)
    u, v = position(box, path["K"], path["mean_log"])
    return {name: np.asarray(x) for name, x in (path | {"distribution": D, "u": u, "v": v}).items()}


def simulate(solution, z_indices, distribution=None):
    """The economy along nodes of Z [T], from the stationary distribution on if none is given: dict of [T]."""
    D = solution["distribution"] if distribution is None else distribution
    return run_path(solution, {name: solution[name] for name in BOX}, solution["consumption"], np.asarray(z_indices), D)


def consumption_at(solution, z_index, K, mean_log):
    """Consumption at Z's nodes, K and E log(a - amin + shift), each [n]: [n, nE, nA]. Savings are put within their limits."""
    u, v = position(solution, np.asarray(K), np.asarray(mean_log))
    c = np.asarray(around_many(solution["consumption"], np.asarray(z_index), u, v))
    cash = classical.cash_on_hand(solution, np.asarray(z_index), np.asarray(K))
    return cash - classical.within_limits(solution, cash - c)


def rectangle(one, z):
    """Where the path of the classical solution `one` along z leads, and `MARGIN` beyond; u and v along that path."""
    log_K = one["log_K_grid"]  # its policy does not depend on m, so that any rectangle will do for the path
    box = {"shift": 2 * float(classical.prices(one, len(one["Pi_tfp"]) // 2, one["K_ss"])[1])}
    box |= {"log_K": log_K.mean(), "half_K": (log_K[-1] - log_K[0]) / 2, "slope": 0.0, "m": 0.0, "half_m": 1.0}
    path = run_path(one, box, np.repeat(one["consumption"][:, :, None], 4, 2), z, one["distribution"])
    K, mean_log = path["K"][BURN_IN:], path["mean_log"][BURN_IN:]
    box["slope"] = np.polyfit(np.log(K), mean_log, 1)[0]
    for name, half, x in (("log_K", "half_K", np.log(K)), ("m", "half_m", mean_log - box["slope"] * np.log(K))):
        box |= {name: (x.max() + x.min()) / 2, half: MARGIN * np.ptp(x) / 2}
    return box, [np.asarray(x) for x in position(box, K, mean_log)]


def solve(constants, n_assets=None, nodes=(8, 5), periods=11_000, seed=0, tolerance=1e-7, moments=2, report=lambda line: None):
    """The algorithm of Krusell and Smith (1998) with two moments.

    Args:
        constants, n_assets, periods, seed: as in the classical solution.
        nodes: of log K and of m, at least four each.
        tolerance: largest change of the forecasts of log K and m on their grid.
        moments: 1 for laws without m, the classical solution.
        report: called with a line of text after each law of motion.

    Returns:
        dict of arrays and numbers. Those of `classical.economy`; consumption [nZ, nK, nM, nE, nA]; shift; log_K, half_K, slope,
        m, half_m of the rectangle; law [nZ, 2, 6] of (u, v) and R2 [nZ, 2]; K_ss and distribution [nE, nA] of the stationary
        equilibrium. On a path that was not fitted: den_haan_max, den_haan_mean [%]; path_z, path_K, path_u, path_v [periods], of
        which `BURN_IN` do not count. And seconds.
    """
    begin = time.perf_counter()
    p = classical.economy(constants, n_assets)
    nZ, n = len(p["tfp_grid"]), len(p["a_grid"])
    coarse = min(n, COARSE)
    one = classical.solve(constants, n_assets=coarse, periods=periods, seed=seed, tolerance=1e-6)
    z, tested = (classical.productivity_path(p["Pi_tfp"], periods, seed + i) for i in (0, 1))

    box, first = rectangle(one, z)
    halves = np.array([box["half_K"], box["half_m"]])
    report(f"classical solution on {coarse} nodes: {time.perf_counter() - begin:.1f} s")
    law, _ = fit_law(z[BURN_IN:], *first, nZ, moments)
    at, u, v = np.meshgrid(np.arange(nZ), np.linspace(-1, 1, nodes[0]), np.linspace(-1, 1, nodes[1]), indexing="ij")
    K = np.exp(box["log_K"] + box["half_K"] * u)
    share = classical.consumption_at(one, at, K) / classical.resources(one, classical.cash_on_hand(one, at, K))
    old = one["a_grid"]
    K_ss, _, D_ss = classical.stationary_equilibrium(classical.without_shocks(p))
    for size in [coarse, n] if n > coarse else [n]:
        q = classical.finer(p, size)
        cash = classical.resources(p, classical.cash_on_hand(q, at, K))
        c, D = classical.values_on_grid(share, old, q["a_grid"]) * cash, classical.masses_on_grid(D_ss, p["a_grid"], q["a_grid"])
        tried, errors, change = [], [], 1e-3
        while not change < tolerance:
            if len(tried) == MAX_LAWS:
                raise ValueError(f"{MAX_LAWS} laws of motion tried, the last one still changes by {change:.1e}")
            c, steps = policies(q, box, nodes, law, c, max(tolerance / 10, min(1e-6, change / 1000)))
            path = run_path(q, box, c, z, D)
            new, R2 = fit_law(z[BURN_IN:], path["u"][BURN_IN:], path["v"][BURN_IN:], nZ, moments)
            change = np.abs((forecast(new, at, u, v) - forecast(law, at, u, v)) * halves).max()
            report(f"{size} asset nodes: law changes by {change:.1e}; {steps} steps; {time.perf_counter() - begin:.1f} s")
            tried.append(law.ravel())
            errors.append((new - law).ravel())
            if change >= tolerance:
                law = classical.anderson(tried[-6:], errors[-6:]).reshape(law.shape)
        share, old = c / cash, q["a_grid"]

    path = run_path(p, box, c, tested, D_ss)
    if max(np.abs(path[name]).max() for name in "uv") > 1:
        raise ValueError("a path leaves the rectangle of log K and m")
    found = den_haan_errors(law, tested[BURN_IN:], path["u"][BURN_IN:], path["v"][BURN_IN:], box)
    solution = p | box | {"consumption": c, "law": law, "R2": R2, "K_ss": K_ss, "distribution": D_ss}
    solution |= {"den_haan_max": found.max(), "den_haan_mean": found.mean(), "path_z": tested}
    solution |= {f"path_{name}": path[name] for name in "Kuv"} | {"seconds": time.perf_counter() - begin}
    return {name: np.asarray(value) for name, value in solution.items()}


save, load = classical.save, classical.load


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Households that forecast one moment of wealth, and two.")
    parser.add_argument("--constants", default="countercyclical_risk", help="name in config/constants, or a YAML file")
    parser.add_argument("--assets", type=int, help="asset nodes (default: the constants' nA)")
    parser.add_argument("--seed", type=int, default=0, help="of the path of Z (default 0)")
    options = parser.parse_args(arguments)
    constants = classical.read_constants(options.constants)
    one, two = (f(constants, n_assets=options.assets, seed=options.seed, report=print) for f in (classical.solve, solve))
    gap = np.log(two["path_K"] / one["path_K"])[BURN_IN:]
    print(f"{'':<44}{'one moment':>12}{'two moments':>12}")
    for name in ("den_haan_max", "den_haan_mean"):
        print(f"{name + ', of the law alone [%]':<44}{one[name]:12.4f}{two[name]:12.4f}")
    print(f"{'1 - R^2 of log K, largest over Z':<44}{1 - one['R2'].min():12.1e}{1 - two['R2'][:, 0].min():12.1e}")
    print(f"{'seconds':<44}{one['seconds']:12.0f}{two['seconds']:12.0f}")
    print(f"log K, two moments less one [%]: mean {100 * gap.mean():+.4f}, largest {100 * np.abs(gap).max():.4f}")


if __name__ == "__main__":
    main()
