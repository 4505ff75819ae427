"""Growth with elastic labour (King, Plosser and Rebelo, 1988; Hansen, 1985): quantities as functions of state and policy.

Utility is (C^(1 - gamma) - 1) / (1 - gamma) - chi N^(1 + 1 / frisch) / (1 + 1 / frisch); log C for gamma = 1.
"""

import torch

import Parameters
import PolicyState
import State

alpha = Parameters.alpha


def Y(state, policy_state):
    """Output."""
    return torch.exp(State.z(state)) * State.K(state) ** alpha * PolicyState.N(policy_state) ** (1 - alpha)


def C(state, policy_state):
    """Consumption."""
    return (1 - PolicyState.s(policy_state)) * Y(state, policy_state)


def I(state, policy_state):
    """Investment."""
    return PolicyState.s(policy_state) * Y(state, policy_state)


def K_next(state, policy_state):
    """Capital next period."""
    return (1 - Parameters.delta) * State.K(state) + I(state, policy_state)


def w(state, policy_state):
    """Wage."""
    return (1 - alpha) * Y(state, policy_state) / PolicyState.N(policy_state)


def R(state, policy_state):
    """Gross return on capital."""
    return alpha * Y(state, policy_state) / State.K(state) + 1 - Parameters.delta
