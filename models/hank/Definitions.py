"""A heterogeneous-agent New Keynesian economy with the zero lower bound: quantities as functions of state and policy.

Hours are the same for all, wages are sticky, and prices follow wages: output is what is demanded. The state is the spread b
between the return on bonds and the policy rate, and the histogram of households over productivity e and bonds a, [nE, nA].

The policies are what is expected: m [nE, nA], what a household with e that leaves the period with the bonds of a node would
consume if a bond cost one good, u'(m) = beta E[u'(c')]; and `expected`, exp(E pi'). Given these, inflation, the rate, the price
of bonds and the demand for them are known at any output, and the output at which the market for bonds clears is computed in
each state. So the kink where the bound begins to bind is exact, and the network has none of today's to learn.

Sources: sticky wages and hours set by a union: Auclert, Rognlie and Straub (2024), The intertemporal Keynesian cross, Journal of
Political Economy 132(12), 4068-4121. The spread: Smets and Wouters (2007), Shocks and frictions in US business cycles, American
Economic Review 97(3), 586-606.
"""

from typing import NamedTuple

import torch
from torch import Tensor

import Parameters
import PolicyState
import State

from deqn import histogram, household, preferences
from deqn.numerics.root import root

a_grid, e_grid, gamma, B = Parameters.a_grid, Parameters.e_grid, Parameters.gamma, Parameters.B


class Quarter(NamedTuple):
    """What follows from log output y and from expectations; each [*batch]. Rates per quarter."""

    y: Tensor  # log output; zero in the stationary economy
    pi: Tensor  # log inflation over its target
    rule: Tensor  # log nominal rate that the rule asks for
    i: Tensor  # log nominal rate
    r: Tensor  # log real return on bonds
    q: Tensor  # their price, exp(-r)


def at_output(state, policy_state, y):
    """The quarter if log output is y [*batch]: Phillips curve, rule, bound, Fisher equation."""
    b, expected = State.b(state), expected_inflation(policy_state)
    pi = Parameters.slope * y + Parameters.beta * expected
    rule = Parameters.i_ss + Parameters.phi_pi * pi + Parameters.phi_y * y - Parameters.track * b
    i = rule.clamp(min=0.0) if Parameters.zero_bound else rule
    r = i - Parameters.pi_target - expected + b
    return Quarter(y, pi, rule, i, r, torch.exp(-r))


def expected_inflation(policy_state):
    """E pi', over the target: [*batch]."""
    return PolicyState.expected(policy_state).log()


def quarter(state, policy_state):
    """The quarter whose output clears the market for bonds."""
    masses = State.distribution(state)

    def excess(y):
        return histogram.aggregate(masses, demand(policy_state, at_output(state, policy_state, y))) - B

    far = torch.full_like(State.b(state), Parameters.y_range)
    return at_output(state, policy_state, root(excess, -far, far, Parameters.evaluations, derivatives=1))


def cash(now, a):
    """Bonds that are paid back and income less taxes, at bonds a [n]: [*batch, nE, n]. Taxes (1 - q) B are in proportion to e."""
    after_tax = torch.exp(now.y) - (1 - now.q) * B
    return a + after_tax[..., None, None] * e_grid[:, None]


def demand(policy_state, now):
    """Bonds that households at every node want: [*batch, nE, nA]."""
    q = now.q[..., None, None]
    needed = q ** (1 / gamma) * PolicyState.m(policy_state) + q * a_grid
    return household.savings(cash(now, a_grid), needed, a_grid)


def choices(policy_state, now):
    """What households at every node do in that quarter: `desired` savings, `a_next` and `c`, each [*batch, nE, nA]."""
    a_next = demand(policy_state, now)
    return household.Choice(a_next, a_next, cash(now, a_grid) - now.q[..., None, None] * a_next)


def households(state, policy_state):
    """What households at every node do: `desired` savings, `a_next` and `c`, each [*batch, nE, nA]."""
    return choices(policy_state, quarter(state, policy_state))


def cash_on_hand(state, policy_state, a):
    """What households have at bonds a [n]: [*batch, nE, n]."""
    return cash(quarter(state, policy_state), a)


def price_of_assets(state, policy_state):
    """The price of a bond that pays one good next quarter: [*batch]."""
    return quarter(state, policy_state).q


def utility(c):
    """Of consumption, in utils: constant relative risk aversion gamma; of the shape of c."""
    return preferences.utility(c.log(), gamma)


def Y(state, policy_state):
    """Output, which is hours; one in the stationary economy: [*batch]."""
    return quarter(state, policy_state).y.exp()


def C(state, policy_state):
    """Aggregate consumption: [*batch]."""
    return histogram.aggregate(State.distribution(state), households(state, policy_state).c)


def pi(state, policy_state):
    """Log inflation over its target [1/quarter]: [*batch]."""
    return quarter(state, policy_state).pi


def i(state, policy_state):
    """Log nominal rate [1/quarter]: [*batch]."""
    return quarter(state, policy_state).i


def r(state, policy_state):
    """Log real return on bonds [1/quarter]: [*batch]."""
    return quarter(state, policy_state).r


def binds(state, policy_state):
    """1 where the rule asks for a rate below zero, whether there is a bound or not: [*batch]."""
    return (quarter(state, policy_state).rule < 0).to(state.dtype)


def clearing(state, policy_state):
    """Goods that are demanded beyond those that are made, in units of output; zero by Walras' law: [*batch]."""
    return C(state, policy_state) / Y(state, policy_state) - 1


def excess_bonds(state, policy_state):
    """Bonds that are demanded beyond those that are supplied, in units of output: [*batch]."""
    wanted = histogram.aggregate(State.distribution(state), households(state, policy_state).a_next)
    return (wanted - B) / Y(state, policy_state)


def equality(state, policy_state):
    """(E sqrt a)^2 / B: one if all have the same: [*batch]."""
    return histogram.aggregate(State.distribution(state), a_grid.sqrt()) ** 2 / B


def low(state, policy_state):
    """Bonds of the households that are least productive: [*batch]."""
    return State.distribution(state)[..., 0, :] @ a_grid


def summary(state):
    """A number that describes the distribution, whose mean is always B: equality, [*batch]."""
    return equality(state, None)


def at_limit(state, policy_state):
    """Share of households without bonds: [*batch]."""
    return State.distribution(state)[..., 0].sum(-1)


def mass_at_top(state, policy_state):
    """Mass at the last node of the grid, which must stay negligible: [*batch]."""
    return State.distribution(state)[..., -1].sum(-1)
