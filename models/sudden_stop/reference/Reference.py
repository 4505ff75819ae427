"""The small open economy by time iteration on a grid, in NumPy; shares no code with the library.

Each step takes tomorrow's consumption from the step before. What the household would consume if the limit did not hold today
follows from what it owes tomorrow without a root (endogenous gridpoints); consumption is the smaller of this and of what the
limit allows. Only the former is interpolated, linearly in bonds and by polynomials in endowment and rate: today's kink stays
exact.

Sources: Coleman (1990), Solving the stochastic growth model by policy-function iteration, Journal of Business and Economic
Statistics 8(1), 27-29; Carroll (2006), The method of endogenous gridpoints for solving dynamic stochastic optimization problems,
Economics Letters 91(3), 312-320.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

DEVIATIONS = 4.5  # half the range of the grid, in standard deviations; beyond it, its ends count


@dataclass(frozen=True)
class Reference:
    """The solution on the nodes.

    Attributes:
        bonds: `[n]`.
        y, r: Chebyshev nodes of the log endowment and of the rate less its mean, `[n_y]` and `[n_r]`.
        log_C: log consumption of tradables if the limit did not hold today, `[n, n_y, n_r]`.
        constants: those of the model.
    """

    bonds: np.ndarray
    y: np.ndarray
    r: np.ndarray
    log_C: np.ndarray
    constants: Mapping[str, float]

    def free(self, b: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Consumption if the limit did not hold today, at bonds, log endowment and rate less its mean, `[n]` each."""
        left = np.clip(np.searchsorted(self.bonds, b) - 1, 0, len(self.bonds) - 2)
        share = (b - self.bonds[left]) / (self.bonds[left + 1] - self.bonds[left])
        around = self.log_C[left] * (1 - share)[:, None, None] + self.log_C[left + 1] * share[:, None, None]
        by_y, by_r = (_between(nodes, np.clip(x, nodes[0], nodes[-1])) for nodes, x in ((self.y, y), (self.r, r)))
        return np.exp(np.einsum("kij,ki,kj->k", around, by_y, by_r))

    def limited(self, b: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Consumption if the limit binds: `[n]`."""
        return limited(self.constants, b, np.exp(y))

    def consumption(self, b: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Consumption of tradables: `[n]`."""
        return np.minimum(self.free(b, y, r), self.limited(b, y))


def limited(p: Mapping[str, float], b: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """c with c = Y + b + kappa (Y + phi c): all that can be borrowed is, and nontradables are worth phi c."""
    phi = (1 - p["omega"]) / p["omega"]
    return np.maximum(((1 + p["kappa"]) * Y + b) / (1 - p["kappa"] * phi), p["least"])


def _chebyshev(half: float, n: int) -> np.ndarray:
    """n nodes from -half to half, both of them included."""
    return -half * np.cos(np.pi * np.arange(n) / (n - 1))


def _between(nodes: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Weights [*x, n] that interpolate values at the Chebyshev nodes (barycentric; Berrut and Trefethen, 2004)."""
    signs = (-1.0) ** np.arange(len(nodes))
    signs[[0, -1]] /= 2
    gap = x[..., None] - nodes
    at_node = np.abs(gap) < 1e-14
    weights = signs / np.where(at_node, 1.0, gap)
    weights = np.where(at_node.any(-1, keepdims=True), at_node, weights)
    return weights / weights.sum(-1, keepdims=True)


def solve(
    constants: Mapping[str, float], n: int = 400, n_y: int = 21, n_r: int = 5, tolerance: float = 1e-9, steps: int = 2000
) -> Reference:
    """Time iteration until no consumption moves by more than the tolerance, relatively.

    Args:
        constants: those of the model.
        n, n_y, n_r: nodes of bonds, endowment and rate.
        steps: at most.

    Raises:
        RuntimeError: when it does not converge.
    """
    p = dict(constants)
    nu = 1 + p["omega"] * (p["sigma"] - 1)  # curvature of utility in tradables
    shocks = np.linspace(-p["far"], p["far"], int(p["n_y"]))
    weights_y = np.exp(-(shocks**2) / 2) / np.exp(-(shocks**2) / 2).sum()
    hermite, weights_r = np.polynomial.hermite_e.hermegauss(int(p["n_r"]))
    weights_r = weights_r / weights_r.sum()
    y = _chebyshev(DEVIATIONS * p["sigma_y"] / (1 - p["rho_y"] ** 2) ** 0.5, n_y)
    r = _chebyshev(DEVIATIONS * p["sigma_r"] / (1 - p["rho_r"] ** 2) ** 0.5, n_r)
    y_next = p["rho_y"] * y[:, None] + p["sigma_y"] * shocks  # [n_y, J]
    r_next = p["rho_r"] * r[:, None] + p["sigma_r"] * hermite  # [n_r, L]
    to_y, to_r = _between(y, np.clip(y_next, y[0], y[-1])), _between(r, np.clip(r_next, r[0], r[-1]))
    bonds = p["b_low"] + (p["b_high"] - p["b_low"]) * np.linspace(0, 1, n)
    R = 1 + p["r_mean"] + r
    bound = np.log(limited(p, bonds[:, None, None], np.exp(y_next)))[..., None]  # of tomorrow: [n, n_y, J, 1]
    log_C = np.zeros((n, n_y, n_r))
    for _ in range(steps):
        rates = np.einsum("bij,klj->bikl", log_C, to_r)  # [n, n_y, n_r, L]
        marginal = np.empty_like(log_C)
        for k in range(n_r):
            later = np.einsum("bil,mji->bmjl", rates[:, :, k], to_y)  # [n, n_y, J, L]
            marginal[..., k] = np.einsum("bmjl,j,l->bm", np.exp(-nu * np.minimum(later, bound)), weights_y, weights_r)
        C = (p["beta"] * R * marginal) ** (-1 / nu)
        began = C - np.exp(y)[:, None] + bonds[:, None, None] / R  # the bonds with which this is chosen
        new = np.empty_like(log_C)
        for i in range(n_y):
            for k in range(n_r):
                new[:, i, k] = _linear(bonds, began[:, i, k], np.log(C[:, i, k]))
        moved = np.abs(new - log_C).max()
        log_C = new
        if moved < tolerance:
            return Reference(bonds, y, r, log_C, p)
    raise RuntimeError(f"time iteration has not converged: last step {moved:.1e}")


def _linear(x: np.ndarray, nodes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Linear between the nodes and beyond them."""
    found = np.interp(x, nodes, values)
    low, high = x < nodes[0], x > nodes[-1]
    found[low] = values[0] + (x[low] - nodes[0]) * (values[1] - values[0]) / (nodes[1] - nodes[0])
    found[high] = values[-1] + (x[high] - nodes[-1]) * (values[-1] - values[-2]) / (nodes[-1] - nodes[-2])
    return found
