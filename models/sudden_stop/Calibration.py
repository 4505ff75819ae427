"""Range of the initial states, and the nodes of the endowment."""

import numpy as np


def calibrate(constants):
    """Equally spaced nodes, weighted by the density: of a policy with a kink, each sees little (trapezoidal rule).

    Returns:
        phi: what nontradables are worth, in units of the tradables that are consumed; nu: curvature of utility in tradables;
        y_nodes, y_weights [n_y]: innovations of the endowment; y_low, y_high, r_low, r_high: four standard deviations.
    """
    p = constants
    phi = (1 - p["omega"]) / p["omega"]
    if not p["kappa"] * phi < 1:
        raise ValueError(
            f"constants.kappa = {p['kappa']} with omega = {p['omega']}: {p['kappa'] * phi:.3g} of each unit that is consumed "
            f"could be borrowed against it. Take kappa below {1 / phi:.3g}, or there are several equilibria."
        )
    nodes = np.linspace(-p["far"], p["far"], int(p["n_y"]))
    weights = np.exp(-(nodes**2) / 2)
    sd_y, sd_r = (p[f"sigma_{name}"] / (1 - p[f"rho_{name}"] ** 2) ** 0.5 for name in "yr")
    return {
        "phi": phi, "nu": 1 + p["omega"] * (p["sigma"] - 1),
        "y_nodes": p["sigma_y"] * nodes, "y_weights": weights / weights.sum(),
        "y_low": -4 * sd_y, "y_high": 4 * sd_y, "r_low": -4 * sd_r, "r_high": 4 * sd_r,
    }  # fmt: skip
