"""Chains of productivity and employment, taxes, and the stationary economy that anchors the network.

Sources: Krusell and Smith (1998), Journal of Political Economy 106(5), 867-896; the calibration of Den Haan, Judd and Juillard
(2010), Journal of Economic Dynamics and Control 34(1), 1-3.
"""

import numpy as np

from deqn import markov

from krusell_smith.Calibration import asset_grid, stationary_equilibrium


def calibrate(constants):
    """Derived constants of the economy; index 0 is a recession, and unemployed.

    Returns:
        tfp_grid [nZ], Pi_tfp [nZ, nZ], pi_tfp [nZ]; Pi_e [nZ, nZ', nE, nE']; employment [nZ, nE], shares of the unemployed
        and the employed; labour [nZ]; income [nZ, nE] in units of the wage; e_grid [nE] (0 unemployed, 1 employed);
        a_grid [nA]. Of the stationary economy: K_ss, share_ss [nE, nA] (consumption / cash above the borrowing limit),
        D_ss [nE, nA].
    """
    p = constants
    u = np.array([p["u_bad"], p["u_good"]])
    employment = np.stack([u, 1 - u], -1)
    Pi_tfp = productivity_chain(p)
    pi_tfp = np.full(2, 0.5)
    Pi_e = employment_transitions(p, u)
    a_grid = asset_grid(p)

    # the stationary economy: Z = 1, unemployment and its transitions as they are on average
    mean_u = pi_tfp @ u
    K_ss, share_ss, D_ss = stationary_equilibrium(
        p | {"L": p["hours"] * (1 - mean_u)}, a_grid, net_income(p, mean_u), markov.average(Pi_tfp, Pi_e)
    )
    return {
        "tfp_grid": np.array([p["Z_bad"], p["Z_good"]]), "Pi_tfp": Pi_tfp, "pi_tfp": pi_tfp, "Pi_e": Pi_e,
        "employment": employment, "labour": p["hours"] * (1 - u), "income": net_income(p, u),
        "e_grid": np.array([0.0, 1.0]), "a_grid": a_grid, "K_ss": K_ss, "share_ss": share_ss, "D_ss": D_ss,
    }


def productivity_chain(p):
    """[nZ, nZ]: either state of Z lasts `duration_Z` quarters on average."""
    leave = 1 / p["duration_Z"]
    return np.array([[1 - leave, leave], [leave, 1 - leave]])


def employment_transitions(p, u):
    """[nZ, nZ', nE, nE']: the unemployed stay so as durations say; the employed lose work at the rate that u(Z') needs.

    When Z changes, the unemployed are 1.25 times as likely to stay unemployed as in a lasting recession, or 0.75 times as
    likely as in a lasting boom.
    """
    stay_bad, stay_good = 1 - 1 / p["duration_u_bad"], 1 - 1 / p["duration_u_good"]
    stay = np.array([[stay_bad, 0.75 * stay_good], [1.25 * stay_bad, stay_good]])  # [Z, Z']
    lose = (u[None, :] - u[:, None] * stay) / (1 - u[:, None])
    Pi_e = np.stack([np.stack([stay, 1 - stay], -1), np.stack([lose, 1 - lose], -1)], -2)
    if Pi_e.min() < 0 or Pi_e.max() > 1:
        raise ValueError("u_bad, u_good and the durations of unemployment imply a probability outside [0, 1]")
    return Pi_e


def net_income(p, u):
    """Income of the unemployed and the employed in units of the wage, at unemployment u [*batch]: [*batch, nE].

    The tax on labour income pays for the benefits: tau hours (1 - u) = benefit u.
    """
    u = np.asarray(u)
    tax = p["benefit"] * u / (p["hours"] * (1 - u))
    return np.stack([np.full_like(u, p["benefit"]), (1 - tax) * p["hours"]], -1)
