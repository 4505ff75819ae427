"""The household's problem by endogenous gridpoints on a fine grid, in NumPy; shares no code with the library.

Source: Carroll (2006), The method of endogenous gridpoints for solving dynamic stochastic optimization problems, Economics
Letters 91(3), 312-320.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reference:
    """The solution on the nodes, for each persistent income.

    Attributes:
        z: log persistent income, `[n_z]`.
        m: what can be spent, where the limit begins to bind and beyond, `[n_z, n]`.
        C: consumption there; below the first node, all is spent, `[n_z, n]`.
    """

    z: np.ndarray
    m: np.ndarray
    C: np.ndarray

    def consumption(self, m: np.ndarray, z: np.ndarray) -> np.ndarray:
        """At what can be spent `[n]` and log persistent income `[n]`, the nearest node of which counts: `[n]`."""
        found = np.empty_like(m)
        nearest = np.abs(z[:, None] - self.z).argmin(1)
        for i in range(len(self.z)):
            here = nearest == i
            found[here] = _interpolated(m[here], self.m[i], self.C[i])
        return found


def _interpolated(m: np.ndarray, nodes: np.ndarray, C: np.ndarray) -> np.ndarray:
    """Linear, beyond the last node too; all is spent below the first."""
    beyond = C[-1] + (m - nodes[-1]) * (C[-1] - C[-2]) / (nodes[-1] - nodes[-2])
    return np.where(m <= nodes[0], m, np.where(m > nodes[-1], beyond, np.interp(m, nodes, C)))


def chain(rho: float, sigma: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The sum of n - 1 independent coins, each of which stays with probability (1 + rho) / 2, is Rouwenhorst's chain."""
    from math import comb

    p = (1 + rho) / 2
    P = np.zeros((n, n))
    for i in range(n):  # i coins show heads: so many of them stay, so many of the others turn
        for stay in range(i + 1):
            for turn in range(n - i):
                chance = comb(i, stay) * p**stay * (1 - p) ** (i - stay)
                P[i, stay + turn] += chance * comb(n - 1 - i, turn) * (1 - p) ** turn * p ** (n - 1 - i - turn)
    return sigma * ((n - 1) / (1 - rho**2)) ** 0.5 * (2 * np.arange(n) / (n - 1) - 1), P


def solve(constants: Mapping[str, float], n: int = 2000, highest: float = 60.0, tolerance: float = 1e-11) -> Reference:
    """Endogenous gridpoints until consumption moves by no more than the tolerance.

    Args:
        constants: those of the model.
        n: nodes of what is saved, in excess of the limit; denser near it.
        highest: the last of them.

    Raises:
        RuntimeError: when it does not converge.
    """
    p = dict(constants)
    z, P = chain(p["rho"], p["sigma_z"], int(p["n_z"]))
    shocks = np.linspace(-p["far"], p["far"], int(p["n_u"]))
    weights = np.exp(-(shocks**2) / 2) / np.exp(-(shocks**2) / 2).sum()
    u = np.exp(p["sigma_u"] * shocks)
    u /= weights @ u
    saved = highest * np.linspace(0, 1, n) ** 3
    income = np.exp(z)[:, None] * u - (p["R"] - 1) * p["limit"]
    later = p["R"] * saved[:, None] + income[:, None, :]  # [n_z, n, n_u]
    m, C = np.tile([[0.5], [highest]], len(z)).T, np.tile([[0.5], [highest]], len(z)).T
    for _ in range(3000):
        marginal = np.stack([_interpolated(later[i], m[i], C[i]) ** -p["gamma"] @ weights for i in range(len(z))])
        new = (p["beta"] * p["R"] * (P @ marginal)) ** (-1 / p["gamma"])
        moved = np.abs(new - C).max() if new.shape == C.shape else np.inf
        m, C = saved + new, new
        if moved < tolerance:
            return Reference(z, m, C)
    raise RuntimeError(f"endogenous gridpoints have not converged: last step {moved:.1e}")
