"""Growth with a stochastic trend, long-run risk and Epstein-Zin preferences (Croce, 2014), per unit of effective labour.

Labour's productivity grows by mu + x + sigma u' from one quarter to the next; x is its slow component. Output and consumption are
those of `ramsey`. Adjusting capital costs as in Jermann (1998): investment I adds G(I / k) k to it. V is the household's value in
units of consumption.
"""

import torch

import Parameters
import PolicyState
import State

from ramsey.Definitions import C, Y


def I(state, policy_state):
    """Investment."""
    return PolicyState.s(policy_state) * Y(state, policy_state)


def rate(state, policy_state):
    """Investment over capital, relative to what it is at rest."""
    return I(state, policy_state) / State.k(state) / Parameters.rate_ss


def added(state, policy_state):
    """G(I / k), what investment adds to a unit of capital: rate_ss (rate^(1 - zeta) - zeta) / (1 - zeta), 1 to 1 at rest."""
    zeta = Parameters.zeta
    return Parameters.rate_ss * (rate(state, policy_state) ** (1 - zeta) - zeta) / (1 - zeta)


def kept(state, policy_state):
    """Capital next quarter, per unit of this quarter's effective labour."""
    return (1 - Parameters.delta + added(state, policy_state)) * State.k(state)


def q(state, policy_state):
    """Price of capital: goods that a unit of it takes, 1 / G'."""
    return rate(state, policy_state) ** Parameters.zeta


def payoff(state, policy_state):
    """Of a unit of capital, in goods: its product less what is invested in it, and what it is worth thereafter."""
    unit = 1 - Parameters.delta + added(state, policy_state)
    left = Parameters.alpha * Y(state, policy_state) - I(state, policy_state)
    return left / State.k(state) + q(state, policy_state) * unit


def value(state, policy_state):
    """Value over consumption, V / C."""
    return torch.exp(PolicyState.log_v(policy_state))
