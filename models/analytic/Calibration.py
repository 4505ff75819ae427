"""The deterministic steady state, and the range of initial capital around it.

Without risk, consumption grows by the factor beta R from age to age, and the lifetime budget says that its present value is the
wage. This gives what each age saves at a return R; the capital that the firms then use up is found by bisection.
"""

import numpy as np
from scipy.optimize import brentq


def calibrate(constants):
    """K_ss, k_ss [savers] (capital by age), c_ss [savers + 1], range of initial capital, values of the shocks."""
    alpha, beta, A = constants["alpha"], constants["beta"], constants["savers"] + 1
    eta = 0.5 * (constants["eta_low"] + constants["eta_high"])
    delta = 0.5 * (constants["delta_low"] + constants["delta_high"])

    def life(K):
        """Consumption [A] and capital at the end of the period [A - 1], by age, where the prices of K hold for ever."""
        R, w = 1 - delta + alpha * eta * K ** (alpha - 1), (1 - alpha) * eta * K**alpha
        consumption = w * (1 - beta) / (1 - beta**A) * (beta * R) ** np.arange(A)
        assets, capital = w, []
        for spent in consumption[:-1]:
            capital.append(assets - spent)
            assets = R * capital[-1]
        return consumption, np.array(capital)

    largest = (eta / delta) ** (1 / (1 - alpha))  # output is used up by depreciation
    K_ss = brentq(lambda K: life(K)[1].sum() - K, 1e-4 * largest, largest, xtol=1e-15, rtol=1e-14)
    c_ss, k_ss = life(K_ss)
    age = np.arange(1, A)  # the older the capital, the more returns it has seen
    return {
        "K_ss": K_ss,
        "k_ss": k_ss,
        "c_ss": c_ss,
        "k_low": k_ss * 0.78**age,
        "k_high": k_ss * 1.25**age,
        "eta_values": np.array([constants["eta_low"], constants["eta_high"]]),
        "delta_values": np.array([constants["delta_low"], constants["delta_high"]]),
    }
