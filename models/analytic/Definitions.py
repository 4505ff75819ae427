"""Six overlapping generations with aggregate risk (Krueger and Kubler, 2004): quantities as functions of state and policy.

Ages are 1 to A. Only the first works, and it is born without capital; the last consumes all that it has.
"""

import torch

import Parameters
import PolicyState
import State

alpha = Parameters.alpha


def K(state, policy_state):
    """Capital."""
    return State.k(state).sum(-1)


def Y(state, policy_state):
    """Output; labour is 1."""
    return State.eta(state) * K(state, policy_state) ** alpha


def w(state, policy_state):
    """Wage."""
    return (1 - alpha) * Y(state, policy_state)


def R(state, policy_state):
    """Gross return on capital."""
    return alpha * Y(state, policy_state) / K(state, policy_state) + 1 - State.delta(state)


def wealth(state, policy_state):
    """Of each age: the wage of the first, capital with its return of the others: [*batch, A]."""
    return torch.cat([w(state, policy_state)[..., None], R(state, policy_state)[..., None] * State.k(state)], dim=-1)


def c(state, policy_state):
    """Consumption of each age: [*batch, A]."""
    savings = PolicyState.a(policy_state)
    return wealth(state, policy_state) - torch.cat([savings, torch.zeros_like(savings[..., :1])], dim=-1)


def C(state, policy_state):
    """Aggregate consumption."""
    return c(state, policy_state).sum(-1)


def marginal_utility(state, policy_state):
    """1 / c of each age, [*batch, A]; below a tenth of its steady state, c has the tangent of 1 / c there.

    Where the network saves more than there is, marginal utility thus stays finite and goes on rising: a gradient leads back.
    """
    consumption, least = c(state, policy_state), 0.1 * Parameters.c_ss
    spent = torch.maximum(consumption, least)
    return 1 / spent + (spent - consumption) / least**2
