"""Stochastic growth with log utility and full depreciation (Brock and Mirman, 1972), in levels.

Parameters may be constants or states: `stochastic_growth_pseudostates` has the same economy with alpha and beta as states.
"""

import Parameters
import PolicyState
import State


def Y(state, policy_state):
    """Output z K^alpha."""
    return State.z(state) * State.K(state) ** Parameters.alpha


def C(state, policy_state):
    """Consumption: what is not invested."""
    return Y(state, policy_state) - PolicyState.K_next(policy_state)


def R(state, policy_state):
    """Gross return on capital, which is used up in production."""
    return Parameters.alpha * Y(state, policy_state) / State.K(state)
