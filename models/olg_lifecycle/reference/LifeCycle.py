"""The stationary economy without risk, by direct optimisation of lifetime utility, in NumPy; shares no code with the library.

Given prices, lifetime utility is concave in capital and collateral, and both must not be negative: an interior-point method
(Newton's method on a logarithmic barrier that vanishes) finds its maximum. Capital and the bond's price are then such that what
households hold is what there is. No Euler equation is written down.

Source: Boyd and Vandenberghe (2004), Convex Optimization, Cambridge University Press, chapter 11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import root


@dataclass(frozen=True)
class LifeCycle:
    """Capital and bonds `[N - 1]` that the ages but the last choose, consumption `[N]`, price of the bond, gross return."""

    k: np.ndarray
    b: np.ndarray
    c: np.ndarray
    p: float
    R: float


def best_life(
    labour: np.ndarray, beta: float, gamma: float, zeta: float, kappa: float, R: float, w: float, p: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Capital, bonds `[N - 1]` and consumption `[N]` of a household that faces these prices all its life.

    Args:
        labour: by age, `[N]`.
        beta: discount factor; gamma: relative risk aversion; zeta: cost of changing capital.
        kappa: collateral is k + kappa b.
        R, w, p: return on capital, wage, price of the bond.
    """
    n = len(labour) - 1
    now, before = np.eye(n + 1, n), np.eye(n + 1, n, -1)
    moved = now - R * before  # k' - R k by age
    by_b = before - p * now
    linear = np.hstack([-moved - by_b / kappa, by_b / kappa])  # consumption by (k, q), where b = (q - k) / kappa
    discount, wage = beta ** np.arange(n + 1), w * labour

    def consumption(x):
        return wage + linear @ x - zeta / 2 * (moved @ x[:n]) ** 2

    def value(x, barrier):
        c = consumption(x)
        if x.min() <= 0 or c.min() <= 0:
            return -np.inf
        utility = np.log(c) if gamma == 1 else c ** (1 - gamma) / (1 - gamma)
        return discount @ utility + barrier * np.log(x).sum()

    x, barrier = np.full(2 * n, 0.01 * wage[wage > 0].min()), 1e-2
    while True:
        for _ in range(50):
            c, by_x = consumption(x), linear.copy()
            by_x[:, :n] -= zeta * (moved @ x[:n])[:, None] * moved
            marginal = discount * c**-gamma
            slope = by_x.T @ marginal + barrier / x
            bend = -gamma * (by_x.T * (marginal / c)) @ by_x - np.diag(barrier / x**2)
            bend[:n, :n] -= zeta * (moved.T * marginal) @ moved
            step, length = -np.linalg.solve(bend, slope), 1.0
            while length > 1e-12 and value(x + length * step, barrier) < value(x, barrier) + 1e-4 * length * slope @ step:
                length /= 2
            x = x + length * step
            if slope @ step < 1e-4 * barrier or length <= 1e-12:
                break
        if barrier < 1e-13:
            return x[:n], (x[n:] - x[:n]) / kappa, consumption(x)
        barrier /= 10


def solve(constants: Mapping[str, float], labour: np.ndarray, beta: float, tfp: float, delta: float, kappa: float) -> LifeCycle:
    """Capital and price of the bond at which both markets clear.

    Args:
        constants: alpha, gamma, zeta.
        labour: by age, `[N]`.
        beta: discount factor of a period.
        tfp, delta: productivity and depreciation, which stay as they are.
        kappa: of the collateral constraint.

    Raises:
        RuntimeError: when no such pair is found.
    """
    alpha, gamma, zeta = constants["alpha"], constants["gamma"], constants["zeta"]
    L = labour.sum()

    def life(prices):
        R, p = np.exp(prices[0]), np.exp(prices[1])
        k_over_L = (alpha * tfp / (R - 1 + delta)) ** (1 / (1 - alpha))
        w = (1 - alpha) * tfp * k_over_L**alpha
        return L * k_over_L, best_life(labour, beta, gamma, zeta, kappa, R, w, p)

    def excess(prices):
        K, (k, b, _) = life(prices)
        return [k.sum() / K - 1, b.sum() / K]

    found = root(excess, [-np.log(beta), np.log(beta)], tol=1e-10)
    if np.abs(found.fun).max() > 1e-7:
        raise RuntimeError(f"markets do not clear: excess demand {found.fun} in units of capital")
    _, (k, b, c) = life(found.x)
    return LifeCycle(k, b, c, float(np.exp(found.x[1])), float(np.exp(found.x[0])))
