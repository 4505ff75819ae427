"""Price-dividend ratio and value where 1/psi = gamma and volatility is constant, in NumPy.

Then M' = beta (C' / C)^-gamma, and the value of a payoff in month n is the exponential of a function that is linear in x. Prices
are sums of exponentials.

Source: Burnside (1998), Solving asset pricing models with Gaussian shocks, Journal of Economic Dynamics and Control 22(3),
329-340.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

SMALLEST = 1e-15  # of a term beside the sum before it
LARGEST = 300.0  # log of a term


def strips(x: np.ndarray, p: Mapping[str, float], drift: float, slope: float, variance: float) -> np.ndarray:
    """Sum over n >= 1 of beta^n E exp(n drift + slope (x_0 + ... + x_(n-1)) + innovations): `[n_states]`.

    Args:
        x: expected growth, `[n_states]`.
        p: constants of the model.
        drift, slope: of the log payoff in one month, constant and by x.
        variance: of its innovation in one month.

    Raises:
        RuntimeError: when the sum is infinite.
    """
    rho, sd = p["rho"], p["phi_x"] * p["sigma"]
    total, log_variance, by_x = np.zeros_like(x), 0.0, 0.0
    for n in range(1, 100_000):
        log_variance += variance + (slope * sd * by_x) ** 2  # by_x: what x of a month adds to the sum of the months after it
        by_x = (1 - rho**n) / (1 - rho)
        log_term = n * (np.log(p["beta"]) + drift) + slope * by_x * x + log_variance / 2
        if log_term.max() > LARGEST:
            break
        term = np.exp(log_term)
        total += term
        if n > 100 and (term < SMALLEST * total).all():
            return total
    raise RuntimeError("the price is infinite: growth is not discounted enough")


def closed_form(x: np.ndarray, p: Mapping[str, float]) -> dict[str, np.ndarray]:
    """log_pd and log_v at expected growth `[n]`."""
    gamma, variance = p["gamma"], p["sigma"] ** 2
    dividends = strips(
        x, p, p["mu_d"] - gamma * p["mu"], p["phi"] - gamma, (gamma**2 + p["phi_d"] ** 2) * variance
    )
    # (V / C)^(1 - gamma) = (1 - beta) E sum beta^n (C_n / C)^(1 - gamma)
    consumption = 1 + strips(x, p, (1 - gamma) * p["mu"], 1 - gamma, (1 - gamma) ** 2 * variance)
    return {"log_pd": np.log(dividends), "log_v": np.log((1 - p["beta"]) * consumption) / (1 - gamma)}
