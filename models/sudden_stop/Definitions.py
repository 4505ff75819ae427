"""A small open economy that borrows against its income: quantities as functions of state and policy.

Consumption has a kink where the limit on debt begins to bind. What it would be if the limit did not hold today, but from tomorrow
on, has none, and what it is where the limit binds is known: the network gives the former, and the kink is here, exact. The
economy is that of Bianchi (2011) with an uncertain world interest rate, as in Mendoza (2010).
"""

import torch

import Parameters
import PolicyState
import State

from Shocks import R, Y


def C_free(state, policy_state):
    """Consumption of tradables if the limit did not hold today."""
    return torch.exp(PolicyState.log_C(policy_state))


def C_limited(state, policy_state):
    """Consumption of tradables where the limit binds: c = Y + b + kappa (Y + phi c)."""
    p = Parameters
    left = (1 + p.kappa) * Y(state) + State.b(state)
    return (left / (1 - p.kappa * p.phi)).clamp(min=p.least)


def C(state, policy_state):
    """Consumption of tradables."""
    free = C_free(state, policy_state)
    if Parameters.kink == "fischer_burmeister":  # the network gives consumption as it is
        return free
    return torch.minimum(free, C_limited(state, policy_state))


def p_N(state, policy_state):
    """Price of nontradables in units of tradables; their consumption is one."""
    return Parameters.phi * C(state, policy_state)


def b_next(state, policy_state):
    """Bonds at the beginning of next year."""
    return R(state) * (Y(state) + State.b(state) - C(state, policy_state))


def limit(state, policy_state):
    """The most that can be borrowed: a share of income at market prices."""
    return Parameters.kappa * (Y(state) + p_N(state, policy_state))


def current_account(state, policy_state):
    """By how much bonds at market value grow, in units of income."""
    bought = b_next(state, policy_state) / R(state)
    return (bought - State.b(state)) / (Y(state) + p_N(state, policy_state))


def binds(state, policy_state):
    """1 where the limit binds."""
    return (C_free(state, policy_state) >= C_limited(state, policy_state)).to(state.dtype)
