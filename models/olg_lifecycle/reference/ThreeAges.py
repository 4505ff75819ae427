"""Three ages, capital and bond: time iteration on a grid, in NumPy; shares no code with the library.

The state is the capital of the second and of the third age, the bonds of the second, which the third owes, and one of four pairs
of productivity and depreciation. Each step takes tomorrow's consumption and capital of the second age, linear between nodes, from
the step before, and solves at each node the four conditions of the two savers and the bond for what they choose, by Newton's
method. A constraint and its multiplier are one condition (Fischer, 1992). The third age consumes what it has.

Source: Coleman (1990), Solving the stochastic growth model by policy-function iteration, Journal of Business and Economic
Statistics 8(1), 27-29.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np


@dataclass(frozen=True)
class ThreeAges:
    """The solution on the nodes of `axes`.

    Attributes:
        axes: of the capital of the second and third age and the bonds of the second, `[n]` each.
        choice: k1', k2', b1' and the price of the bond, `[4, 4, n, n, n]`, by shock second.
    """

    economy: Economy
    axes: tuple[np.ndarray, ...]
    choice: np.ndarray

    def policies(self, k: np.ndarray, b: np.ndarray, shock: np.ndarray) -> dict[str, np.ndarray]:
        """What is chosen at capital `[m, 2]` and bonds `[m, 2]` of the second and third age, and a shock's index `[m]`.

        Returns:
            `k_next` `[m, 2]`, `b_next` `[m, 2]`, `p` `[m]`, and consumption `c` `[m, 3]`.
        """
        k1, k2, b1, p = interpolate(self.axes, self.choice, shock, k[:, 0], k[:, 1], b[:, 0])
        c = self.economy.consumption(k[:, 0], k[:, 1], b[:, 0], shock, k1, k2, b1, p)
        return {"k_next": np.stack([k1, k2], -1), "b_next": np.stack([b1, -b1], -1), "p": p, "c": np.stack(c, -1)}


@dataclass(frozen=True)
class Economy:
    """Prices and budgets; constants as in the model, `labour` of the three ages, the four `shocks` (tfp, delta), `transition`."""

    alpha: float
    beta: float
    gamma: float
    zeta: float
    kappa: float
    labour: np.ndarray
    shocks: np.ndarray
    transition: np.ndarray

    def prices(self, K, shock):
        """Gross return and wage."""
        tfp, delta = self.shocks[shock].T
        ratio = K / self.labour.sum()
        return 1 - delta + self.alpha * tfp * ratio ** (self.alpha - 1), (1 - self.alpha) * tfp * ratio**self.alpha

    def oldest(self, R, w, k, b):
        """Consumption of the third age and what a unit more of its capital costs it, 1 + zeta (0 - R k)."""
        return R * k + b + w * self.labour[2] - self.zeta / 2 * (R * k) ** 2, 1 - self.zeta * R * k

    def consumption(self, k2, k3, b2, shock, k1_next, k2_next, b1_next, p):
        """Of the three ages."""
        R, w = self.prices(k2 + k3, shock)
        first = w * self.labour[0] - k1_next - p * b1_next - self.zeta / 2 * k1_next**2
        second = R * k2 + b2 + w * self.labour[1] - k2_next + p * b1_next - self.zeta / 2 * (k2_next - R * k2) ** 2
        return first, second, self.oldest(R, w, k3, -b2)[0]


def interpolate(axes, values, shock, *points):
    """Values `[v, 4, n, n, n]`, linear between nodes and beyond them, at a shock and points `[m]` each: `[v, m]`."""
    left, share = [], []
    for axis, x in zip(axes, points, strict=True):
        i = np.clip(np.searchsorted(axis, x) - 1, 0, len(axis) - 2)
        left.append(i)
        share.append((x - axis[i]) / (axis[i + 1] - axis[i]))
    found = 0.0
    for corner in product((0, 1), repeat=3):
        weight = np.prod([s if right else 1 - s for s, right in zip(share, corner, strict=True)], axis=0)
        found = found + weight * values[:, shock, *(i + right for i, right in zip(left, corner, strict=True))]
    return found


def solve(
    constants: Mapping[str, float], labour: np.ndarray, beta: float, kappa: float, shocks: np.ndarray, transition: np.ndarray,
    start: np.ndarray, n: int = 9, width: float = 0.08, tolerance: float = 1e-7,
) -> ThreeAges:  # fmt: skip
    """Time iteration until no choice moves by more than the tolerance.

    Args:
        constants: alpha, gamma, zeta.
        labour: `[3]`.
        beta, kappa: discount factor of a period, constant of the collateral constraint.
        shocks: productivity and depreciation, `[4, 2]`; transition: `[4, 4]`.
        start: k1', k2', b1', p of the stationary economy.
        n: nodes of an axis, which go from 1 - width to 1 + width times the stationary capital.

    Raises:
        RuntimeError: when it does not converge.
    """
    economy = Economy(*(constants[x] for x in ("alpha",)), beta, constants["gamma"], constants["zeta"], kappa,
                      np.asarray(labour, float), np.asarray(shocks, float), np.asarray(transition, float))  # fmt: skip
    gamma, zeta = economy.gamma, economy.zeta
    span = np.linspace(-width, width, n)
    axes = (start[0] * (1 + span), start[1] * (1 + span), start[2] + span * start[:2].max())
    shock, k2, k3, b2 = (x.ravel() for x in np.meshgrid(np.arange(4), *axes, indexing="ij"))
    shape = (4, n, n, n)
    choice = np.repeat(np.asarray(start, float)[:, None], len(shock), axis=1)  # [4, nodes]
    R_now, _ = economy.prices(k2 + k3, shock)

    def gaps(choice, later):
        """The four conditions [4, nodes], relative to marginal utility; later: c and k' of the second age, [2, 4, n, n, n]."""
        k1_next, k2_next, b1_next, p = choice
        c1, c2, _ = economy.consumption(k2, k3, b2, shock, *choice)
        change = np.stack([k1_next, k2_next - R_now * k2])
        bond, capital = np.zeros((2, 2, len(shock)))
        for to in range(4):
            there = np.full_like(shock, to)
            R, w = economy.prices(k1_next + k2_next, there)
            c2_then, k2_then = interpolate(axes, later, there, k1_next, k2_next, b1_next)
            c3_then, cost3 = economy.oldest(R, w, k2_next, -b1_next)
            marginal = np.stack([c2_then, c3_then]) ** -gamma * economy.transition[shock, to]
            bond += beta * marginal
            capital += beta * R * marginal * np.stack([1 + zeta * (k2_then - R * k1_next), cost3])
        today = np.stack([c1, c2]) ** -gamma
        mu = (p - bond / today) / kappa
        free = 1 + zeta * change - capital / today - mu
        own, owed = choice[:2], np.stack([b1_next, -b1_next])
        pairs = [(own, free), (own + kappa * owed, mu)]
        return np.concatenate([x + y - np.sqrt(x**2 + y**2 + 1e-30) for x, y in pairs])

    for _ in range(300):
        _, c2, _ = economy.consumption(k2, k3, b2, shock, *choice)
        later, old = np.stack([c2, choice[1]]).reshape(2, *shape), choice
        for _ in range(12):
            gap, h = gaps(choice, later), 1e-7
            columns = [(gaps(choice + h * unit[:, None], later) - gap) / h for unit in np.eye(4)]
            step = np.linalg.solve(np.stack(columns, -1).transpose(1, 0, 2), -gap.T[..., None])[..., 0].T
            choice = choice + np.clip(step, -0.2 * abs(start[:2]).max(), 0.2 * abs(start[:2]).max())
            if np.abs(step).max() < 1e-3 * tolerance:
                break
        moved = np.abs(choice - old).max()
        if moved < tolerance:
            return ThreeAges(economy, axes, choice.reshape(4, *shape))
    raise RuntimeError(f"time iteration has not converged: last step {moved:.1e}")
