"""Grids, Markov chains and the stationary equilibrium at Z = 1, by sequence-jacobian.

The stationary policy anchors the network (Net.py), the stationary distribution is where simulations start.

Sources: the numbers of the calibration are those of Žemlička's Krusell-Smith notebook, but for the asset grid. The household's
problem is solved by endogenous gridpoints, Carroll (2006), Economics Letters 91(3), 312-320; the program is that of Auclert,
Bardóczy, Rognlie and Straub (2021), Econometrica 89(5), 2375-2408. Chains: Rouwenhorst (1995), Kopecky and Suen (2010), Review
of Economic Dynamics 13(3), 701-714; Tauchen (1986), Economics Letters 20(2), 177-181.
"""

import numpy as np
from scipy.optimize import brentq


def calibrate(constants):
    """Derived constants of the economy.

    Returns:
        a_grid [nA], e_grid [nE] (mean one), Pi_e [nE, nE], tfp_grid [nZ], Pi_tfp [nZ, nZ], pi_tfp [nZ]; of the
        stationary equilibrium: K_ss, share_ss [nE, nA] (consumption / cash above the borrowing limit), D_ss [nE, nA] (masses).
    """
    from sequence_jacobian import grids

    p = constants
    e_grid, _, Pi_e = grids.markov_rouwenhorst(rho=p["rho_e"], sigma=p["sd_e"], N=p["nE"])
    # with normalize=True it would return levels with mean one, not logs
    log_tfp, pi_tfp, Pi_tfp = grids.markov_tauchen(rho=p["rho_tfp"], sigma=p["sigma_tfp"], N=p["n_tfp"], normalize=False)
    a_grid = asset_grid(p)
    K_ss, share_ss, D_ss = stationary_equilibrium(p, a_grid, e_grid, Pi_e)
    return {
        "a_grid": a_grid, "e_grid": e_grid, "Pi_e": Pi_e, "tfp_grid": np.exp(log_tfp), "Pi_tfp": Pi_tfp,
        "pi_tfp": pi_tfp, "K_ss": K_ss, "share_ss": share_ss, "D_ss": D_ss,
    }


def asset_grid(p):
    """[nA] nodes from amin to amax: `power` (node i at (i / n) ** grid_power), or sequence-jacobian's `agrid`."""
    from sequence_jacobian import grids

    if p["grid"] == "agrid":
        return grids.agrid(amax=p["amax"], n=p["nA"], amin=p["amin"])
    if p["grid"] == "asset_grid":
        return grids.asset_grid(p["amin"], p["amax"], p["nA"])
    if p["grid"] == "power":
        return p["amin"] + (p["amax"] - p["amin"]) * np.linspace(0, 1, p["nA"]) ** p["grid_power"]
    raise ValueError(f"constants.grid = {p['grid']!r}: expected power, agrid or asset_grid")


def prices(p, K):
    """Interest rate and wage at Z = 1."""
    r = p["alpha"] * (K / p["L"]) ** (p["alpha"] - 1) - p["delta"]
    return r, (1 - p["alpha"]) * (K / p["L"]) ** p["alpha"]


def stationary_equilibrium(p, a_grid, income, Pi_e, goods=0.0):
    """K, consumption share and distribution where households hold the capital that firms use.

    Args:
        p: the constants, `L` among them. beta is a number, or [nE].
        income: [nE], of labour, in units of the wage.
        goods: [nE], what households have beside.
    """
    beta = np.broadcast_to(p["beta"], len(income))[:, None]
    goods = np.broadcast_to(goods, len(income))
    household = household_block(p, a_grid)

    def steady_state(K):
        r, w = prices(p, K)
        inputs = {"a_grid": a_grid, "e_grid": income + goods / w, "Pi": Pi_e, "r": r, "w": w, "beta": beta, "eis": p["eis"]}
        return household.steady_state(inputs)

    # the interest rate lies below 1 / beta - 1 of the most impatient; there asset supply grows without bound
    K_low = p["L"] * (p["alpha"] / (1 / beta.min() - 1 + p["delta"])) ** (1 / (1 - p["alpha"]))
    K = brentq(lambda K: steady_state(K)["A"] - K, 1.0005 * K_low, 2 * K_low, xtol=1e-9)
    internals = steady_state(K).internals["household"]
    r, w = prices(p, K)
    cash = (1 + r) * a_grid + (w * income + goods)[:, None]
    return K, internals["c"] / (cash - a_grid[0]), internals["D"]


def household_block(p, a_grid):
    """The household's problem for sequence-jacobian: endogenous grid method (Carroll, 2006), amin <= a' <= amax."""
    import sequence_jacobian as ssj

    low, high = a_grid[0], a_grid[-1]

    def initial_value(a_grid, e_grid, r, w, eis):
        cash = (1 + r) * a_grid + w * e_grid[:, None]
        Va = (1 + r) * (0.1 * (cash - low)) ** (-1 / eis)
        return Va

    @ssj.het(exogenous="Pi", policy="a", backward="Va", backward_init=initial_value)
    def household(Va_p, a_grid, e_grid, r, w, beta, eis):
        c_next = (beta * Va_p) ** (-eis)
        cash = (1 + r) * a_grid + w * e_grid[:, None]
        a = np.clip(ssj.interpolate.interpolate_y(c_next + a_grid, cash, a_grid), low, high)
        c = cash - a
        Va = (1 + r) * c ** (-1 / eis)
        return Va, a, c

    return household
