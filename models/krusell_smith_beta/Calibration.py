"""Chains of productivity, employment and the discount factor, and the stationary economy that anchors the network.

Source: Krusell and Smith (1998), Journal of Political Economy 106(5), 867-896, section IV: hours, goods made at home, the
borrowing limit and the discount factors are theirs, in the units of the program of Smith.
"""

import numpy as np

from deqn import markov

from krusell_smith.Calibration import asset_grid, stationary_equilibrium
from krusell_smith_1998.Calibration import employment_transitions, net_income, productivity_chain


def calibrate(constants):
    """Derived constants of the economy. Index 0 of Z is a recession; e = 2 i + (1 where employed) with the i-th discount factor.

    Returns:
        tfp_grid [nZ], Pi_tfp [nZ, nZ], pi_tfp [nZ]; Pi_e [nZ, nZ', nE, nE']; employment [nZ, nE], the shares of each e;
        labour [nZ]; income [nZ, nE] in units of the wage; goods [nE], made at home; beta [nE]; e_grid [nE], their numbers;
        a_grid [nA]. Of the stationary economy: K_ss, share_ss [nE, nA] (consumption / cash above the borrowing limit),
        D_ss [nE, nA].
    """
    p = constants
    u = np.array([p["u_bad"], p["u_good"]])
    Pi_tfp, pi_tfp = productivity_chain(p), np.full(2, 0.5)
    Pi_beta, pi_beta = discount_chain(p)
    Pi_e = np.kron(Pi_beta, employment_transitions(p, u))
    beta = np.repeat([p["beta_low"], p["beta_middle"], p["beta_high"]], 2)
    goods = np.tile([p["home"], 0.0], 3)
    a_grid = asset_grid(p)

    # the stationary economy: Z = 1, unemployment and its transitions as they are on average
    mean_u = pi_tfp @ u
    K_ss, share_ss, D_ss = stationary_equilibrium(
        p | {"L": p["hours"] * (1 - mean_u), "beta": beta}, a_grid, np.tile(net_income(p, mean_u), 3),
        markov.average(Pi_tfp, Pi_e), goods,
    )
    return {
        "tfp_grid": np.array([p["Z_bad"], p["Z_good"]]), "Pi_tfp": Pi_tfp, "pi_tfp": pi_tfp, "Pi_e": Pi_e,
        "employment": np.kron(pi_beta, np.stack([u, 1 - u], -1)), "labour": p["hours"] * (1 - u),
        "income": np.tile(net_income(p, u), 3), "goods": goods, "beta": beta, "e_grid": np.arange(6.0), "a_grid": a_grid,
        "K_ss": K_ss, "share_ss": share_ss, "D_ss": D_ss,
    }


def discount_chain(p):
    """Probabilities [3, 3] of the discount factor, low, middle and high, and its stationary distribution [3].

    A share `extreme` of households is at each end, for `duration_beta` quarters on average; there is no way from one end to
    the other but by the middle.
    """
    leave = 1 / p["duration_beta"]
    come = leave * p["extreme"] / (1 - 2 * p["extreme"])
    chain = np.array([[1 - leave, leave, 0.0], [come, 1 - 2 * come, come], [0.0, leave, 1 - leave]])
    if chain.min() < 0 or chain.max() > 1:
        raise ValueError("extreme and duration_beta imply a probability outside [0, 1]")
    return chain, np.array([p["extreme"], 1 - 2 * p["extreme"], p["extreme"]])
