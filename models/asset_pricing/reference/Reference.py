"""Value and price-dividend ratio of the Lucas tree by Chebyshev collocation, in NumPy; shares no code with the library.

The logs of V / C and P / D are polynomials in expected growth and log volatility. The value is found by Newton's method at the
Chebyshev nodes. Given the value, P / D solves linear equations, from which Newton's method goes on to its log.

Source: Judd (1992), Projection methods for solving aggregate growth models, Journal of Economic Theory 58(2), 410-452.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev

DEVIATIONS = 7.0  # half the range of the polynomials, in standard deviations; x has fat tails, as volatility moves
NARROWEST = 1e-4  # where a state does not move


@dataclass(frozen=True)
class Reference:
    """The solution: coefficients `[n_x, n_v]` of either log, and half the range of x and of v, `[2]`."""

    value: np.ndarray
    price: np.ndarray
    width: np.ndarray

    def policies(self, x: np.ndarray, v: np.ndarray) -> dict[str, np.ndarray]:
        """log_v and log_pd at expected growth `[n]` and log volatility `[n]`."""
        at = (x / self.width[0], v / self.width[1])
        return {"log_v": chebyshev.chebval2d(*at, self.value), "log_pd": chebyshev.chebval2d(*at, self.price)}


def solve(constants: Mapping[str, float], n_x: int = 16, n_v: int = 14, n_nodes: int = 5, consumption: bool = False) -> Reference:
    """The polynomials that hold at the Chebyshev nodes.

    Args:
        constants: those of the model, gamma and psi not one.
        n_x, n_v: nodes of expected growth and of log volatility.
        n_nodes: Gauss-Hermite nodes of either shock.
        consumption: price the claim to consumption instead of dividends.

    Raises:
        RuntimeError: when Newton's method does not converge, and where the price is infinite.
    """
    p = dict(constants)
    gamma, inverse_psi, beta = p["gamma"], 1 / p["psi"], p["beta"]
    sd = np.array([p["phi_x"] * p["sigma"] / (1 - p["rho"] ** 2) ** 0.5, p["sigma_v"] / (1 - p["rho_v"] ** 2) ** 0.5])
    width = np.maximum(DEVIATIONS * sd, NARROWEST)
    a, b = (np.cos(np.pi * (np.arange(n) + 0.5) / n) for n in (n_x, n_v))
    x, v = (grid.ravel() for grid in np.meshgrid(width[0] * a, width[1] * b, indexing="ij"))
    shocks, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    weights = weights / weights.sum()
    volatility = p["sigma"] * np.exp(v)
    later_x = p["rho"] * x[:, None] + p["phi_x"] * volatility[:, None] * shocks  # [n, n_nodes]
    later_v = p["rho_v"] * v[:, None] + p["sigma_v"] * shocks
    to_coefficients = [np.linalg.inv(chebyshev.chebvander(points, len(points) - 1)) for points in (a, b)]
    # from values at the nodes to values next month, [n, n_nodes, n_nodes, n]
    by_x = chebyshev.chebvander(later_x / width[0], n_x - 1) @ to_coefficients[0]
    by_v = chebyshev.chebvander(later_v / width[1], n_v - 1) @ to_coefficients[1]
    later = np.einsum("nia,njb->nijab", by_x, by_v).reshape(len(x), n_nodes**2, len(x))
    weights = np.outer(weights, weights).ravel()

    growth, variance = p["mu"] + x, volatility**2
    log_v = np.zeros(len(x))
    for _ in range(100):  # Newton's method for log V / C
        then = later @ log_v
        top = ((1 - gamma) * then).max(1, keepdims=True)
        powers = weights * np.exp((1 - gamma) * then - top)  # [n, nodes]
        log_CE = growth + (1 - gamma) / 2 * variance + (np.log(powers.sum(1)) + top[:, 0]) / (1 - gamma)
        utility = beta * np.exp((1 - inverse_psi) * log_CE)
        gap = np.log(1 - beta + utility) / (1 - inverse_psi) - log_v
        share = (utility / (1 - beta + utility))[:, None] * powers / powers.sum(1, keepdims=True)
        step = np.linalg.solve(np.eye(len(x)) - np.einsum("nq,nqm->nm", share, later), gap)
        log_v = log_v + step
        if np.abs(step).max() < 1e-9:
            break
    else:
        raise RuntimeError(f"the value has not converged: last step {np.abs(step).max():.1e}")

    drift, slope, own = (p["mu"], 1.0, (1 - gamma) ** 2) if consumption else (p["mu_d"], p["phi"], gamma**2 + p["phi_d"] ** 2)
    log_M = np.log(beta) - inverse_psi * growth + (inverse_psi - gamma) * (growth - log_CE)  # but for V' / C'
    kernel = (log_M + drift + slope * x + own * variance / 2)[:, None] + (inverse_psi - gamma) * (later @ log_v)
    kernel = weights * np.exp(kernel)
    # P / D solves linear equations. Its log is far nearer to a polynomial: Newton's method goes on from there
    linear = np.linalg.solve(np.eye(len(x)) - np.einsum("nq,nqm->nm", kernel, later), kernel.sum(1))
    if linear.min() <= 0:
        raise RuntimeError("the price is infinite: growth is not discounted enough")
    log_pd = np.log(linear)
    for _ in range(100):
        ratio = np.exp(later @ log_pd)
        total = (kernel * (1 + ratio)).sum(1)
        gap = np.log(total) - log_pd
        jacobian = np.einsum("nq,nqm->nm", kernel * ratio / total[:, None], later)
        step = np.linalg.solve(np.eye(len(x)) - jacobian, gap)
        log_pd = log_pd + step
        if np.abs(step).max() < 1e-9:
            break
    else:
        raise RuntimeError(f"the price has not converged: last step {np.abs(step).max():.1e}")
    first, second = (to_coefficients[0] @ values.reshape(n_x, n_v) @ to_coefficients[1].T for values in (log_v, log_pd))
    return Reference(first, second, width)
