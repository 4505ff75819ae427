"""One household along a path, and the tests of her Euler equation.

Source: Den Haan (2010), Comparison of solutions to the incomplete markets model with aggregate uncertainty, Journal of Economic
Dynamics and Control 34(1), 4-27.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deqn.analysis.heterogeneous.economy import Economy, MarginalUtility, Stretch


@dataclass(frozen=True)
class _Rows:
    """What the household of a stretch of n periods needs: the price of next period's assets `[n]`; in the row of her e,
    consumption and savings `[n, nA]`; of the next period, at each node of the shock and each e', consumption and gross return
    `[n, nS, nE, nA]`, and the probability times the discount factor `[n, nS, nE]`."""

    price: np.ndarray
    c: np.ndarray
    a_next: np.ndarray
    c_then: np.ndarray
    R_then: np.ndarray
    weight: np.ndarray


class Household:
    """One household, moved period by period.

    Two series are kept. In one she does what the policy says. In the other, the policy serves only inside the conditional
    expectation: consumption is what the expectation of beta R' u'(c') implies, assets follow from the budget. Both have the
    same shocks and start at the same assets. Their difference is the dynamic Euler equation test: small errors in one
    direction add up in the second series, as they do in the economy.

    The expectation is over all nodes of the aggregate shock and all e', at the next histogram as it will be, and at the savings
    themselves: next period's consumption is linear between the nodes, as it is for the households of the histogram.

    Args:
        economy: in which she lives.
        a: her assets in the first period.
        e: her idiosyncratic state in the first period.
        draws: `[T + 1]`, uniform; each picks her state in a period.
    """

    def __init__(self, economy: Economy, a: float, e: int, draws: np.ndarray) -> None:
        self._economy, self._draws = economy, draws
        self._marginal = MarginalUtility(economy.Definitions.utility)
        self._a, self._a_other, self._e, self._t = a, a, e, 0
        names = ("a", "c", "a_other", "c_other", "c_implied", "e")
        self.series: dict[str, np.ndarray] = {name: np.empty(len(draws) - 1) for name in names}

    def live(self, stretch: Stretch) -> None:
        """Moves on through a stretch of the path."""
        states = self._states(stretch)
        rows = self._rows(stretch, states)
        for i, price in enumerate(rows.price):
            c, a_next = self._choice(rows, i, self._a)
            implied = self._within(self._implied(rows, i, a_next), c + price * a_next, price)
            c_other, a_planned = self._choice(rows, i, self._a_other)
            cash = c_other + price * a_planned
            c_other = self._within(self._implied(rows, i, a_planned), cash, price)
            values = (self._a, c, self._a_other, c_other, implied, states[i])
            for name, value in zip(self.series, values, strict=True):
                self.series[name][self._t] = value
            self._a, self._a_other = a_next, (cash - c_other) / price
            self._t += 1
        self._e = int(states[-1])

    def _states(self, stretch: Stretch) -> np.ndarray:
        """Her e in each period and in the one after the last: `[n + 1]`."""
        transition = self._economy.transition(stretch.now, stretch.states[1:]).cumsum(-1)[..., :-1]
        states = [self._e]
        for i, row in enumerate(transition, start=self._t + 1):
            states.append(int((self._draws[i] >= row[states[-1]]).sum()))
        return np.array(states)

    def _rows(self, stretch: Stretch, e: np.ndarray) -> _Rows:
        economy, now, policies = self._economy, stretch.now, stretch.policies
        mine = np.arange(len(now)), e[:-1]
        c, a_next = (values[mine] for values in economy.households(now, policies))
        then = []
        for shock, probability in enumerate(economy.probabilities(now, policies)):
            following = economy.step(now, policies, shock)
            policy = economy.policy(following)
            consumption, _ = economy.households(following, policy)
            to = economy.transition(now, following)[mine]
            weight = economy.beta[mine[1], None] * probability[:, None] * to
            then.append((consumption, economy.gross_return(following, policy), weight))
        return _Rows(
            economy.price(now, policies), c, a_next, *(np.stack(values, 1) for values in zip(*then, strict=True))
        )

    def _place(self, a: float) -> tuple[int, float]:
        grid = self._economy.a_grid
        lower = min(max(int(np.searchsorted(grid, a, side="right")) - 1, 0), len(grid) - 2)
        return lower, (a - grid[lower]) / (grid[lower + 1] - grid[lower])

    def _choice(self, rows: _Rows, i: int, a: float) -> tuple[float, float]:
        """Consumption and savings by the policy."""
        j, upper = self._place(a)
        c, a_next = ((1 - upper) * x[i, j] + upper * x[i, j + 1] for x in (rows.c, rows.a_next))
        return float(c), float(a_next)

    def _implied(self, rows: _Rows, i: int, a_next: float) -> float:
        """Consumption today by the conditional expectation at these savings."""
        j, upper = self._place(a_next)
        c, R = ((1 - upper) * x[i, ..., j] + upper * x[i, ..., j + 1] for x in (rows.c_then, rows.R_then))
        return self._marginal.inverse(float((rows.weight[i] * R * self._marginal(c)).sum() / rows.price[i]))

    def _within(self, c: float, cash: float, price: float) -> float:
        """Consumption that leaves savings on the grid, whose first node is the borrowing limit."""
        grid = self._economy.a_grid
        return float(min(max(c, cash - price * grid[-1]), cash - price * grid[0]))
