"""Incomes whose dispersion moves with Z, the chains, and the stationary economy that anchors the network.

Sources: income risk that is larger in recessions: Storesletten, Telmer and Yaron (2004), Cyclical dynamics in idiosyncratic labor
market risk, Journal of Political Economy 112(3), 695-717. The rest is that of `krusell_smith`.
"""

import numpy as np

from deqn import markov

from krusell_smith.Calibration import asset_grid, stationary_equilibrium


def calibrate(constants):
    """Derived constants of the economy; index 0 is the deepest recession, and the poorest.

    log e = s(Z) x - correction, where x is a chain with variance one. s(Z) goes from sd_e_bad at the lowest node of Z to
    sd_e_good at the highest, linear in log Z, and mean e is one at every Z.

    Returns:
        tfp_grid [nZ], Pi_tfp [nZ, nZ], pi_tfp [nZ]; sd_e [nZ]; income [nZ, nE] in units of the wage; Pi_e [nE, nE]; e_grid [nE],
        that of the stationary economy, with the dispersion of the middle; a_grid [nA]; K_ss, share_ss [nE, nA] (consumption /
        cash on hand), D_ss [nE, nA] (masses).
    """
    from sequence_jacobian import grids

    p = constants
    x, Pi_e = markov.rouwenhorst(p["rho_e"], (1 - p["rho_e"] ** 2) ** 0.5, p["nE"])
    # Tauchen's chain, its nodes put such that the standard deviation is sigma_tfp, as in krusell_smith
    log_Z, pi_tfp, Pi_tfp = grids.markov_tauchen(rho=p["rho_tfp"], sigma=p["sigma_tfp"], N=p["n_tfp"], normalize=False)
    sd_e = np.interp(log_Z, log_Z[[0, -1]], [p["sd_e_bad"], p["sd_e_good"]])
    middle = (p["sd_e_bad"] + p["sd_e_good"]) / 2
    a_grid, e_grid = asset_grid(p), incomes(middle, x, Pi_e)
    K_ss, share_ss, D_ss = stationary_equilibrium(p, a_grid, e_grid, Pi_e)
    return {
        "tfp_grid": np.exp(log_Z), "Pi_tfp": Pi_tfp, "pi_tfp": pi_tfp, "sd_e": sd_e,
        "income": np.stack([incomes(s, x, Pi_e) for s in sd_e]), "Pi_e": Pi_e, "e_grid": e_grid, "a_grid": a_grid,
        "K_ss": K_ss, "share_ss": share_ss, "D_ss": D_ss,
    }  # fmt: skip


def incomes(sd, x, Pi_e):
    """[nE], lognormal around the chain's nodes x with a standard deviation of logs sd, mean one."""
    e = np.exp(sd * x)
    return e / (markov.stationary(Pi_e) @ e)
