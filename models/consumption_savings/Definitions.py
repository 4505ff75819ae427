"""One household with uncertain income and a borrowing limit: quantities as functions of state and policy.

Consumption has a kink where the limit begins to bind. What it would be if the limit did not hold today, but from tomorrow on, has
none: the network gives this, and the kink is here, exact. The economy is that of Deaton (1991) and Carroll (1997).
"""

import torch

import Parameters
import PolicyState
import State


def m(state):
    """What can be spent: cash on hand, plus what can be borrowed."""
    return torch.exp(State.log_m(state))


def C_free(state, policy_state):
    """Consumption if the limit did not hold today."""
    return torch.exp(State.log_m(state) + PolicyState.share(policy_state))


def C(state, policy_state):
    """Consumption."""
    return torch.minimum(C_free(state, policy_state), m(state))


def a_next(state, policy_state):
    """Assets at the end of the year, not below -limit."""
    return m(state) - C(state, policy_state) - Parameters.limit


def income(state, u):
    """Labour income of a year: persistent times transitory, in units of its median."""
    return torch.exp(State.z(state) + u)


def binds(state, policy_state):
    """1 where the limit binds."""
    return (C_free(state, policy_state) >= m(state)).to(state.dtype)
