"""Krusell and Smith (1998): quantities as functions of state and policy.

Source of the economy: Krusell and Smith (1998), "Income and wealth heterogeneity in the macroeconomy", Journal of Political
Economy 106(5), 867-896.

The state is productivity Z and the histogram of households over productivity e and assets a at the beginning of the
period, [nE, nA]. The policy is the share that a household at each node wants to consume, of cash on hand above the borrowing
limit.
"""

import Parameters
import PolicyState
import Productivity
import State

from deqn import histogram, household, preferences

alpha, delta = Parameters.alpha, Parameters.delta
a_grid = Parameters.a_grid


def households(state, policy_state):
    """What households at every node do: `desired` savings, `a_next` and `c`, each [*batch, nE, nA]."""
    cash = cash_on_hand(state, a_grid)
    wanted = PolicyState.share(policy_state) * (cash - Parameters.amin)
    return household.choose(cash, wanted, Parameters.amin, Parameters.amax)


def cash_on_hand(state, a):
    """Assets with their return and income, at assets a [n]: [*batch, nE, n]."""
    interest, wage = prices(state)
    return (1 + interest)[..., None, None] * a + earnings(state, wage)[..., None]


def earnings(state, wage):
    """Income beside that of assets, in goods, at the wage [*batch]: [*batch, nE]."""
    return wage[..., None] * Productivity.income(State.Z(state))


def utility(c):
    """Of consumption, in utils: constant relative risk aversion 1 / eis, the logarithm at one; of the shape of c."""
    return preferences.utility(c.log(), 1 / Parameters.eis)


def prices(state):
    """Return on assets net of depreciation and wage [1/quarter], each [*batch]."""
    Z = State.Z(state)
    ratio = K(state, None) / Productivity.labour(Z)
    productivity = Z * ratio ** (alpha - 1)
    return alpha * productivity - delta, (1 - alpha) * productivity * ratio


def K(state, policy_state):
    """Capital: [*batch]."""
    return histogram.aggregate(State.distribution(state), a_grid)


def Y(state, policy_state):
    """Output: [*batch]."""
    Z = State.Z(state)
    return Z * K(state, policy_state) ** alpha * Productivity.labour(Z) ** (1 - alpha)


def r(state, policy_state):
    """Return on assets, net of depreciation [1/quarter]: [*batch]."""
    return prices(state)[0]


def w(state, policy_state):
    """Wage: [*batch]."""
    return prices(state)[1]


def C(state, policy_state):
    """Aggregate consumption: [*batch]."""
    return histogram.aggregate(State.distribution(state), households(state, policy_state).c)


def I(state, policy_state):
    """Investment: [*batch]."""
    return Y(state, policy_state) - C(state, policy_state)


def at_limit(state, policy_state):
    """Share of households that hold the smallest amount of assets: [*batch]."""
    return State.distribution(state)[..., 0].sum(-1)


def mass(state, policy_state):
    """Total mass of the histogram, which stays at one: [*batch]."""
    return State.distribution(state).sum((-2, -1))


def mass_at_top(state, policy_state):
    """Mass at the last node of the grid, which must stay negligible: [*batch]."""
    return State.distribution(state)[..., -1].sum(-1)
