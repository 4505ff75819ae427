"""Grids, the chain of the aggregate endowment, and the stationary economy at Z = 1, by sequence-jacobian.

The stationary policy is where the network begins, the stationary distribution where simulations start.

Sources: Huggett (1993), The risk-free rate in heterogeneous-agent incomplete-insurance economies, Journal of Economic Dynamics
and Control 17(5-6), 953-969: the households. Their problem is solved by endogenous gridpoints, Carroll (2006), Economics Letters
91(3), 312-320; the program is that of Auclert, Bardóczy, Rognlie and Straub (2021), Econometrica 89(5), 2375-2408.
"""

import numpy as np
from scipy.optimize import brentq

from deqn import markov


def calibrate(constants):
    """Derived constants of the economy.

    Returns:
        a_grid [nA], e_grid [nE], z_grid [nZ], Pi_z [nZ, nZ], pi_z [nZ], Pi_e [nZ, nE, nE] (to e' in a period with that Z); of
        the stationary economy: q_ss, debt_ss, u_ss (share without work), m_ss [nE, nA] (what households would consume at the
        price one, by e and savings), D_ss [nE, nA] (masses).
    """
    p = constants
    e_grid = np.array([p["e_low"], p["e_high"]])
    log_z, Pi_z = markov.rouwenhorst(p["rho_z"], p["sigma_z"] * (1 - p["rho_z"] ** 2) ** 0.5, p["nZ"])
    a_grid, Pi_e = asset_grid(p), np.array([transition(p, Z) for Z in np.exp(log_z)])
    refuse_hunger(p, e_grid[0], p["beta"])
    q, internals = stationary_equilibrium(p, a_grid, e_grid)
    refuse_hunger(p, np.exp(log_z[0]) * e_grid[0], q * np.exp(-p["q_range"]))
    return {
        "a_grid": a_grid, "e_grid": e_grid, "Pi_e": Pi_e, "z_grid": np.exp(log_z), "Pi_z": Pi_z,
        "pi_z": markov.stationary(Pi_z), "q_ss": q, "debt_ss": float(internals["D"].sum(0) @ -a_grid.clip(max=0)),
        "u_ss": float(internals["D"][0].sum()), "m_ss": internals["m"], "D_ss": internals["D"],
    }  # fmt: skip


def refuse_hunger(p, endowment, q):
    """Raises ValueError where who is at the borrowing limit and stays there has nothing left to eat at the price q."""
    if endowment + p["amin"] * (1 - q) <= 0:
        raise ValueError(
            f"who has no work and stays at the borrowing limit of {p['amin']} would consume "
            f"{endowment + p['amin'] * (1 - q):.3g} when the bond costs {q:.4g}: expected more than nothing. Try amin nearer to "
            "zero, a larger e_low or a smaller q_range"
        )


def transition(p, Z):
    """Probabilities of e' (columns) given e (rows) in a period with aggregate endowment Z; that of keeping work rises in Z."""
    keep = p["p_high_high"] + p["job_risk"] * np.log(Z)
    if not 0 <= keep <= 1:
        raise ValueError(f"at Z = {Z:.3g}, work is kept with probability {keep:.3g}: expected a smaller job_risk or sigma_z")
    return np.array([[p["p_low_low"], 1 - p["p_low_low"]], [1 - keep, keep]])


def asset_grid(p):
    """[nA] nodes from amin to amax, node i at (i / n) ** grid_power of the way."""
    if not p["amin"] < 0 < p["amax"]:
        raise ValueError(
            f"constants.amin = {p['amin']}, amax = {p['amax']}: expected amin < 0 < amax, for what some own the others owe"
        )
    return p["amin"] + (p["amax"] - p["amin"]) * np.linspace(0, 1, p["nA"]) ** p["grid_power"]


def stationary_equilibrium(p, a_grid, e_grid):
    """The price at which nobody holds bonds on average, and the households' policies and distribution there."""
    household = household_block(p)

    def steady_state(q):
        return household.steady_state({"a_grid": a_grid, "e_grid": e_grid, "q": q, "Z": 1.0, "beta": p["beta"]})

    # below beta, households would save without end; far above, all are at the borrowing limit
    q = brentq(lambda q: steady_state(q)["A"], p["beta"] * 1.0005, p["beta"] * 1.1, xtol=1e-13)
    return q, steady_state(q).internals["household"]


def household_block(p):
    """The household's problem for sequence-jacobian: c + q a' = a + e Z, amin <= a' <= amax."""
    import sequence_jacobian as ssj

    gamma = p["gamma"]

    def work(Z):
        Pi = transition(p, Z)
        return Pi

    def initial_value(a_grid, e_grid, Z):
        Va = (Z * e_grid[:, None] + 0.02 * (a_grid - a_grid[0])) ** -gamma
        return Va

    @ssj.het(exogenous="Pi", policy="a", backward="Va", backward_init=initial_value, hetinputs=[work])
    def household(Va_p, a_grid, e_grid, q, Z, beta):
        m = (beta * Va_p) ** (-1 / gamma)
        cash = a_grid + Z * e_grid[:, None]
        a = ssj.interpolate.interpolate_y(q ** (1 / gamma) * m + q * a_grid, cash, a_grid).clip(a_grid[0], a_grid[-1])
        c = cash - q * a
        Va = c**-gamma
        return Va, a, c, m

    return household
