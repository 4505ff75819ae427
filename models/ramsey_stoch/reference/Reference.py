"""Growth with long-run risk by policy iteration on Bellman's equation, in NumPy; shares no code with the library.

The log of the planner's value per unit of effective labour is a polynomial in log capital and in expected growth. Given the
investment of all nodes, the value is found by Newton's method; given the value, investment is best at each node where

    (1 - beta) C^(-1/psi) = beta CE^(gamma - 1/psi) E[V'^(-gamma) dV' / dk'] G'(I / k).

No Euler equation, discount factor or price of capital is used. Where a policy is asked for, investment is found there anew.

Sources: Howard (1960), Dynamic Programming and Markov Processes, MIT Press; Judd (1998), Numerical Methods in Economics, MIT
Press, section 12.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev

CAPITAL = (0.3, 3.4)  # range of the polynomial, in units of capital at rest without risk
DEVIATIONS = 6.5  # of expected growth, in standard deviations


@dataclass(frozen=True)
class Reference:
    """The solution.

    Attributes:
        coefficients: `[n_k, n_x]`, of log V over effective labour.
        constants: of the model, with k_ss and rate_ss.
        low, high: `[2]`, range of log capital and of expected growth.
        u, e, weights: shocks to productivity and to expected growth `[n_nodes]`, their probabilities `[n_nodes, n_nodes]`.
    """

    coefficients: np.ndarray
    constants: Mapping[str, float]
    low: np.ndarray
    high: np.ndarray
    u: np.ndarray
    e: np.ndarray
    weights: np.ndarray

    def added(self, rate: np.ndarray) -> np.ndarray:
        """G of the investment rate I / k."""
        zeta, rest = self.constants["zeta"], self.constants["rate_ss"]
        return (rest**zeta * rate ** (1 - zeta) - zeta * rest) / (1 - zeta)

    def kept(self, k: np.ndarray, rate: np.ndarray) -> np.ndarray:
        return (1 - self.constants["delta"] + self.added(rate)) * k

    def scaled(self, i: int, values: np.ndarray) -> np.ndarray:
        """Log capital or expected growth, on -1 .. 1."""
        return (2 * values - self.low[i] - self.high[i]) / (self.high[i] - self.low[i])

    def bases(self, k: np.ndarray, x: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Growth `[n, n_u]`, polynomials of log k' `[n, n_u, n_k]` and of x' `[n, n_e, n_x]`."""
        p, (n_k, n_x) = self.constants, self.coefficients.shape
        growth = p["mu"] + x[:, None] + self.u
        log_k = np.log(self.kept(k, rate))[:, None] - growth
        later_x = p["rho"] * x[:, None] + self.e
        return growth, *(chebyshev.chebvander(self.scaled(i, at), n - 1) for i, at, n in ((0, log_k, n_k), (1, later_x, n_x)))

    def certainty_equivalent(self, log_V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Its log `[n]`, and the nodes' weights in its change `[n, n_u, n_e]`, of log V' `[n, n_u, n_e]`."""
        power = 1 - self.constants["gamma"]
        top = (power * log_V).max((1, 2), keepdims=True)
        parts = self.weights * np.exp(power * log_V - top)
        total = parts.sum((1, 2), keepdims=True)
        return ((np.log(total) + top) / power)[:, 0, 0], parts / total

    def aggregate(self, log_C: np.ndarray, log_CE: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log of the value, and the share of the future in it."""
        beta, power = self.constants["beta"], 1 - 1 / self.constants["psi"]
        if power == 0:
            return (1 - beta) * log_C + beta * log_CE, np.full_like(log_C, beta)
        future = beta * np.exp(power * (log_CE - log_C))
        return log_C + np.log(1 - beta + future) / power, future / (1 - beta + future)

    def future(self, k: np.ndarray, x: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log certainty equivalent, and the elasticity of the value by capital under its weights: `[n]`."""
        growth, by_k, by_x = self.bases(k, x, rate)
        slope = chebyshev.chebder(self.coefficients, axis=0) * 2 / (self.high[0] - self.low[0])
        log_V = growth[..., None] + np.einsum("nuk,kx,nex->nue", by_k, self.coefficients, by_x, optimize=True)
        elasticity = np.einsum("nuk,kx,nex->nue", by_k[..., :-1], slope, by_x, optimize=True)
        log_CE, parts = self.certainty_equivalent(log_V)
        return log_CE, (parts * elasticity).sum((1, 2))

    def best_rate(self, k: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The best investment rate `[n]`: bisection, then secant steps, on the log of both sides of its condition."""
        p = self.constants
        output = k ** (p["alpha"] - 1)

        def gap(share: np.ndarray) -> np.ndarray:
            """Log of the loss less log of the gain of a unit invested; it rises with the share of output."""
            rate = share * output
            log_CE, elasticity = self.future(k, x, rate)
            log_C = np.log(k * (output - rate))
            marginal = p["zeta"] * np.log(rate / p["rate_ss"]) + np.log(self.kept(k, rate))
            loss = np.log((1 - p["beta"]) / p["beta"]) - log_C / p["psi"] + marginal
            return loss - (1 - 1 / p["psi"]) * log_CE - np.log(np.maximum(elasticity, 1e-12))

        low, high = np.full_like(k, 1e-3), np.full_like(k, 0.999)
        for _ in range(12):
            middle = 0.5 * (low + high)
            above = gap(middle) > 0
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        before, now = low, high
        f_before, f_now = gap(before), gap(now)
        for _ in range(30):
            change = f_now - f_before
            step = np.where(change == 0, 0.0, f_now * (now - before) / np.where(change == 0, 1.0, change))
            before, f_before, now = now, f_now, np.clip(now - step, low, high)
            if np.abs(now - before).max() < 1e-14:
                break
            f_now = gap(now)
        return now * output

    def policies(self, k: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        """Consumption C, savings rate s and log_v, the log of V / C, at capital `[n]` and expected growth `[n]`."""
        rate = self.best_rate(k, x)
        C = k ** self.constants["alpha"] - rate * k
        log_V, _ = self.aggregate(np.log(C), self.future(k, x, rate)[0])
        return {"C": C, "s": rate * k ** (1 - self.constants["alpha"]), "log_v": log_V - np.log(C)}


def solve(constants: Mapping[str, float], n_k: int = 18, n_x: int = 10, n_nodes: int = 5) -> Reference:
    """The value whose Bellman equation holds at the Chebyshev nodes.

    Args:
        constants: those of the model, with k_ss and rate_ss; gamma not one.
        n_k, n_x: nodes of log capital and of expected growth.
        n_nodes: Gauss-Hermite nodes of either shock.

    Raises:
        RuntimeError: when value or policy do not converge.
    """
    p = dict(constants)
    centre, width = np.log(p["k_ss"]), DEVIATIONS * p["sigma_x"] / (1 - p["rho"] ** 2) ** 0.5
    low, high = np.array([centre + np.log(CAPITAL[0]), -width]), np.array([centre + np.log(CAPITAL[1]), width])
    shocks, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    weights = weights / weights.sum()
    a, b = (np.cos(np.pi * (np.arange(n) + 0.5) / n) for n in (n_k, n_x))
    k, x = (grid.ravel() for grid in np.meshgrid(
        np.exp(0.5 * (low[0] + high[0] + (high[0] - low[0]) * a)), width * b, indexing="ij"
    ))  # fmt: skip
    to_k, to_x = (np.linalg.inv(chebyshev.chebvander(points, len(points) - 1)) for points in (a, b))

    def reference(log_W: np.ndarray) -> Reference:
        coefficients = to_k @ log_W.reshape(n_k, n_x) @ to_x.T
        return Reference(
            coefficients, p, low, high, p["sigma"] * shocks, p["sigma_x"] * shocks, np.outer(weights, weights)
        )

    log_W = np.log(p["C_ss"]) + 0.3 * (np.log(k) - centre)
    rate = p["rate_ss"] * (k / p["k_ss"]) ** (p["alpha"] - 1)  # the share of output at rest
    for _ in range(60):
        log_W = _value(reference(log_W), log_W, k, x, rate, to_k, to_x)
        better = reference(log_W).best_rate(k, x)
        moved, rate = np.abs(better / rate - 1).max(), better
        if moved < 1e-8:  # what is left is of the order of its square
            return reference(log_W)
    raise RuntimeError(f"investment has not converged: it still moves by {moved:.1e}")


def _value(
    start: Reference, log_W: np.ndarray, k: np.ndarray, x: np.ndarray, rate: np.ndarray, to_k: np.ndarray, to_x: np.ndarray
) -> np.ndarray:
    """Log value at the nodes, of given investment: by Newton's method."""
    growth, by_k, by_x = start.bases(k, x, rate)
    later = np.einsum("nuk,nex->nuekx", by_k @ to_k, by_x @ to_x).reshape(len(k), -1, len(k))
    shape = (len(k), len(start.u), len(start.e))
    log_C = np.log(k ** start.constants["alpha"] - rate * k)
    for _ in range(100):
        log_CE, parts = start.certainty_equivalent(growth[..., None] + (later @ log_W).reshape(shape))
        aggregate, share = start.aggregate(log_C, log_CE)
        slopes = np.einsum("nq,nqm->nm", parts.reshape(len(k), -1), later)
        step = np.linalg.solve(np.eye(len(k)) - share[:, None] * slopes, aggregate - log_W)
        log_W = log_W + step
        if np.abs(step).max() < 1e-11:
            return log_W
    raise RuntimeError(f"the value has not converged: last step {np.abs(step).max():.1e}")
