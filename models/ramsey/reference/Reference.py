"""The Ramsey economy backwards in time by endogenous nodes of capital, in NumPy; shares no code with the library.

Under the last rate of growth, consumption as a function of capital does not depend on time. It is found by iterating the Euler
equation. From there the same step leads backwards, year by year, with each year's growth: consumption of a year at the capital
that leads to the next year's nodes.

Source: Carroll (2006), The method of endogenous gridpoints, Economics Letters 91(3), 312-320.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.interpolate import CubicSpline

RANGE = (0.05, 4.0)  # of capital, in units of where it ends
STILL = 1e-13  # progress counts as ended where what is left of g_0 - g_inf is below


@dataclass(frozen=True)
class Reference:
    """The solution.

    Attributes:
        splines: log consumption as a function of log capital, by year; the last one holds ever after.
        constants: of the model.
    """

    splines: tuple[CubicSpline, ...]
    constants: Mapping[str, float]

    def consumption(self, k: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Consumption `[n]` at capital k `[n]` and years t `[n]`, which need not be whole: a cubic through four years."""
        t = np.minimum(t, len(self.splines) - 1)
        first = np.clip(np.floor(t).astype(int) - 1, 0, len(self.splines) - 4)
        log_C = np.zeros_like(k)
        for i in range(4):
            others = [j for j in range(4) if j != i]
            weight = np.prod([(t - first - j) / (i - j) for j in others], axis=0)
            for year in np.unique(first):
                here = first == year
                log_C[here] += weight[here] * self.splines[year + i](np.log(k[here]))
        return np.exp(log_C)


def step(k_next: np.ndarray, spline: CubicSpline, growth: float, p: Mapping[str, float]) -> CubicSpline:
    """Log consumption of a year from that of the next: at the capital that leads to the nodes `k_next` `[n_k]`."""
    R = p["alpha"] * k_next ** (p["alpha"] - 1) + 1 - p["delta"]
    C = growth * np.exp(spline(np.log(k_next))) * (p["beta"] * R) ** (-1 / p["gamma"])
    k = k_next.copy()
    for _ in range(60):  # Newton's method on k^alpha + (1 - delta) k = C + growth k', in log k
        gap = k ** p["alpha"] + (1 - p["delta"]) * k - C - growth * k_next
        k = k * np.exp(np.clip(-gap / (p["alpha"] * k ** p["alpha"] + (1 - p["delta"]) * k), -1, 1))
        if np.abs(gap).max() < 1e-14:
            break
    return CubicSpline(np.log(k), np.log(C))


def solve(constants: Mapping[str, float], n_k: int = 400) -> Reference:
    """Consumption of all years.

    Args:
        constants: alpha, beta, delta, gamma, g_0, g_inf, nu, k_ss and C_ss of the model.
        n_k: nodes of capital.
    """
    return _solve(tuple(sorted((name, float(value)) for name, value in constants.items())), n_k)


@cache
def _solve(items: tuple[tuple[str, float], ...], n_k: int) -> Reference:
    p = dict(items)
    log_k = np.log(p["k_ss"]) + np.linspace(*np.log(RANGE), n_k)
    k_next, last = np.exp(log_k), np.exp(p["g_inf"])
    spline = CubicSpline(log_k, np.log(p["C_ss"]) + 0.5 * (log_k - np.log(p["k_ss"])))
    for _ in range(5000):
        new = step(k_next, spline, last, p)
        moved, spline = np.abs(new(log_k) - spline(log_k)).max(), new
        if moved < 1e-13:
            break
    else:
        raise RuntimeError(f"the stationary policy has not converged: it still moves by {moved:.1e}")
    n_years = int(np.ceil(-np.log(STILL) / p["nu"]))
    splines = [spline]
    for year in reversed(range(n_years)):
        left = (p["g_0"] - p["g_inf"]) * np.exp(-p["nu"] * year)
        splines.append(step(k_next, splines[-1], np.exp(p["g_inf"] + left), p))
    return Reference(tuple(reversed(splines)), p)
