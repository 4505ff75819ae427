"""The deterministic steady state, and the range of initial capital around it.

Without risk, consumption grows by the factor beta R from age to age, and the lifetime budget says that its present value is the
wage. This gives what each age saves at a return R; the return that clears the market for capital is found by bisection.
"""

import numpy as np
from scipy.optimize import brentq


def calibrate(constants):
    """Shock values, K_ss and k_ss [savers] (capital by age, from the second), and the range of initial capital."""
    alpha, beta, A = constants["alpha"], constants["beta"], constants["savers"] + 1
    eta = 0.5 * (constants["eta_low"] + constants["eta_high"])
    delta = 0.5 * (constants["delta_low"] + constants["delta_high"])

    def capital_of(K):
        """Capital by age at the end of the period, of households that expect the prices of K for ever: [savers]."""
        R, w = 1 - delta + alpha * eta * K ** (alpha - 1), (1 - alpha) * eta * K**alpha
        consumption = w * (1 - beta) / (1 - beta**A) * (beta * R) ** np.arange(A)
        assets, capital = w, []
        for spent in consumption[:-1]:
            capital.append(assets - spent)
            assets = R * capital[-1]
        return np.array(capital)

    K_ss = brentq(lambda K: capital_of(K).sum() - K, 1e-4, (eta / delta) ** (1 / (1 - alpha)), xtol=1e-15, rtol=1e-14)
    k_ss = capital_of(K_ss)
    return {
        "K_ss": K_ss,
        "k_ss": k_ss,
        "k_low": 0.7 * k_ss,
        "k_high": 1.3 * k_ss,
        "eta_values": np.array([constants["eta_low"], constants["eta_high"]]),
        "delta_values": np.array([constants["delta_low"], constants["delta_high"]]),
    }
