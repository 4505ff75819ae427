"""The choice between a liquid asset b and an illiquid one a by endogenous gridpoints in both.

Households are described by what they expect: at the nodes of the b' and a' that they leave a period with, the consumption m today
that the Euler equation of the liquid asset implies, and the value q of a unit of the illiquid asset in units of the liquid one.
The choice then follows for any cash on hand without a search: first a' of who leaves with a node of b', where the marginal cost
of adjustment is q - 1, then b'. Both are Carroll's (2006) step of one asset.

Sources: Carroll (2006), The method of endogenous gridpoints for solving dynamic stochastic optimization problems, Economics
Letters 91(3), 312-320. The cost of adjustment, and a step for two assets, which finds a' by intersection: Auclert, Bardóczy,
Rognlie and Straub (2021), Using the sequence-space Jacobian to solve and estimate heterogeneous-agent models, Econometrica 89(5),
2375-2408.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from deqn.numerics import histogram, household

SHARES = 10  # nodes below the first of b', of the value of b' relative to consumption for who is at the limit


class Choice(NamedTuple):
    """What households at every node do, each `[*batch, nE, nB, nA]`.

    Attributes:
        b_next, a_next: the liquid and the illiquid asset at the end of the period.
        cost: of adjustment.
        c: consumption.
    """

    b_next: Tensor
    a_next: Tensor
    cost: Tensor
    c: Tensor


class Adjustment(NamedTuple):
    """Cost of leaving the period with a' instead of the illiquid assets kept x, (1 + r_a) a: chi1 / 2 (a' - x)^2 / (x + chi0)."""

    chi0: float
    chi1: float

    def cost(self, a_next: Tensor, kept: Tensor) -> Tensor:
        return 0.5 * self.chi1 * (a_next - kept) ** 2 / (kept + self.chi0)

    def marginal(self, a_next: Tensor, kept: Tensor) -> Tensor:
        """With respect to a'."""
        return self.chi1 * (a_next - kept) / (kept + self.chi0)

    def value_kept(self, a_next: Tensor, kept: Tensor) -> Tensor:
        """Cash that one more unit of x is worth: one, and the cost that it saves."""
        change = (a_next - kept) / (kept + self.chi0)
        return 1 + self.chi1 * change * (1 + 0.5 * change)


def choose(
    cash: Tensor, kept: Tensor, m: Tensor, q: Tensor, grids: tuple[Tensor, Tensor], adjustment: Adjustment, gamma: float
) -> Choice:
    """Both assets and consumption of households with utility c^(1 - gamma) / (1 - gamma).

    c + b' + a' + cost(a', x) = cash, b' and a' on their grids, whose first nodes are the limits. To who would like to have less
    of b than the first node, a unit of b' is worth a share s < 1 of one of consumption: c = s^(1/gamma) m, and a' is worth s q.
    Shares between zero and one are nodes below the first of b'. Choices are linear between all these nodes, and at the ends for
    who is beyond. For who is at the limit, a step of Newton's method follows: without it, errors of a' add up over the years.

    Args:
        cash: `[*batch, nE, nB, nA]`, all that a household has, x included.
        kept: x, `[*batch, nA]`, increasing.
        m, q: `[*batch, nE, nB, nA]`, at the nodes of b' and a'; m increasing in both, q decreasing in a' and increasing in b'.
        grids: nodes of b `[nB]` and of a `[nA]`.

    Returns:
        Gradients flow to `cash`, `kept`, `m` and `q`.
    """
    b_grid, a_grid = grids
    kept = kept[..., None, None, :]
    share = (torch.arange(1, SHARES + 1).to(m) / (SHARES + 1))[:, None]
    m = torch.cat([share ** (1 / gamma) * m[..., :1, :], m], dim=-2)
    q = torch.cat([share * q[..., :1, :], q], dim=-2)
    b = torch.cat([b_grid[:1].expand(SHARES), b_grid])
    # a' of who leaves with a node of b': the x with which a node of a' is chosen, q = 1 + marginal(a', x)
    s = (q - 1) / adjustment.chi1
    at = household.locate(kept.expand(q.shape), (a_grid - adjustment.chi0 * s) / (1 + s))
    a_next, c = histogram.evaluate(a_grid, *at), histogram.evaluate(m, *at)
    # b' of who has that x, along rows [nE, nA]
    needed = c + a_next + adjustment.cost(a_next, kept) + b[:, None]
    at = household.locate(cash.mT, needed.mT)
    b_next, a_next = histogram.evaluate(b, *at).mT, histogram.evaluate(a_next.mT, *at).mT
    at_limit = cash < needed[..., SHARES : SHARES + 1, :]
    first = m[..., SHARES, :], q[..., SHARES, :]
    a_next = torch.where(at_limit, _newton(a_next, cash - b_grid[0], kept, *first, a_grid, adjustment, gamma), a_next)
    cost = adjustment.cost(a_next, kept)
    return Choice(b_next, a_next, cost, cash - b_next - a_next - cost)


def _newton(
    a: Tensor, cash: Tensor, kept: Tensor, m: Tensor, q: Tensor, a_grid: Tensor, adjustment: Adjustment, gamma: float
) -> Tensor:
    """A better a' of who holds the first node of b: 1 + marginal(a', x) = s q and s^(1 / gamma) m are what is consumed.

    Args:
        a: a', `[*batch, nE, nB, nA]`.
        m, q: at the first node of b', `[*batch, nE, nA]`.
    """
    at = histogram.lottery_weights(a.flatten(-2), a_grid)
    m, q = (histogram.evaluate(x, *at).unflatten(-1, a.shape[-2:]) for x in (m, q))
    price = 1 + adjustment.marginal(a, kept)
    c = m * (price / q) ** (1 / gamma)
    slope = price + c * adjustment.chi1 / (gamma * price * (kept + adjustment.chi0))
    return (a + (cash - c - a - adjustment.cost(a, kept)) / slope).clamp(a_grid[0], a_grid[-1])
