"""Steady state, elasticities of the countries, and the size of the shocks."""

import numpy as np
from scipy.optimize import brentq


def calibrate(constants):
    """By name; arrays have one entry a country, sd_k is about the size of fluctuations of capital.

    Capital at rest is one, by the choice of A (Brumm and Scheidegger, 2017, table II). With their welfare weights A^(1 / gamma)
    consumption is A lambda^-gamma, which adds up to what is produced beyond depreciation at a lambda a little above one.
    """
    p, N = constants, int(constants["N"])
    A = (1 - p["beta"] * (1 - p["delta"])) / (p["alpha"] * p["beta"])
    gamma = np.linspace(p["gamma_low"], p["gamma_high"], N)
    log_lambda = brentq(lambda x: (A * np.exp(-gamma * x)).mean() - (A - p["delta"]), -10, 10)
    sd_a = np.hypot(p["sigma"], p["sigma_common"]) / (1 - p["rho"] ** 2) ** 0.5
    return {
        "A": A, "gamma": gamma, "log_lambda_ss": log_lambda,
        "sd_a": sd_a, "sd_k": 2 * sd_a,
    }  # fmt: skip
