"""Huggett (1993) with aggregate risk: quantities as functions of state and policy.

Households receive e Z goods a period and trade a bond that costs q goods and pays one in the next period. Bonds are in zero net
supply. The state is Z and the histogram of households over e and bonds a at the beginning of the period, [nE, nA].

The policy is m / Z [nE, nA], where m is what a household with e that leaves the period with the bonds of a node would consume if
the price were one: u'(m) = beta E[u'(c')]. At a price q the Euler equation q u'(c) = beta E[u'(c')] then says c = q^(1/gamma) m.
Demand for bonds is known at any price, and the price that clears the market is computed in each state.
"""

import math

import torch

import Parameters
import PolicyState
import State

from deqn import histogram, household, preferences
from deqn.numerics.root import root

a_grid, e_grid, gamma = Parameters.a_grid, Parameters.e_grid, Parameters.gamma


def households(state, policy_state):
    """What households at every node do: `desired` savings, `a_next` and `c`, each [*batch, nE, nA]."""
    q = price_of_assets(state, policy_state)[..., None, None]
    cash, a_next = cash_on_hand(state, a_grid), demand(state, policy_state, q)
    return household.Choice(a_next, a_next, cash - q * a_next)


def demand(state, policy_state, q):
    """Bonds that households at every node want at the price q [*batch, 1, 1]: [*batch, nE, nA]."""
    needed = q ** (1 / gamma) * m(state, policy_state) + q * a_grid
    return household.savings(cash_on_hand(state, a_grid), needed, a_grid)


def m(state, policy_state):
    """What households that leave with the bonds of each node would consume at the price one: [*batch, nE, nA]."""
    return State.Z(state)[..., None, None] * PolicyState.m(policy_state)


def cash_on_hand(state, a):
    """Bonds that are paid back and the endowment, at bonds a [n]: [*batch, nE, n]."""
    return a + State.Z(state)[..., None, None] * e_grid[:, None]


def utility(c):
    """Of consumption, in utils: constant relative risk aversion gamma; of the shape of c."""
    return preferences.utility(c.log(), gamma)


def price_of_assets(state, policy_state):
    """The price of a bond that clears the market: [*batch]."""
    masses = State.distribution(state)

    def excess(log_q):
        return histogram.aggregate(masses, demand(state, policy_state, log_q.exp()[..., None, None]))

    middle = torch.full_like(State.Z(state), math.log(Parameters.q_ss))
    return root(excess, middle - Parameters.q_range, middle + Parameters.q_range, Parameters.evaluations, derivatives=1).exp()


def q(state, policy_state):
    """The price of a bond: [*batch]."""
    return price_of_assets(state, policy_state)


def r(state, policy_state):
    """The riskless rate of interest, 1 / q - 1 [1/period]: [*batch]."""
    return 1 / q(state, policy_state) - 1


def clearing(state, policy_state):
    """Bonds that are demanded beyond those that are supplied, none, in units of output: [*batch]."""
    a_next = households(state, policy_state).a_next
    return histogram.aggregate(State.distribution(state), a_next) / Y(state, policy_state)


def debt(state, policy_state):
    """What all debtors owe together at the beginning of the period: [*batch]."""
    return histogram.aggregate(State.distribution(state), -a_grid.clamp(max=0))


def unemployed(state, policy_state):
    """Share of households without work: [*batch]."""
    return State.distribution(state)[..., 0, :].sum(-1)


def summary(state):
    """A number that describes the distribution, whose mean is always zero: debt, [*batch]."""
    return debt(state, None)


def Y(state, policy_state):
    """Output, the sum of endowments: [*batch]."""
    return State.Z(state) * (State.distribution(state).sum(-1) @ e_grid)


def C(state, policy_state):
    """Aggregate consumption: [*batch]."""
    return histogram.aggregate(State.distribution(state), households(state, policy_state).c)


def at_limit(state, policy_state):
    """Share of households that are at the borrowing limit: [*batch]."""
    return State.distribution(state)[..., 0].sum(-1)


def mass_at_top(state, policy_state):
    """Mass at the last node of the grid, which must stay negligible: [*batch]."""
    return State.distribution(state)[..., -1].sum(-1)
