"""Grids, the chains, and the stationary economy, whose discount factor makes households hold the government's bonds.

The stationary policy is where the network begins, the stationary distribution where simulations start. The household's problem
is solved by endogenous gridpoints, Carroll (2006), Economics Letters 91(3), 312-320; the program is that of Auclert, Bardóczy,
Rognlie and Straub (2021), Econometrica 89(5), 2375-2408.
"""

import numpy as np
from scipy.optimize import brentq

from deqn import markov


def calibrate(constants):
    """Derived constants of the economy.

    Returns:
        a_grid [nA], e_grid [nE] (mean one), Pi_e [nE, nE], b_grid [nB], Pi_b [nB, nB], pi_b [nB]; i_ss, the nominal rate that the
        rule sets in the stationary economy; of that economy, where output is one: beta, equality_ss, low_ss (wealth of the least
        productive), m_ss [nE, nA] (what households would consume if a bond cost one good, by e and savings), D_ss [nE, nA]
        (masses).
    """
    p = constants
    x, Pi_e = markov.rouwenhorst(p["rho_e"], p["sd_e"] * (1 - p["rho_e"] ** 2) ** 0.5, p["nE"])
    e_grid = np.exp(x) / (markov.stationary(Pi_e) @ np.exp(x))
    b_grid, Pi_b = markov.rouwenhorst(p["rho_b"], p["sd_b"] * (1 - p["rho_b"] ** 2) ** 0.5, p["nB"])
    a_grid = p["amax"] * np.linspace(0, 1, p["nA"]) ** p["grid_power"]
    beta, found = stationary_equilibrium(p, a_grid, e_grid, Pi_e)
    mass = found["D"]
    return {
        "a_grid": a_grid, "e_grid": e_grid, "Pi_e": Pi_e, "b_grid": b_grid, "Pi_b": Pi_b, "pi_b": markov.stationary(Pi_b),
        "i_ss": p["r_ss"] + p["pi_target"], "beta": beta, "m_ss": found["m"], "D_ss": mass,
        "equality_ss": float((mass.sum(0) @ a_grid**0.5) ** 2 / p["B"]), "low_ss": float(mass[0] @ a_grid),
    }  # fmt: skip


def stationary_equilibrium(p, a_grid, e_grid, Pi_e):
    """The discount factor at which households hold B bonds at the price exp(-r_ss), and their policies and distribution."""
    household, q = household_block(p), np.exp(-p["r_ss"])
    given = {"a_grid": a_grid, "e_grid": e_grid, "Pi": Pi_e, "q": q, "after_tax": 1 - (1 - q) * p["B"]}

    def steady_state(beta):
        return household.steady_state(given | {"beta": beta})

    # at beta = q households would save without end
    beta = brentq(lambda beta: steady_state(beta)["A"] - p["B"], 0.9 * q, 0.9995 * q, xtol=1e-13)
    return beta, steady_state(beta).internals["household"]


def household_block(p):
    """The household's problem for sequence-jacobian: c + q a' = a + e after_tax, 0 <= a' <= amax."""
    import sequence_jacobian as ssj

    gamma = p["gamma"]

    def initial_value(a_grid, e_grid, after_tax):
        Va = (after_tax * e_grid[:, None] + 0.02 * a_grid) ** -gamma
        return Va

    @ssj.het(exogenous="Pi", policy="a", backward="Va", backward_init=initial_value)
    def household(Va_p, a_grid, e_grid, q, after_tax, beta):
        m = (beta * Va_p) ** (-1 / gamma)
        cash = a_grid + after_tax * e_grid[:, None]
        a = ssj.interpolate.interpolate_y(q ** (1 / gamma) * m + q * a_grid, cash, a_grid).clip(a_grid[0], a_grid[-1])
        c = cash - q * a
        Va = c**-gamma
        return Va, a, c, m

    return household
