"""Growth with elastic labour by Chebyshev collocation, in NumPy; shares no code with the library.

Log consumption is a polynomial in log capital and log productivity, of degree (n_K - 1, n_z - 1). Hours follow from consumption
in closed form; with a Frisch elasticity of zero they are one, and the economy is that of `rbc`. The polynomial is the one whose
Euler equation holds at the Chebyshev nodes, found by Newton's method.

Source: Judd (1992), Projection methods for solving aggregate growth models, Journal of Economic Theory 58(2), 410-452.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from scipy.optimize import root

CAPITAL = (0.5, 1.9)  # range of the polynomial, in units of the steady state
DEVIATIONS = 7.0  # of log productivity, in standard deviations


@dataclass(frozen=True)
class Reference:
    """The solution.

    Attributes:
        coefficients: `[n_K, n_z]`, of log consumption.
        constants: alpha, beta, delta, gamma, frisch, rho, sigma, chi, K_ss.
        low, high: `[2]`, range of log capital and of log productivity.
        nodes, weights: of the shock to log productivity, `[n_nodes]`.
    """

    coefficients: np.ndarray
    constants: Mapping[str, float]
    low: np.ndarray
    high: np.ndarray
    nodes: np.ndarray
    weights: np.ndarray

    def consumption(self, K: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Consumption at capital `[n]` and log productivity `[n]`."""
        x = (2 * np.log(K) - self.low[0] - self.high[0]) / (self.high[0] - self.low[0])
        y = (2 * z - self.low[1] - self.high[1]) / (self.high[1] - self.low[1])
        return np.exp(chebyshev.chebval2d(x, y, self.coefficients))

    def hours(self, K: np.ndarray, z: np.ndarray, C: np.ndarray) -> np.ndarray:
        """Hours that consumption C implies: chi N^(1 / frisch) = (1 - alpha) e^z (K / N)^alpha C^-gamma; one for frisch = 0."""
        p = self.constants
        wage = (1 - p["alpha"]) * np.exp(z) * K ** p["alpha"] * C ** -p["gamma"] / p["chi"]
        return wage ** (p["frisch"] / (1 + p["alpha"] * p["frisch"]))

    def policies(self, K: np.ndarray, z: np.ndarray) -> dict[str, np.ndarray]:
        """Consumption C, hours N, output Y, capital next period K_next and the gross return R: `[n]` each."""
        p = self.constants
        C = self.consumption(K, z)
        N = self.hours(K, z, C)
        Y = np.exp(z) * K ** p["alpha"] * N ** (1 - p["alpha"])
        return {
            "C": C, "N": N, "Y": Y, "K_next": (1 - p["delta"]) * K + Y - C, "R": p["alpha"] * Y / K + 1 - p["delta"],
        }  # fmt: skip

    def euler_error(self, K: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Log of the consumption that the Euler equation asks for, less the log of consumption: `[n]`."""
        p = self.constants
        now = self.policies(K, z)
        following = p["rho"] * z[:, None] + self.nodes
        then = self.policies(np.broadcast_to(now["K_next"][:, None], following.shape), following)
        marginal = p["beta"] * (then["R"] * then["C"] ** -p["gamma"]) @ self.weights
        return -np.log(marginal) / p["gamma"] - np.log(now["C"])


def solve(constants: Mapping[str, float], n_K: int = 16, n_z: int = 10, n_nodes: int = 5) -> Reference:
    """The polynomial whose Euler errors at the Chebyshev nodes are zero.

    Args:
        constants: those of the model, with chi, K_ss and C_ss.
        n_K, n_z: nodes of log capital and of log productivity.
        n_nodes: Gauss-Hermite nodes of the shock.

    Raises:
        RuntimeError: when Newton's method does not converge.
    """
    p = dict(constants)
    centre, width = np.log(p["K_ss"]), DEVIATIONS * p["sigma"] / (1 - p["rho"] ** 2) ** 0.5
    low, high = np.array([centre + np.log(CAPITAL[0]), -width]), np.array([centre + np.log(CAPITAL[1]), width])
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    nodes, weights = p["sigma"] * nodes, weights / weights.sum()
    x, y = (np.cos(np.pi * (np.arange(n) + 0.5) / n) for n in (n_K, n_z))
    log_K, z = (grid.ravel() for grid in np.meshgrid(
        0.5 * (low[0] + high[0] + (high[0] - low[0]) * x), 0.5 * (high[1] - low[1]) * y, indexing="ij"
    ))  # fmt: skip
    to_coefficients = [np.linalg.inv(chebyshev.chebvander(points, len(points) - 1)) for points in (x, y)]

    def reference(values: np.ndarray) -> Reference:
        coefficients = to_coefficients[0] @ values.reshape(n_K, n_z) @ to_coefficients[1].T
        return Reference(coefficients, p, low, high, nodes, weights)

    # Newton's method begins where consumption is the steady state's share of output
    elasticity = (1 - p["alpha"]) * p["frisch"] / (1 + p["alpha"] * p["frisch"])  # of output to the wage, by hours
    output = (p["alpha"] * (log_K - centre) + z) * (1 + elasticity) / (1 + elasticity * p["gamma"])
    start = np.log(p["C_ss"]) + output
    found = root(lambda values: reference(values).euler_error(np.exp(log_K), z), start, method="hybr", tol=1e-13)
    if np.abs(found.fun).max() > 1e-10:
        raise RuntimeError(f"collocation has not converged: largest Euler error {np.abs(found.fun).max():.1e}")
    return reference(found.x)
