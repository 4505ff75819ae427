"""Where the economy ends, and where its paths start."""

import math


def calibrate(constants):
    """Capital and consumption at rest under the last rate of growth; initial capital lies on either side of it."""
    alpha, beta, delta, gamma = (constants[name] for name in ("alpha", "beta", "delta", "gamma"))
    growth = math.exp(constants["g_inf"])
    gross = growth**gamma / beta
    if beta * growth ** (1 - gamma) >= 1:
        raise ValueError("beta exp(g_inf (1 - gamma)) is one or more: utility is not finite. Lower beta or raise gamma.")
    k = (alpha / (gross - 1 + delta)) ** (1 / (1 - alpha))
    return {"k_ss": k, "C_ss": k**alpha - (growth - 1 + delta) * k, "k_low": 0.2 * k, "k_high": 1.6 * k}
