"""Range of the initial states, four standard deviations, and the nodes of the innovation to the discount rate."""

import numpy as np


def calibrate(constants):
    """Equally spaced nodes, weighted by the density: of a policy with a kink, each sees little (trapezoidal rule)."""
    sd = constants["sigma"] / (1 - constants["rho"] ** 2) ** 0.5
    nodes = np.linspace(-constants["far"], constants["far"], int(constants["n_nodes"]))
    weights = np.exp(-(nodes**2) / 2)
    return {
        "sd_b": sd,
        "b_low": -4 * sd,
        "b_high": 4 * sd,
        "innovations": constants["sigma"] * nodes,
        "weights": weights / weights.sum(),
    }
