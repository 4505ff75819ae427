"""The chain of persistent income, the nodes of transitory income, and the range of the initial states."""

import numpy as np

from deqn.numerics import markov


def calibrate(constants):
    """Transitory income has equally spaced nodes, weighted by the density: of a policy with a kink, each sees little.

    Returns:
        z_nodes [n_z] and P [n_z, n_z]: log persistent income and its chain; u_nodes, weights [n_u]: log transitory income, of
        which the level has a mean of one; u_mean: mean of the log; beyond: the most that is borrowed where today's limit does
        not hold; log_m_low, log_m_high: range of the initial states.
    """
    p = constants
    z_nodes, P = markov.rouwenhorst(p["rho"], p["sigma_z"], int(p["n_z"]))
    shocks = np.linspace(-p["far"], p["far"], int(p["n_u"]))
    weights = np.exp(-(shocks**2) / 2) / np.exp(-(shocks**2) / 2).sum()
    u_mean = -np.log(weights @ np.exp(p["sigma_u"] * shocks))
    u_nodes = u_mean + p["sigma_u"] * shocks
    least = np.exp(z_nodes[0] + u_nodes[0]) - (p["R"] - 1) * p["limit"]
    if least <= 0:
        raise ValueError(
            f"constants.limit = {p['limit']}: the lowest income does not pay the interest on it; there is {least:.3g} left. Take "
            "a lower limit."
        )
    return {
        "z_nodes": z_nodes, "P": P, "u_nodes": u_nodes, "weights": weights, "u_mean": u_mean,
        "beyond": 0.7 * least, "log_m_low": np.log(1.2 * least), "log_m_high": np.log(p["m_high"]),
    }  # fmt: skip
