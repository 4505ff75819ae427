"""The Bellman error: how far the value of the policy is from the best that a household can do in one period.

The value of the policy, V = u(c) + beta E[V'], is found by policy evaluation on (e, a) at every node of the aggregate shock and
some values of K, mean wealth or what the folder puts in its place (`Economy.summary`). What the economy does there is taken from
states of its own path: at each node of the shock, those whose K is nearest to the Chebyshev points of the path's range. From each
of them the economy's own step leads to the next K, and no law of motion is fitted. V is linear between the nodes of a, as
consumption is, and a polynomial in K. Where the path has no states near some points, a polynomial would magnify errors: V is then
linear in K, too.

Then, at other states of the path, E|V - max(u(c) + beta E[V'])| over the households that are there, with the maximum over a' by
golden section. This is the unit of Han, Yang and E (2021), DeepHAM: a global solution method for heterogeneous agent models with
aggregate shocks, arXiv:2112.14377. Their V is a network's; this one has the error of its grid and of leaving out what else there
is in the distribution than K.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, gmres
from torch import Tensor

from deqn.analysis.heterogeneous.economy import Economy, NotOffered
from deqn.analysis.heterogeneous.statistics import quantiles

POINTS = 7  # of K at each node of the shock
_LEBESGUE = 3.0  # by how much a polynomial may magnify an error at its nodes; 7 Chebyshev points do 2.1 times
_TOLERANCE = 1e-7  # of V at the nodes, in utils
_GOLDEN = (5**0.5 - 1) / 2
_SECTIONS = 48  # 0.618 ** 48 of the grid's length: 1e-10


@dataclass(frozen=True)
class _Today:
    """n states: what is had and done there, and where the economy goes.

    Attributes:
        price: `[n, 1, 1]`, of one unit of next period's assets.
        cash, u: `[n, nE, nA]`, cash on hand and utility of the policy's consumption.
        lower, upper: `[n, nE, nA]`, the node below savings and the weight of the one above.
        weight: `[n, nE, nS P nE]`, beta times the probability of e' and each node of V in (shock, K).
    """

    price: np.ndarray
    cash: np.ndarray
    u: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    weight: np.ndarray


def bellman_errors(economy: Economy, states: Tensor, shocks: np.ndarray, measured: int = 200) -> dict[str, float]:
    """Mean over households and largest, in utils, and what is in it.

    Args:
        economy: under its policy.
        states: `[n, n_states]`, of a path.
        shocks: `[n]`, the node of the shock of each.
        measured: how many of them the errors are measured at.
    """
    value = Value(economy, states, shocks)
    some = np.unique(np.linspace(0, len(states) - 1, min(measured, len(states))).astype(int))
    errors, gains, masses = [], [], []
    for part in np.array_split(some, max(1, len(some) // 20)):
        index = torch.as_tensor(part, device=states.device)
        V = value.at(shocks[part], economy.summary(states[index]))
        today = value.today(states[index])
        expected = value.expected(today)
        planned = today.u + _read(expected, today.lower, today.upper)
        best = np.maximum(_best(economy, expected, today), planned)
        errors.append(np.abs(V - best))
        gains.append(best - planned)
        masses.append(economy.distribution(states[index]).double().cpu().numpy())
    error, gain, mass = (np.concatenate(x) for x in (errors, gains, masses))
    found = quantiles(error, mass)
    return {
        "E|V - max(u + beta E V')|": found["mean"],
        "its 99th percentile over households": found["p99"],
        "E[max(u + beta E V') - (u + beta E V')], of a one-period deviation": quantiles(gain, mass)["mean"],
    }


class Value:
    """V of the policy on (shock, K, e, a).

    Args:
        economy, states, shocks: as for `bellman_errors`.
    """

    def __init__(self, economy: Economy, states: Tensor, shocks: np.ndarray) -> None:
        self._economy = economy
        K = economy.summary(states)
        self._nS = len(economy.probabilities(states[:1], economy.policy(states[:1])))
        self._refuse(states, shocks)
        chosen, self._K = [], []
        for shock in range(self._nS):
            here = np.flatnonzero(shocks == shock)
            if not len(here):
                raise NotOffered(f"no state of the path has node {shock} of the shock: make it longer")
            low, high = K[here].min(), K[here].max()
            wanted = low + (high - low) * (1 - np.cos(np.pi * np.arange(POINTS) / (POINTS - 1))) / 2
            found = here[np.unique(np.abs(K[here] - wanted[:, None]).argmin(-1))]
            found = found[np.unique(K[found], return_index=True)[1]]
            chosen.append(found)
            self._K.append(K[found])
        self._first = np.cumsum([0, *map(len, chosen)])  # of each shock's nodes
        self._linear = any(
            np.abs(_lagrange(x, np.linspace(x[0], x[-1], 400))).sum(-1).max() > _LEBESGUE for x in self._K
        )
        nodes = states[torch.as_tensor(np.concatenate(chosen), device=states.device)]
        self._V = self._evaluate(self.today(nodes))

    def _refuse(self, states: Tensor, shocks: np.ndarray) -> None:
        """Refuses an aggregate state that is more than the shock's node and the distribution."""
        for column in self._economy.model.state_columns:
            if column.name == "distribution":
                continue
            values = column.raw(states)
            for shock in np.unique(shocks):
                same = values[torch.as_tensor(shocks == shock, device=values.device)]
                if not torch.allclose(same, same[:1].expand_as(same), rtol=1e-5):
                    raise NotOffered(
                        f"state {column.name} is not a function of the shock's node: V is on (shock, K, e, a)"
                    )

    def today(self, states: Tensor) -> _Today:
        """What is had and done at states `[n, n_states]`."""
        economy = self._economy
        policies = economy.policy(states)
        c, a_next = economy.households(states, policies)
        price = economy.price(states, policies)[:, None, None]
        grid = economy.a_grid
        lower = (np.searchsorted(grid, a_next, side="right") - 1).clip(0, len(grid) - 2)
        upper = (a_next - grid[lower]) / (grid[lower + 1] - grid[lower])
        parts = []
        for shock, probability in enumerate(economy.probabilities(states, policies)):
            following = economy.step(states, policies, shock)
            at = self._weights(shock, economy.summary(following))
            to = economy.beta[:, None] * economy.transition(states, following)
            parts.append(np.einsum("n,nk,nef->nekf", probability, at, to))
        weight = np.concatenate(parts, 2)
        return _Today(
            price, c + price * a_next, economy.utility(c), lower, upper, weight.reshape(*weight.shape[:2], -1)
        )

    def expected(self, today: _Today, V: np.ndarray | None = None) -> np.ndarray:
        """beta E[V'] at the nodes of a': `[n, nE, nA]`."""
        V = self._V if V is None else V
        return np.asarray(today.weight @ V.reshape(-1, V.shape[-1]))

    def at(self, shocks: np.ndarray, K: np.ndarray) -> np.ndarray:
        """V at nodes of the shock and values of K, `[n]` each: `[n, nE, nA]`."""
        return np.stack([
            np.tensordot(self._weights(shock, k[None])[0], self._V[self._first[shock] : self._first[shock + 1]], 1)
            for shock, k in zip(shocks, K, strict=True)
        ])  # fmt: skip

    def _weights(self, shock: int, K: np.ndarray) -> np.ndarray:
        """Of V at the nodes of K at a shock, `[n, nodes]`. Beyond the nodes, K counts as the last of them."""
        nodes = self._K[shock]
        return (_hats if self._linear else _lagrange)(nodes, K.clip(nodes[0], nodes[-1]))

    def _evaluate(self, today: _Today) -> np.ndarray:
        """V with V = u + beta E[V'] at the nodes: `[nodes, nE, nA]`."""
        shape = today.u.shape

        def gap(V: np.ndarray) -> np.ndarray:
            V = V.reshape(shape)
            return np.asarray(V - _read(self.expected(today, V), today.lower, today.upper)).ravel()

        operator = LinearOperator((today.u.size, today.u.size), gap, dtype=float)
        V = today.u / (1 - self._economy.beta[:, None])
        for _ in range(60):
            left = today.u.ravel() - gap(V)
            if np.abs(left).max() < _TOLERANCE * (1 - self._economy.beta.max()):
                return V
            V = V + gmres(operator, left, restart=40, maxiter=1)[0].reshape(shape)
        raise NotOffered(f"policy evaluation did not converge: V = u + beta E V' is off by {np.abs(left).max():.1e}")


def _lagrange(nodes: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The polynomials that are one at a node and zero at the others, at `x`: `[n, nodes]`."""
    factors = [[(x - other) / (node - other) for other in nodes if other != node] for node in nodes]
    return np.stack([np.prod(f, axis=0) if f else np.ones_like(x) for f in factors], -1)


def _hats(nodes: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The piecewise linear functions that are one at a node and zero at the others, at `x`: `[n, nodes]`."""
    return np.stack([np.interp(x, nodes, one) for one in np.eye(len(nodes))], -1)


def _read(values: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Values `[n, nE, nA]` between their nodes, at `[n, nE, m]`."""
    below, above = (np.take_along_axis(values, i, -1) for i in (lower, lower + 1))
    return np.asarray((1 - upper) * below + upper * above)


def _best(economy: Economy, expected: np.ndarray, today: _Today) -> np.ndarray:
    """The largest u(cash - price a') + beta E[V'](a') over a' on the grid: `[n, nE, nA]`."""
    grid, cash, price = economy.a_grid, today.cash, today.price

    def total(a: np.ndarray) -> np.ndarray:
        lower = (np.searchsorted(grid, a, side="right") - 1).clip(0, len(grid) - 2)
        return economy.utility(cash - price * a) + _read(
            expected, lower, (a - grid[lower]) / (grid[lower + 1] - grid[lower])
        )

    low = np.full_like(cash, grid[0])
    high = np.minimum(grid[-1], (cash - 1e-6 * np.abs(cash)) / price)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = total(left), total(right)
    best = np.maximum(total(low), np.maximum(at_left, at_right))
    for _ in range(_SECTIONS):
        down = at_left > at_right
        low, high = np.where(down, low, left), np.where(down, right, high)
        new = np.where(down, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        at_new = total(new)
        left, right = np.where(down, new, right), np.where(down, left, new)
        at_left, at_right = np.where(down, at_new, at_right), np.where(down, at_left, at_new)
        best = np.maximum(best, at_new)
    return best
