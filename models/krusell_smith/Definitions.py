"""Krusell and Smith (1998): quantities as functions of state and policy.

The state is productivity Z and the histogram of households over productivity e and assets a at the beginning of the
period, [nE, nA]. The policy is the share of cash on hand that a household at each node wants to consume.
"""

import Parameters
import PolicyState
import State

from deqn import histogram

alpha, delta, L = Parameters.alpha, Parameters.delta, Parameters.L
a_grid, e_grid = Parameters.a_grid, Parameters.e_grid


def K(state, policy_state):
    """Capital: [*batch]."""
    return histogram.aggregate(State.distribution(state), a_grid)


def Y(state, policy_state):
    """Output: [*batch]."""
    return State.Z(state) * K(state, policy_state) ** alpha * L ** (1 - alpha)


def r(state, policy_state):
    """Return on assets, net of depreciation [1/quarter]: [*batch]."""
    return alpha * State.Z(state) * (K(state, policy_state) / L) ** (alpha - 1) - delta


def w(state, policy_state):
    """Wage: [*batch]."""
    return (1 - alpha) * State.Z(state) * (K(state, policy_state) / L) ** alpha


def cash(state, policy_state):
    """Cash on hand (1 + r) a + w e: [*batch, nE, nA]."""
    gross, wage = 1 + r(state, policy_state), w(state, policy_state)
    return gross[..., None, None] * a_grid + wage[..., None, None] * e_grid[:, None]


def desired_savings(state, policy_state):
    """a' before its bounds: [*batch, nE, nA]."""
    return (1 - PolicyState.share(policy_state)) * cash(state, policy_state)


def a_next(state, policy_state):
    """Savings a', between the borrowing limit and the end of the grid: [*batch, nE, nA]."""
    return desired_savings(state, policy_state).clamp(Parameters.amin, Parameters.amax)


def c(state, policy_state):
    """Consumption of the household at each node: [*batch, nE, nA]."""
    return cash(state, policy_state) - a_next(state, policy_state)


def C(state, policy_state):
    """Aggregate consumption: [*batch]."""
    return histogram.aggregate(State.distribution(state), c(state, policy_state))


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
