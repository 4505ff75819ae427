"""Where the economy rests without risk, and where training takes place."""

import math


def calibrate(constants):
    """Capital, savings and value at rest; capital around it, and x within four standard deviations."""
    p = constants
    growth, power = math.exp(p["mu"]), 1 - 1 / p["psi"]
    future = p["beta"] * growth**power
    if future >= 1:
        raise ValueError("beta exp(mu (1 - 1/psi)) is one or more: the value is not finite. Lower beta or mu.")
    k = (p["alpha"] / (growth / future - 1 + p["delta"])) ** (1 / (1 - p["alpha"]))
    rate = growth - 1 + p["delta"]
    s = rate * k ** (1 - p["alpha"])
    log_v = math.log((1 - p["beta"]) / (1 - future)) / power if power else p["beta"] / (1 - p["beta"]) * p["mu"]
    sd_x = p["sigma_x"] / (1 - p["rho"] ** 2) ** 0.5
    return {
        "k_ss": k, "rate_ss": rate, "s_ss": s, "C_ss": (1 - s) * k ** p["alpha"], "log_v_ss": log_v,
        "k_low": p["lowest"] * k, "k_high": p["highest"] * k,
        "sd_x": sd_x, "x_low": -4 * sd_x, "x_high": 4 * sd_x,
    }  # fmt: skip
