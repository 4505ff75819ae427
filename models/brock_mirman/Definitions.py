"""Stochastic growth with log utility (Brock and Mirman, 1972): quantities as functions of state and policy."""

import torch

import Parameters
import PolicyState
import State


def Y(state, policy_state):
    """Output."""
    return torch.exp(State.z(state)) * State.K(state) ** Parameters.alpha


def I(state, policy_state):
    """Investment."""
    return PolicyState.s(policy_state) * Y(state, policy_state)


def C(state, policy_state):
    """Consumption."""
    return (1 - PolicyState.s(policy_state)) * Y(state, policy_state)


def K_next(state, policy_state):
    """Capital next period."""
    return (1 - Parameters.delta) * State.K(state) + I(state, policy_state)


def R(state, policy_state):
    """Gross return on capital."""
    return Parameters.alpha * Y(state, policy_state) / State.K(state) + 1 - Parameters.delta
