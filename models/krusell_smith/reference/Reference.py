"""The classical solution of economies in the manner of Krusell and Smith (1998), to hold the network against. JAX, float64.

Nothing is shared with the network's path but the constants: no torch, no deqn, no other file of this folder. Training
does not import this file.

    python models/krusell_smith/reference/Reference.py                                  # the constants' own grid
    python models/krusell_smith/reference/Reference.py --assets 2000 --top 300          # a fine one
    python models/krusell_smith/reference/Reference.py --constants krusell_smith_notebook --out reference.npz
    python models/krusell_smith/reference/Reference.py --constants krusell_smith_1998   # their own economy
    python models/krusell_smith/reference/Reference.py --constants krusell_smith_beta   # with stochastic discount factors

Which economies. In one, log Z and log e are autoregressions and labour is fixed. In the other, that of Krusell and Smith
(1998) as calibrated by Den Haan, Judd and Juillard (2010), Z is bad or good, households are unemployed (e = 0) or employed
(1), and how many are unemployed follows from Z alone. In a third, that of section IV of Krusell and Smith (1998), the discount
factor of a household moves between three values, too. In a fourth, the standard deviation of log e moves with Z. The constants
tell which; `economy` turns them into the same arrays.

What is solved. Households know Z, K and their own (e, a), and forecast capital by a law of motion of its log for each
Z, quadratic. Given that law, consumption on (Z, log K, e, a) comes from the endogenous grid method (Carroll, 2006)
with amin <= a' <= amax. Given consumption, a histogram (Young, 2010) is simulated along a path of Z, where capital is
what households hold and not what the law says. The law is fitted to that path, until it reproduces itself (Krusell and
Smith, 1998). How good a forecast it is, Den Haan's (2010) test tells: the law is iterated alone from the first quarter
of a path that it was not fitted to, and compared with simulated capital.

How. Between the nodes of log K, four-point Lagrange polynomials. They are linear in the values at the nodes, so that
the expectation over Z' at the forecast K' is one product with a matrix [nZ nK, nZ nK], and the one over e' another;
or both are one with a matrix [nZ nK nE, nZ nK nE], where the chain of e depends on Z and Z'. Fine grids start from the
solution on a coarse one.

How sure. Over 10,000 quarters, mean K of the default economy differs from path to path by 0.029 (standard deviation
over 40 paths), and the standard deviation of log K by 6 %. Solutions are therefore compared along one path, by
`simulate`: there another seed of the fit moved log K by 1.4e-5 at most, and more than nine nodes of log K by nothing
that counts.
In the economy of 1998 these are 0.062 and 3 %, over 20 paths; another seed of the fit moved log K by 2.5e-4 at most and
2.2e-4 on average (R^2 is lower), and 21 nodes of log K by 6e-9. Its law of motion is
that of Maliar, Maliar and Valli (2010), within the difference between samples.

Shapes: nZ nodes of productivity Z, nK of log K, nE of households' productivity e, nA of assets a; T quarters.

Sources: Anderson (1965), Journal of the ACM 12, 547-560. Carroll (2006), Economics Letters 91, 312-320. Den Haan
(2010), Journal of Economic Dynamics and Control 34, 79-99. Den Haan, Judd and Juillard (2010), ibid., 1-3. Krusell and
Smith (1998), Journal of Political Economy 106, 867-896. Maliar, Maliar and Valli (2010), Journal of Economic Dynamics and
Control 34, 42-49. Sunakawa (2020), Computational Economics 55, 845-874. Young (2010), Journal of Economic Dynamics and
Control 34, 36-41.
"""

import argparse
import sys
import time
from functools import partial
from numbers import Real
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy import sparse
from scipy.optimize import brentq
from scipy.sparse.linalg import spsolve
from sequence_jacobian import grids

jax.config.update("jax_enable_x64", True)

NEEDED = ("eis", "alpha", "delta", "amin", "amax", "nA", "grid", "grid_power")  # by all economies
PRODUCTIVITY = ("L", "rho_e", "sd_e", "nE", "rho_tfp", "sigma_tfp", "n_tfp")  # by the one with autoregressions
DISPERSION = ("L", "rho_e", "sd_e_bad", "sd_e_good", "nE", "rho_tfp", "sigma_tfp", "n_tfp")  # where it moves with Z
EMPLOYMENT = (  # by that of Krusell and Smith (1998)
    "Z_bad", "Z_good", "duration_Z", "u_bad", "u_good", "duration_u_bad", "duration_u_good", "hours", "benefit",
)
PATIENCE = ("beta_low", "beta_middle", "beta_high", "extreme", "duration_beta", "home")  # by that of section IV
COARSE = 250  # asset nodes on which a solution with many more starts
BURN_IN = 1_000  # first quarters of a simulated path, which are not counted
MAX_LAWS = 60  # laws of motion that are tried
MOMENTS = {  # of a path: key, and what it is
    "mean_K": "mean of capital",
    "std_log_K": "standard deviation of log K",
    "autocorrelation_log_K": "autocorrelation of log K",
    "mean_r": "mean return r [1/quarter]",
    "mean_C": "mean of consumption",
    "mean_Y": "mean of output",
    "mean_I": "mean of investment",
    "correlation_K_Y": "correlation of K with Y",
    "correlation_C_Y": "correlation of C with Y",
    "correlation_I_Y": "correlation of I with Y",
    "at_limit": "share of households at the borrowing limit",
    "negative": "share of households with negative wealth",
    "gini": "Gini coefficient of wealth",
    "top_20": "share of the richest 20 %",
    "top_10": "share of the richest 10 %",
    "top_5": "share of the richest 5 %",
    "top_1": "share of the richest 1 %",
    "mass_at_top": "largest mass at the last node",
}


# ------------------------------------------------------------------------------------------------ the economy's arrays


def asset_nodes(kind, n, low, high, power):
    """Asset grid [n] from low to high.

    power: node i at (i / (n - 1)) ** power; agrid: equidistant in log (a + 1/4); asset_grid: in log (1 + log (1 + a)).
    """
    step = np.arange(n) / (n - 1)
    if kind == "power":
        nodes = low + (high - low) * step**power
    elif kind == "agrid":
        pivot = abs(low) + 0.25
        nodes = np.exp(np.log(low + pivot) + step * np.log((high + pivot) / (low + pivot))) - pivot
    elif kind == "asset_grid":
        nodes = low + np.expm1(np.expm1(step * np.log1p(np.log1p(high - low))))
    else:
        raise ValueError(f"grid = {kind!r}: expected power, agrid or asset_grid")
    nodes[0], nodes[-1] = low, high
    return nodes


def economy(constants, n_assets=None, top=None):
    """Grids, Markov chains and parameters: dict of arrays and numbers.

    a_grid [nA]; tfp_grid [nZ], Pi_tfp [nZ, nZ]; labour [nZ], that firms hire at each Z; income [nZ, nE] of households, in
    wages, and goods [nE], what they have beside; Pi_e [nZ, nZ, nE, nE], from e to e' given Z and Z'; beta [nE]. Where Z moves
    employment, shares [nZ, nE] of households with each e.
    """
    p = constants
    kind, own = productivity, PRODUCTIVITY
    if any(name in p for name in EMPLOYMENT):
        kind, own = employment, EMPLOYMENT
    elif any(name in p for name in ("sd_e_bad", "sd_e_good")):
        kind, own = dispersion, DISPERSION
    patience = any(name in p for name in PATIENCE)
    needed = NEEDED + own + (PATIENCE if patience else ("beta",))
    missing = [name for name in needed if name not in p]
    if missing:
        raise ValueError(f"missing constants: {', '.join(missing)}")
    wrong = [f"{name} = {p[name]!r}" for name in needed if name != "grid" and not isinstance(p[name], Real)]
    if wrong:
        raise ValueError(f"constants that are no numbers: {', '.join(wrong)}")
    n, high = p["nA"] if n_assets is None else n_assets, p["amax"] if top is None else top
    if n < 10:
        raise ValueError(f"{n} asset nodes: at least 10 are needed")
    if high <= p["amin"]:
        raise ValueError(f"the asset grid ends at {high:g}, which is not above amin = {p['amin']:g}")
    arrays = {"a_grid": asset_nodes(p["grid"], n, float(p["amin"]), float(high), p["grid_power"])}
    arrays |= kind(p)
    nE = arrays["income"].shape[1]
    arrays |= patient(p, arrays) if patience else {"beta": np.full(nE, float(p["beta"])), "goods": np.zeros(nE)}
    return arrays | {name: p[name] for name in ("eis", "alpha", "delta", "grid", "grid_power")}


def productivity(p):
    """log e and log Z are autoregressions, independent of each other; labour is L."""
    if p["nE"] < 2 or p["n_tfp"] < 2:
        raise ValueError("nE and n_tfp: at least 2 nodes are needed")
    e_grid, _, Pi_e = grids.markov_rouwenhorst(rho=p["rho_e"], sigma=p["sd_e"], N=p["nE"])
    log_tfp, _, Pi_tfp = grids.markov_tauchen(rho=p["rho_tfp"], sigma=p["sigma_tfp"], N=p["n_tfp"], normalize=False)
    nZ = len(log_tfp)
    arrays = {"tfp_grid": np.exp(log_tfp), "Pi_tfp": Pi_tfp, "labour": np.full(nZ, float(p["L"]))}
    return arrays | {"income": np.tile(e_grid, (nZ, 1)), "Pi_e": np.tile(Pi_e, (nZ, nZ, 1, 1))}


def dispersion(p):
    """The same, but the standard deviation of log e is linear in log Z: sd_e_bad at its lowest node, sd_e_good at the highest.

    Mean e is one at every Z. Income risk that is larger in recessions: Storesletten, Telmer and Yaron (2004), Journal of
    Political Economy 112, 695-717.
    """
    arrays = productivity(p | {"sd_e": 1.0})
    log_Z, x = np.log(arrays["tfp_grid"]), np.log(arrays["income"][0])
    share = (log_Z - log_Z[0]) / (log_Z[-1] - log_Z[0])
    sd = p["sd_e_bad"] + share * (p["sd_e_good"] - p["sd_e_bad"])
    e = np.exp(sd[:, None] * (x - x.mean()))
    chain = arrays["Pi_e"][0, 0]
    weight = np.linalg.solve(np.eye(len(x)) - chain.T + 1, np.ones(len(x)))
    return arrays | {"income": e / (e @ weight)[:, None]}


def employment(p):
    """Z is bad or good, households are unemployed or employed: Den Haan, Judd and Juillard (2010).

    The unemployed stay so with the probability that their mean spell implies, 1.25 of it when a recession begins and 0.75
    when it ends. The employed lose their jobs with the one that takes unemployment from u(Z) to u(Z') exactly. A tax on
    labour income pays the benefits in every quarter.
    """
    u = np.array([p["u_bad"], p["u_good"]], dtype=float)
    if not ((u > 0) & (u < 1)).all():
        raise ValueError(f"u_bad = {u[0]:g}, u_good = {u[1]:g}: expected shares between 0 and 1")
    if min(p["duration_Z"], p["duration_u_bad"], p["duration_u_good"]) < 1:
        raise ValueError("duration_Z, duration_u_bad, duration_u_good: at least one quarter is needed")
    if p["amin"] <= 0 and p["benefit"] <= 0 and p.get("home", 0) <= 0:
        raise ValueError(f"benefit = {p['benefit']:g}: unemployed households without assets have nothing to consume")
    stay = 1 - 1 / p["duration_Z"]
    bad, good = 1 - 1 / p["duration_u_bad"], 1 - 1 / p["duration_u_good"]
    Pi_e = np.empty((2, 2, 2, 2))
    Pi_e[:, :, 0, 0] = [[bad, 0.75 * good], [1.25 * bad, good]]
    Pi_e[:, :, 1, 0] = (u - u[:, None] * Pi_e[:, :, 0, 0]) / (1 - u[:, None])
    Pi_e[..., 1] = 1 - Pi_e[..., 0]
    if Pi_e.min() < 0:
        raise ValueError("unemployment rates and durations imply transition probabilities that are not between 0 and 1")
    labour = p["hours"] * (1 - u)
    tax = p["benefit"] * u / labour
    arrays = {"tfp_grid": np.array([p["Z_bad"], p["Z_good"]], dtype=float), "labour": labour, "shares": np.stack([u, 1 - u], -1)}
    arrays["Pi_tfp"] = np.array([[stay, 1 - stay], [1 - stay, stay]])
    return arrays | {"income": np.stack([np.full(2, float(p["benefit"])), (1 - tax) * p["hours"]], -1), "Pi_e": Pi_e}


def patient(p, employed):
    """Discount factors by e, of which there are three times as many: e = 2 i + (1 where employed), with the i-th factor.

    Krusell and Smith (1998, section IV): a share `extreme` of households has each of the extreme factors and keeps it for
    `duration_beta` quarters on average; from one extreme to the other the middle one lies between. Who is unemployed makes
    `home` goods at home.
    """
    if not 0 < p["extreme"] < 0.5 or p["duration_beta"] <= 1:
        raise ValueError("expected extreme between 0 and 1/2, duration_beta above one quarter")
    leave = 1 / p["duration_beta"]
    come = leave * p["extreme"] / (1 - 2 * p["extreme"])
    chain = np.array([[1 - leave, leave, 0], [come, 1 - 2 * come, come], [0, leave, 1 - leave]])
    arrays = {"beta": np.repeat([p["beta_low"], p["beta_middle"], p["beta_high"]], 2), "goods": np.tile([p["home"], 0.0], 3)}
    arrays |= {"income": np.tile(employed["income"], 3), "Pi_e": np.kron(chain, employed["Pi_e"])}
    weights = [p["extreme"], 1 - 2 * p["extreme"], p["extreme"]]
    return arrays | {"shares": np.kron(weights, employed["shares"])}


def without_shocks(p):
    """The economy with one node, Z = 1, for ever.

    Labour, incomes and the chain of e are means over the stationary distribution of (Z, e): labour over Z; the income of e
    over Z given e; the transition from e to e' over Z and Z' given e, as in Sunakawa
    (2020). So unemployment is its mean, and incomes still add up to labour.
    """
    (nZ, nE), Pi_tfp, Pi_e = p["income"].shape, p["Pi_tfp"], p["Pi_e"]
    chain = np.einsum("zy,zyef->zeyf", Pi_tfp, Pi_e).reshape(nZ * nE, nZ * nE)
    weight = np.linalg.solve(np.eye(nZ * nE) - chain.T + 1, np.ones(nZ * nE)).reshape(nZ, nE)
    given_e = weight / weight.sum(0)
    # as differences from the first, so that what is the same everywhere remains what it is
    labour = p["labour"][0] + weight.sum(1) @ (p["labour"] - p["labour"][0])
    income = p["income"][0] + (given_e * (p["income"] - p["income"][0])).sum(0)
    mean = Pi_e[0, 0] + np.einsum("ze,zy,zyef->ef", given_e, Pi_tfp, Pi_e - Pi_e[0, 0])
    one = {"tfp_grid": np.ones(1), "Pi_tfp": np.ones((1, 1)), "labour": labour[None], "income": income[None]}
    return p | one | {"Pi_e": mean[None, None]}


def finer(p, n):
    """The economy with n asset nodes between the same ends."""
    low, high = p["a_grid"][[0, -1]]
    return p | {"a_grid": asset_nodes(str(p["grid"]), n, low, high, p["grid_power"])}


def prices(p, z_index, K):
    """Return on assets net of depreciation and wage, of the shape of Z's nodes `z_index` and K."""
    Z, ratio = p["tfp_grid"][z_index], K / p["labour"][z_index]
    return p["alpha"] * Z * ratio ** (p["alpha"] - 1) - p["delta"], (1 - p["alpha"]) * Z * ratio ** p["alpha"]


def cash_on_hand(p, z_index, K):
    """(1 + r) a + w income + goods: [*batch, nE, nA], for Z's nodes `z_index` and K of shape [*batch]."""
    r, w = (np.asarray(x)[..., None, None] for x in prices(p, z_index, K))
    return (1 + r) * p["a_grid"] + w * p["income"][z_index][..., None] + p["goods"][:, None]


def resources(p, cash):
    """What can be consumed, cash on hand above the borrowing limit, which is positive."""
    return cash - p["a_grid"][0]


def within_limits(p, savings):
    return savings.clip(p["a_grid"][0], p["a_grid"][-1])


# --------------------------------------------------------------------------------------------- the households' problem


@partial(jax.jit, static_argnames=("eis", "max_steps"))
def time_iteration(c, cash, discount, Pi_e, a_grid, eis, tolerance, max_steps=20_000):
    """Consumption at which the endogenous grid method stays where it is (Carroll, 2006).

    Args:
        c, cash: [S, nE, nA] in S aggregate states: the consumption to start from, cash on hand.
        discount: [S, S], the probability of each next state times its gross return. A next state between nodes is spread
            over them.
        Pi_e: [nE, nE], or [S, S, nE, nE] where the chain of e depends on both states; its rows times beta of e.
        tolerance: largest relative change of consumption in the last step.

    Returns:
        c [S, nE, nA], steps taken, the last step's largest relative change.
    """
    S, nA = c.shape[0], c.shape[-1]
    invert = jax.vmap(jnp.interp, (0, 0, None))
    same = Pi_e.ndim == 2
    joint = None if same else jnp.einsum("st,stef->setf", discount, Pi_e).reshape(-1, S * Pi_e.shape[-1])

    def step(c):
        marginal = (1 / c) ** (1 / eis)
        if same:
            expected = jnp.einsum("ef,sfa->sea", Pi_e, (discount @ marginal.reshape(S, -1)).reshape(c.shape))
        else:
            expected = (joint @ marginal.reshape(-1, nA)).reshape(c.shape)
        implied = (1 / expected) ** eis  # the consumption today that leads to a' on the nodes
        savings = invert(cash.reshape(-1, nA), (implied + a_grid).reshape(-1, nA), a_grid)
        return cash - savings.reshape(c.shape)  # beyond the first and last of them, a' = amin or amax

    def body(carry):
        c, n, _ = carry
        new = step(c)
        return new, n + 1, jnp.abs(new / c - 1).max()

    return jax.lax.while_loop(lambda x: (x[2] > tolerance) & (x[1] < max_steps), body, (c, 0, jnp.inf))


def cubic(s, n):
    """Four-point Lagrange interpolation on nodes 0 .. n - 1 at s, of any shape; beyond the ends, the last cubic.

    Returns:
        the first of the four nodes, and their four weights.
    """
    k = (s // 1).astype(int).clip(1, n - 3)
    t = s - k
    lower = (-t * (t - 1) * (t - 2) / 6, (t + 1) * (t - 1) * (t - 2) / 2)
    return k - 1, lower + (-(t + 1) * t * (t - 2) / 2, (t + 1) * t * (t - 1) / 6)


def policies(p, log_K, log_K_next, c, tolerance):
    """Consumption given next period's capital.

    Args:
        log_K: [nK], equidistant.
        log_K_next: [nZ, nK], the forecast.
        c: [nZ, nK, nE, nA], where to start.

    Returns:
        c [nZ, nK, nE, nA], steps taken.
    """
    nZ, nK = log_K_next.shape
    # the grid reaches one step further at most
    s = ((log_K_next - log_K[0]) / (log_K[1] - log_K[0])).clip(-1, nK)
    log_K_next = log_K[0] + s * (log_K[1] - log_K[0])
    first, weights = cubic(s, nK)
    spread = np.zeros((nZ, nK, nK))
    for i, weight in enumerate(weights):
        np.put_along_axis(spread, (first + i)[..., None], weight[..., None], -1)
    z = np.arange(nZ)
    r_next, _ = prices(p, z[:, None, None], np.exp(log_K_next))  # [nZ', nZ, nK]
    discount = np.einsum("zy,yzk,zkq->zkyq", p["Pi_tfp"], 1 + r_next, spread)
    cash = cash_on_hand(p, z[:, None], np.exp(log_K))
    states, Pi_e, node = (nZ * nK, *cash.shape[-2:]), p["Pi_e"], z.repeat(nK)
    Pi_e = Pi_e[0, 0] if (Pi_e == Pi_e[0, 0]).all() else Pi_e[node[:, None], node]
    Pi_e = p["beta"][:, None] * Pi_e
    new, steps, change = time_iteration(
        c.reshape(states), cash.reshape(states), discount.reshape(nZ * nK, -1), Pi_e, p["a_grid"],
        eis=float(p["eis"]), tolerance=tolerance,
    )
    if not change <= tolerance:
        raise ValueError(f"the endogenous grid method did not converge: last relative change {float(change):.1e}")
    return np.asarray(new).reshape(cash.shape), int(steps)


def consumption_at(solution, z_index, K):
    """Consumption at Z's node `z_index` and capital K, each [*batch]: [*batch, nE, nA].

    The nodes' consumption is interpolated in log K by four-point Lagrange polynomials, and savings are put back within
    amin <= a' <= amax. Beyond the ends of its grid, capital counts as the end in the interpolation, as itself in cash.
    """
    p, log_K = solution, solution["log_K_grid"]
    z_index, K = np.asarray(z_index), np.asarray(K, dtype=float)
    s = ((np.log(K) - log_K[0]) / (log_K[1] - log_K[0])).clip(0, len(log_K) - 1)
    first, weights = cubic(s, len(log_K))
    c = sum(weight[..., None, None] * p["consumption"][z_index, first + i] for i, weight in enumerate(weights))
    cash = cash_on_hand(p, z_index, K)
    return cash - within_limits(p, cash - c)


# ------------------------------------------------------------------------------------------ the distribution of wealth


def lottery(grid, x):
    """Nodes below x, which lies within the grid, and the weights of the nodes above (Young, 2010)."""
    lower = np.clip(np.searchsorted(grid, x, side="right") - 1, 0, len(grid) - 2)
    return lower, (x - grid[lower]) / (grid[lower + 1] - grid[lower])


def values_on_grid(values, old, new):
    """Values [*batch, n] at other nodes: [*batch, m]."""
    lower, upper_weight = lottery(old, new)
    return values[..., lower] * (1 - upper_weight) + values[..., lower + 1] * upper_weight


def masses_on_grid(distribution, old, new):
    """Masses [nE, n] moved to other nodes [nE, m]; mass and mean stay."""
    lower, upper_weight = lottery(new, old)
    moved = np.zeros((len(distribution), len(new)))
    for e, mass in enumerate(distribution):
        np.add.at(moved[e], lower, mass * (1 - upper_weight))
        np.add.at(moved[e], lower + 1, mass * upper_weight)
    return moved


def stationary_distribution(p, savings):
    """Masses [nE, nA] that the savings [nE, nA] leave as they are, with one node of Z."""
    nE, nA = savings.shape
    lower, upper_weight = lottery(p["a_grid"], savings)
    shape = (2, nE, nA, nE)  # leg of the lottery, today's e and a, next e
    to = np.stack([lower, lower + 1])[..., None] + nA * np.arange(nE)
    origin = np.broadcast_to(np.arange(nE * nA).reshape(nE, nA, 1), shape)
    weight = np.stack([1 - upper_weight, upper_weight])[..., None] * p["Pi_e"][0, 0][:, None, :]
    flow = sparse.csc_matrix((weight.ravel(), (to.ravel(), origin.ravel())), shape=(nE * nA, nE * nA))
    # one state's equation follows from the others': its mass is set to one, and all are scaled at the end. The state is
    # where the poorest keep their assets, which is visited.
    known = int(np.argmin(np.abs(savings[0] - p["a_grid"])))
    others = np.delete(np.arange(nE * nA), known)
    system = (sparse.identity(nE * nA, format="csc") - flow)[others]
    mass = np.ones(nE * nA)
    mass[others] = spsolve(system[:, others], -system[:, [known]].toarray()[:, 0]).clip(0)
    return (mass / mass.sum()).reshape(nE, nA)


def stationary_equilibrium(p, tolerance=1e-11):
    """The economy with one node of Z, as from `without_shocks`: K, consumption [nE, nA], distribution [nE, nA]."""
    latest = {}

    def excess(K):
        r, _ = prices(p, 0, K)
        cash = cash_on_hand(p, 0, K)
        c, _, _ = time_iteration(
            latest.get("c", 0.1 * resources(p, cash))[None], cash[None], np.array([[1 + r]]),
            p["beta"][:, None] * p["Pi_e"][0, 0], p["a_grid"], eis=float(p["eis"]), tolerance=tolerance,
        )
        c = np.asarray(c)[0]
        D = stationary_distribution(p, within_limits(p, cash - c))
        latest.update(c=c, D=D)
        return D.sum(0) @ p["a_grid"] - K

    # the return lies below 1 / beta - 1 of the most impatient; there households' wealth grows without bound
    lowest = p["labour"][0] * (p["alpha"] / (1 / p["beta"].min() - 1 + p["delta"])) ** (1 / (1 - p["alpha"]))
    try:
        K = brentq(excess, 1.0005 * lowest, 2 * lowest, xtol=1e-9)
    except ValueError:
        raise ValueError(f"no stationary equilibrium with K between {lowest:.4g} and {2 * lowest:.4g}") from None
    excess(K)
    return K, latest["c"], latest["D"]


def place(x, a_grid, grid, grid_power):
    """As `lottery`, by the formula of the grid. What rounding makes of it is put right."""
    n, low, high = a_grid.shape[0], a_grid[0], a_grid[-1]
    if grid == "power":
        step = ((x - low) / (high - low)) ** (1 / grid_power)
    elif grid == "agrid":
        pivot = jnp.abs(low) + 0.25
        step = jnp.log((x + pivot) / (low + pivot)) / jnp.log((high + pivot) / (low + pivot))
    else:
        step = jnp.log1p(jnp.log1p(x - low)) / jnp.log1p(jnp.log1p(high - low))
    lower = (step * (n - 1)).astype(int).clip(0, n - 2)
    lower = lower + (x >= a_grid[lower + 1]).astype(int) - (x < a_grid[lower]).astype(int)
    lower = lower.clip(0, n - 2)
    return lower, (x - a_grid[lower]) / (a_grid[lower + 1] - a_grid[lower])


@partial(jax.jit, static_argnames=("grid", "grid_power", "inequality"))
def transport_path(z, D, c, log_K, p, grid, grid_power, inequality):
    """Aggregates along the shocks z [T + 1], of which the last only moves e, from the distribution D [nE, nA] on.

    Args:
        c: [nZ, nK, nE, nA], consumption on the nodes log_K [nK] and p["a_grid"] [nA].
        p: a_grid, income, goods, Pi_e, tfp_grid, alpha, delta, labour.
        inequality: whether Gini and top shares are calculated too.

    Returns:
        the last D, and a dict of [T]: K, C, at_limit, mass_at_top, mass (and negative, gini, top_20, top_10, top_5, top_1);
        and by_e [T, nE].
    """
    a_grid, n, nK = p["a_grid"], p["a_grid"].shape[0], log_K.shape[0]
    row = n * jnp.arange(D.shape[0])[:, None]

    def step(D, z):
        z, z_next = z
        by_assets = D.sum(0)
        K = by_assets @ a_grid
        r, w = prices(p, z, K)
        cash = (1 + r) * a_grid + w * p["income"][z][:, None] + p["goods"][:, None]
        s = ((jnp.log(K) - log_K[0]) / (log_K[1] - log_K[0])).clip(0, nK - 1)
        first, weights = cubic(s, nK)
        around = jax.lax.dynamic_slice(c, (z, first, 0, 0), (1, 4, *c.shape[2:]))[0]
        savings = within_limits(p, cash - sum(weight * around[i] for i, weight in enumerate(weights)))
        lower, upper_weight = place(savings, a_grid, grid, grid_power)
        upper = D * upper_weight
        to = (row + lower).ravel()
        moved = jnp.zeros(D.size).at[to].add((D - upper).ravel()).at[to + 1].add(upper.ravel())
        out = {"K": K, "C": (D * (cash - savings)).sum(), "at_limit": by_assets[0], "mass_at_top": by_assets[-1]}
        out["mass"], out["by_e"] = by_assets.sum(), D.sum(1)
        if inequality:
            wealth = by_assets * a_grid
            cumulative = jnp.cumsum(wealth)
            out["gini"] = 1 - (by_assets * (2 * cumulative - wealth)).sum() / K  # the Lorenz curve is piecewise linear
            richer = by_assets.sum() - jnp.cumsum(by_assets)
            out["negative"] = (by_assets * (a_grid < 0)).sum()
            for name, share in (("top_20", 0.2), ("top_10", 0.1), ("top_5", 0.05), ("top_1", 0.01)):
                out[name] = jnp.minimum(by_assets, (share - richer).clip(0)) @ a_grid / K
        return p["Pi_e"][z, z_next].T @ moved.reshape(D.shape), out

    return jax.lax.scan(step, D, (z[:-1], z[1:]))


def at_start(p, D, z_index):
    """D [nE, nA] with the unemployment of Z's node `z_index`: the row of each e is scaled to its share there.

    From then on the chain of e keeps unemployment at u(Z). As it is in the economy where Z does not move employment.
    """
    if "shares" not in p:
        return D
    now = D.sum(1, keepdims=True)
    if not now.min() > 0:
        raise ValueError("distribution: there are no unemployed or no employed households in it")
    return D / now * p["shares"][z_index][:, None]


def run_path(p, log_K, c, z, D, inequality=False, z_after=None):
    """`transport_path` with numpy arrays, from `at_start` on: the path, and the last distribution as `distribution`."""
    names = ("a_grid", "income", "goods", "Pi_e", "tfp_grid", "alpha", "delta", "labour")
    arrays = {name: jnp.asarray(p[name]) for name in names}
    kind = {"grid": str(p["grid"]), "grid_power": float(p["grid_power"])}
    D, z = at_start(p, D, z[0]), np.append(z, z[-1] if z_after is None else z_after)
    D, path = transport_path(jnp.asarray(z), jnp.asarray(D), c, log_K, arrays, **kind, inequality=inequality)
    return {name: np.asarray(x) for name, x in path.items()} | {"distribution": np.asarray(D)}


def simulate(solution, z_indices, distribution=None, n_assets=None, inequality=False, z_after=None):
    """The economy along a given sequence of shocks.

    Args:
        solution: of `solve`.
        z_indices: [T], nodes of Z.
        distribution: [nE, nA] at the beginning of the first period, on the nodes of the solution; or on those of the
            finer histogram. The stationary one at Z = 1 if not given. Where Z moves employment, its rows are scaled to
            the unemployment of the first Z, whatever it was before, and K moves a little with them.
        n_assets: nodes of the histogram if not those of the solution; consumption between nodes is linear in assets.
        inequality: whether negative, gini and top shares are calculated too.
        z_after: node of Z in the period after the last; the last one again if not given. It moves households between
            rows of the distribution that is returned, where Z moves employment.

    Returns:
        dict of [T]: K, C, at_limit, mass_at_top, mass; by_e [T, nE], masses; and distribution, the one after the last
        period.
    """
    z = np.asarray(z_indices)
    nodes = len(solution["tfp_grid"])
    if z_after is not None and not (isinstance(z_after, int | np.integer) and 0 <= z_after < nodes):
        raise ValueError(f"z_after: expected an integer from 0 to {nodes - 1}")
    if z.ndim != 1 or z.size == 0 or not np.issubdtype(z.dtype, np.integer) or z.min() < 0 or z.max() >= nodes:
        raise ValueError(f"z_indices: expected a sequence of integers from 0 to {nodes - 1}")
    old = solution["a_grid"]
    p = dict(solution) if n_assets is None else finer(solution, n_assets)
    D = np.asarray(solution["distribution"] if distribution is None else distribution, dtype=float)
    own, wanted = (solution["distribution"].shape[0], len(old)), (solution["distribution"].shape[0], len(p["a_grid"]))
    if D.shape not in (own, wanted):
        raise ValueError(f"distribution {D.shape}: expected {own}, as in the solution")
    if D.shape != wanted:
        D = masses_on_grid(D, old, p["a_grid"])
    c = solution["consumption"] if n_assets is None else values_on_grid(solution["consumption"], old, p["a_grid"])
    return run_path(p, solution["log_K_grid"], c, z, D, inequality, z_after)


def productivity_path(Pi, periods, seed):
    """Indices [periods] of the Markov chain Pi, from its middle node on."""
    draws, cumulative = np.random.default_rng(seed).random(periods), Pi.cumsum(1)
    z = np.empty(periods, dtype=int)
    z[0] = len(Pi) // 2
    for t in range(1, periods):
        z[t] = min(np.searchsorted(cumulative[z[t - 1]], draws[t]), len(Pi) - 1)
    return z


def moments(p, z, path):
    """`MOMENTS` of a path of [T] quarters, of which all count."""
    K, C, log_K = path["K"], path["C"], np.log(path["K"])
    r, _ = prices(p, z, K)
    Y = p["tfp_grid"][z] * K ** p["alpha"] * p["labour"][z] ** (1 - p["alpha"])
    investment = Y + path["by_e"] @ p["goods"] - C
    values = [K.mean(), log_K.std(), correlation(log_K[1:], log_K[:-1]), r.mean(), C.mean(), Y.mean(), investment.mean()]
    values += [correlation(K, Y), correlation(C, Y), correlation(investment, Y)]
    shares = ("at_limit", "negative", "gini", "top_20", "top_10", "top_5", "top_1")
    values += [*(path[name].mean() for name in shares), path["mass_at_top"].max()]
    return dict(zip(MOMENTS, map(float, values), strict=True))


def correlation(x, y):
    x, y = x - x.mean(), y - y.mean()
    return x @ y / max(np.sqrt((x @ x) * (y @ y)), 1e-300)


# -------------------------------------------------------------------------------------------------- the law of motion


def forecast(law, z, x):
    """Next period's x = log (K / K_ss) by the law [nZ, 3]: z and x broadcast against each other."""
    return law[z, 0] + law[z, 1] * x + law[z, 2] * x**2


def fit_law(z, x, nZ, width, degree=2):
    """Least squares of x' on (1, x, .., x^degree) at each Z, for x of the size of width: law [nZ, degree + 1], R^2 [nZ]."""
    law, R2 = np.empty((nZ, degree + 1)), np.empty(nZ)
    for k in range(nZ):
        now = np.flatnonzero(z[:-1] == k)
        if len(now) < 10:
            raise ValueError(f"Z is at node {k} in only {len(now)} quarters: simulate more periods")
        regressors, target = (x[now, None] / width) ** np.arange(degree + 1), x[now + 1]
        law[k] = np.linalg.lstsq(regressors, target, rcond=1e-12)[0]
        errors, variation = target - regressors @ law[k], target - target.mean()
        R2[k] = 1 - errors @ errors / max(variation @ variation, 1e-300)
    return law / width ** np.arange(degree + 1), R2


def den_haan_errors(law, z, x):
    """The law iterated alone from the first quarter on, against the simulated x = log (K / K_ss): [T], in per cent."""
    alone = np.empty_like(x)
    alone[0] = x[0]
    for t in range(1, len(x)):
        alone[t] = forecast(law, z[t - 1], alone[t - 1])
    return 100 * np.abs(alone - x)


def anderson(tried, errors):
    """Next trial for x with g(x) = x, from lists of x and of g(x) - x, each [n] (Anderson, 1965).

    The average law of the level of capital overshoots: too high a forecast lowers savings, and the law that is fitted
    then is too low by 0.6 of it. Plain iteration takes twice as many rounds.
    """
    x, error = tried[-1], errors[-1]
    if len(tried) == 1:
        return x + 0.5 * error
    dx, de = np.diff(tried, axis=0).T, np.diff(errors, axis=0).T
    return x + error - (dx + de) @ np.linalg.lstsq(de, error, rcond=1e-6)[0]


def iterate_laws(p, K_ss, log_K, c, law, z, D, tolerance, report, near):
    """Laws of motion until one reproduces itself along the path z [T], from D [nE, nA] on.

    Args:
        near: whether c and law come from another grid's solution. If not, policies are iterated no further than the
            law deserves.

    Returns:
        c [nZ, nK, nE, nA], law [nZ, 3], R^2 [nZ], log K [T] of the last simulation.
    """
    x_grid, nodes = log_K - np.log(K_ss), np.arange(len(law))[:, None]
    width = x_grid[-1]
    scale = width ** np.arange(3)
    tried, errors = [], []
    change = 0.0 if near else np.inf
    for n in range(MAX_LAWS):
        start = time.perf_counter()
        forecasts = forecast(law, nodes, x_grid)
        c, steps = policies(p, log_K, np.log(K_ss) + forecasts, c, max(tolerance / 10, min(1e-6, change / 1000)))
        x = np.log(run_path(p, log_K, c, z, D)["K"]) - np.log(K_ss)
        if not np.isfinite(x).all():
            raise ValueError("simulated capital is not finite")
        new, R2 = fit_law(z[BURN_IN:], x[BURN_IN:], len(law), width)
        change = np.abs(forecast(new, nodes, x_grid) - forecasts).max()
        report(
            f"{len(p['a_grid'])} asset nodes, law {n + 1}: changes by {change:.1e}; mean K "
            f"{K_ss * np.exp(x[BURN_IN:]).mean():.4f}; {steps} steps, {time.perf_counter() - start:.1f} s"
        )
        if change < tolerance:
            return c, law, R2, x + np.log(K_ss)
        tried.append((law * scale).ravel())
        errors.append(((new - law) * scale).ravel())
        law = anderson(tried[-6:], errors[-6:]).reshape(law.shape) / scale
    raise ValueError(f"{MAX_LAWS} laws of motion tried, the last one still changes by {change:.1e}")


def solve(
    constants, *, n_assets=None, top=None, n_capital=13, periods=11_000, seed=0, tolerance=1e-8, width=None, report=None
):
    """The algorithm of Krusell and Smith (1998).

    Args:
        constants: those of the economy, as in config/constants/krusell_smith.yaml.
        n_assets, top: asset nodes and the end of their grid. The constants' own if not given, so that the error of the
            network and that of the grid can be told apart.
        n_capital: nodes of log K.
        periods: quarters of the path that the law is fitted to, and of the one that it is tested on. The first
            `BURN_IN` of each do not count.
        seed: of the path for the fit. The tested one, whose moments are given, has the next seed.
        tolerance: largest change of the forecast log K' on its grid. Policies are iterated to a tenth of it.
        width: of the grid of log K, to either side of the stationary K. Doubled while a path does not fit. If not given,
            eight standard deviations of log Z; where Z moves employment too, 0.1.
        report: called with a line of text after each law of motion.

    Returns:
        dict of arrays and numbers, as `save` stores it. Those of `economy`; log_K_grid [nK]; consumption [nZ, nK, nE, nA];
        law [nZ, 3], of x = log (K / K_ss) on (1, x, x^2), and its R2 [nZ]; K_ss and distribution [nE, nA] of the
        stationary equilibrium `without_shocks`. On the tested path: den_haan_max, den_haan_mean in per cent; those of
        `MOMENTS`; log_linear [nZ, 2] and R2_log_linear [nZ], the law of log K on (1, log K) that others publish; path_z,
        path_K, path_C, path_at_limit [periods], where quarter BURN_IN is the first that counts. And seconds.
    """
    start = time.perf_counter()
    report = report or (lambda line: None)
    if n_capital < 4:
        raise ValueError(f"{n_capital} nodes of log K: at least 4 are needed")
    if periods < BURN_IN + 500:
        raise ValueError(f"{periods} periods: at least {BURN_IN + 500} are needed, the first {BURN_IN} do not count")
    p = economy(constants, n_assets, top)
    still = without_shocks(p)
    K_ss, c_ss, D_ss = stationary_equilibrium(still)
    report(f"stationary equilibrium: K {K_ss:.4f}, {time.perf_counter() - start:.1f} s")

    nZ, n = len(p["tfp_grid"]), len(p["a_grid"])
    z = productivity_path(p["Pi_tfp"], periods, seed)
    tested = productivity_path(p["Pi_tfp"], periods, seed + 1)
    width = width or (0.1 if "shares" in p else max(0.02, 8 * constants["sigma_tfp"]))
    sizes = [COARSE, n] if n > 2 * COARSE else [n]
    fits = False
    while not fits:
        log_K = np.log(K_ss) + np.linspace(-width, width, n_capital)
        log_output = np.log(p["tfp_grid"]) + (1 - p["alpha"]) * np.log(p["labour"] / still["labour"])  # at K_ss
        law = np.stack([0.05 * log_output, np.full(nZ, 0.96), np.zeros(nZ)], -1)
        old, share = p["a_grid"], c_ss / resources(p, cash_on_hand(still, 0, K_ss))
        for size in sizes:
            q = finer(p, size)
            cash = cash_on_hand(q, np.arange(nZ)[:, None], np.exp(log_K))
            cash = resources(p, cash)
            c, D = values_on_grid(share, old, q["a_grid"]) * cash, masses_on_grid(D_ss, p["a_grid"], q["a_grid"])
            near = size != sizes[0]
            c, law, R2, fitted = iterate_laws(q, K_ss, log_K, c, law, z, D, tolerance, report, near)
            old, share = q["a_grid"], c / cash
        path = run_path(p, log_K, c, tested, D_ss, inequality=True)
        log_path = np.log(path["K"])
        fits = max(np.abs(x - np.log(K_ss)).max() for x in (fitted, log_path)) < width
        if not fits:
            width *= 2
            if width > 1:
                raise ValueError("capital leaves every grid of log K")
            report(f"capital leaves the grid of log K; once more with {width:g} to either side")

    counted = {name: x[BURN_IN:] for name, x in path.items() if name != "distribution"}
    errors = den_haan_errors(law, tested[BURN_IN:], log_path[BURN_IN:] - np.log(K_ss))
    solution = p | {"log_K_grid": log_K, "consumption": c, "law": law, "R2": R2, "K_ss": K_ss, "distribution": D_ss}
    solution |= {"den_haan_max": errors.max(), "den_haan_mean": errors.mean()} | moments(p, tested[BURN_IN:], counted)
    log_linear, R2 = fit_law(tested[BURN_IN:], log_path[BURN_IN:], nZ, 1, degree=1)
    solution |= {"log_linear": log_linear, "R2_log_linear": R2}
    solution |= {"path_z": tested, "path_K": path["K"], "path_C": path["C"], "path_at_limit": path["at_limit"]}
    solution["seconds"] = time.perf_counter() - start
    return {name: np.asarray(value) for name, value in solution.items()}


# ------------------------------------------------------------------------------------------------------ files, command


def save(solution, path):
    """One .npz, without pickles."""
    np.savez_compressed(path, **solution)


def load(path):
    """The solution that `save` stored."""
    with np.load(path) as file:
        stored = dict(file)
    if "labour" not in stored:  # written when labour, incomes and the chain of e were the same at every Z
        nZ = len(stored["tfp_grid"])
        stored |= {"labour": np.full(nZ, stored["L"]), "income": np.tile(stored["e_grid"], (nZ, 1))}
        stored["Pi_e"] = np.tile(stored["Pi_e"], (nZ, nZ, 1, 1))
    if "goods" not in stored:  # written when beta was the same for all
        nE = stored["income"].shape[1]
        stored |= {"beta": np.full(nE, stored["beta"]), "goods": np.zeros(nE)}
    if "unemployment" in stored:  # and there were two e
        stored["shares"] = np.stack([stored["unemployment"], 1 - stored["unemployment"]], -1)
    return stored


def table(solution):
    """What a solution says of the economy, as text."""
    rows = [(text, f"{float(solution[name]):.6g}") for name, text in MOMENTS.items()]
    rows += [("R^2 of the law of motion, by Z", " ".join(f"{x:.9f}" for x in solution["R2"]))]
    for Z, (b0, b1), R2 in zip(solution["tfp_grid"], solution["log_linear"], solution["R2_log_linear"], strict=True):
        rows += [(f"log K' at Z = {Z:.4f}, log-linear", f"{b0:.6f} + {b1:.6f} log K, R^2 {R2:.9f}")]
    rows += [("Den Haan error, largest", f"{float(solution['den_haan_max']):.4f} %")]
    rows += [("Den Haan error, mean", f"{float(solution['den_haan_mean']):.4f} %")]
    rows += [("stationary K at Z = 1", f"{float(solution['K_ss']):.4f}")]
    rows += [("seconds", f"{float(solution['seconds']):.1f}")]
    return "\n".join(f"{text:<45} {value}" for text, value in rows)


def read_constants(name):
    """Constants by name in config/constants, or from a YAML file."""
    import yaml

    folder = Path(__file__).resolve().parents[3] / "config" / "constants"
    path = Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(x.stem for x in folder.glob("krusell_smith*.yaml")))
        raise ValueError(f"--constants {name}: no file {path}; known names: {known}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or not isinstance(content.get("constants", content), dict):
        raise ValueError(f"{path}: expected constants and their values")
    return content.get("constants", {name: value for name, value in content.items() if name != "about"})


def main(arguments=None):
    parser = argparse.ArgumentParser(description="The classical solution of a Krusell-Smith economy.")
    parser.add_argument("--constants", default="krusell_smith", help="name in config/constants, or a YAML file")
    parser.add_argument("--assets", type=int, help="asset nodes (default: the constants' nA)")
    parser.add_argument("--top", type=float, help="end of the asset grid (default: the constants' amax)")
    parser.add_argument("--capital", type=int, default=13, help="nodes of log K (default 13)")
    parser.add_argument("--periods", type=int, default=11_000, help="quarters; 1,000 do not count (default 11,000)")
    parser.add_argument("--seed", type=int, default=0, help="of the path of Z (default 0)")
    parser.add_argument("--out", type=Path, help="file for the solution, .npz")
    parser.error = lambda message: sys.exit(f"Reference.py: {message}")
    options = parser.parse_args(arguments)
    try:
        if options.out is not None and (options.out.suffix != ".npz" or not options.out.parent.is_dir()):
            raise ValueError(f"--out {options.out}: expected a file name that ends in .npz, in a folder that exists")
        solution = solve(
            read_constants(options.constants), n_assets=options.assets, top=options.top, n_capital=options.capital,
            periods=options.periods, seed=options.seed, report=print,
        )
    except ValueError as error:
        sys.exit(f"Reference.py: {error}")
    print(table(solution))
    if options.out is not None:
        save(solution, options.out)
        print(f"written: {options.out}")


if __name__ == "__main__":
    main()
