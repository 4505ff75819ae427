"""The New Keynesian economy by time iteration on a fine grid, in NumPy; shares no code with the library.

Consumption and inflation, with their kinks, are linear between the nodes of the discount rate's deviation. Each step takes
tomorrow's from the step before and solves today's conditions at each node: by Newton's method as if there were no bound, and,
where that asks for a rate below zero, with the rate at zero. The first guess is the steady state with inflation at its target:
what is found is the limit of economies that are there from some quarter on, and not one that falls into deflation for good.

Source: Coleman (1990), Solving the stochastic growth model by policy-function iteration, Journal of Business and Economic
Statistics 8(1), 27-29.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

DEVIATIONS = 7.0  # half the range of the grid, in standard deviations


@dataclass(frozen=True)
class Reference:
    """The solution on the nodes.

    Attributes:
        grid: deviation of the discount rate, `[n]`.
        log_C, pi: log consumption and log inflation over its target, in normal times and in a crisis, `[2, n]`.
        log_R: log gross nominal rate that the rule asks for, below zero where the bound binds, `[2, n]`.
    """

    grid: np.ndarray
    log_C: np.ndarray
    pi: np.ndarray
    log_R: np.ndarray

    def policies(self, b: np.ndarray, crisis: np.ndarray) -> dict[str, np.ndarray]:
        """log_C, pi and log_R at the deviation `[n]` in normal times, 0, and in a crisis, 1, `[n]`."""
        names = ("log_C", "pi", "log_R")
        return {
            name: np.where(crisis > 0.5, *(np.interp(b, self.grid, getattr(self, name)[s]) for s in (1, 0)))
            for name in names
        }


def solve(constants: Mapping[str, float], n: int = 4001, bound: bool = True, tolerance: float = 1e-11) -> Reference:
    """Time iteration until no policy moves by more than the tolerance.

    Args:
        constants: those of the model.
        n: nodes.
        bound: whether the rate may not be below zero.

    Raises:
        RuntimeError: when it does not converge.
    """
    p = dict(constants)
    width = DEVIATIONS * p["sigma"] / (1 - p["rho"] ** 2) ** 0.5
    grid = np.linspace(-width, width, n)
    shocks = np.linspace(-p["far"], p["far"], int(p["n_nodes"]))
    weights = np.exp(-(shocks**2) / 2) / np.exp(-(shocks**2) / 2).sum()
    later = p["rho"] * grid[:, None] + p["sigma"] * shocks  # [n, nodes]
    left = np.clip(np.searchsorted(grid, later) - 1, 0, n - 2)
    share = np.clip((later - grid[left]) / (grid[1] - grid[0]), 0, 1)  # of the node to the right
    entries = np.concatenate([weights * (1 - share), weights * share])
    rows = np.tile(np.arange(n)[:, None], (2, len(shocks)))
    average = csr_array((entries.ravel(), (rows.ravel(), np.concatenate([left, left + 1]).ravel())), shape=(n, n))
    chances = np.array([[1 - p["p_crisis"], p["p_crisis"]], [1 - p["p_stay"], p["p_stay"]]])
    discount = p["beta"] * np.exp(-grid + p["crisis"] * np.array([[0.0], [1.0]]))  # [2, n]
    log_R_mean = p["pi_target"] - np.log(p["beta"])

    def price_costs(pi: np.ndarray) -> np.ndarray:
        return 1 - p["phi_price"] / 2 * (np.exp(pi) - 1) ** 2

    def expected(values: np.ndarray) -> np.ndarray:
        """E of values [2, n] of next quarter: [2, n]."""
        return chances @ (average @ values.T).T

    def rule(log_C: np.ndarray, pi: np.ndarray) -> np.ndarray:
        return log_R_mean + p["phi_pi"] * pi + p["phi_y"] * (log_C - np.log(price_costs(pi)))

    def today(log_C: np.ndarray, pi: np.ndarray, X: np.ndarray, Z: np.ndarray, bound_binds: bool):
        """Consumption and inflation that Euler equation and price setting ask for, by Newton's method from a guess."""

        def gaps(log_C, pi):
            log_Y = log_C - np.log(price_costs(pi))
            log_R = np.zeros_like(pi) if bound_binds else rule(log_C, pi)
            wage = (p["epsilon"] - 1) / p["epsilon"] * np.exp(log_C + p["eta"] * log_Y)
            prices = (np.exp(pi) - 1) * np.exp(pi) - (1 - p["epsilon"] + p["epsilon"] * wage) / p["phi_price"]
            return np.stack([log_C + log_R + np.log(X), prices - Z * np.exp(log_C - log_Y)])

        h = 1e-6
        for _ in range(20):
            gap = gaps(log_C, pi)
            by_C = (gaps(log_C + h, pi) - gaps(log_C - h, pi)) / (2 * h)
            by_pi = (gaps(log_C, pi + h) - gaps(log_C, pi - h)) / (2 * h)
            determinant = by_C[0] * by_pi[1] - by_pi[0] * by_C[1]
            log_C = log_C - (gap[0] * by_pi[1] - by_pi[0] * gap[1]) / determinant
            pi = pi - (by_C[0] * gap[1] - gap[0] * by_C[1]) / determinant
            if np.abs(gap).max() < 1e-12:
                break
        return log_C, pi

    log_C, pi = np.zeros((2, n)), np.zeros((2, n))
    for _ in range(3000):
        X = discount * expected(np.exp(-log_C - pi - p["pi_target"]))
        Z = discount * expected((np.exp(pi) - 1) * np.exp(pi) / price_costs(pi))
        new_C, new_pi = today(log_C, pi, X, Z, bound_binds=False)
        log_R = rule(new_C, new_pi)
        if bound:
            binds, at_zero = log_R < 0, today(log_C, pi, X, Z, bound_binds=True)
            new_C, new_pi = np.where(binds, at_zero[0], new_C), np.where(binds, at_zero[1], new_pi)
        moved = max(np.abs(new_C - log_C).max(), np.abs(new_pi - pi).max())
        if not moved < 1:
            raise RuntimeError(
                "time iteration does not settle: with these constants crises are too deep or last too long, or prices move too "
                "fast, for a way back from the bound"
            )
        log_C, pi = new_C, new_pi
        if moved < tolerance:
            return Reference(grid, log_C, pi, log_R)
    raise RuntimeError(f"time iteration has not converged: last step {moved:.1e}")
