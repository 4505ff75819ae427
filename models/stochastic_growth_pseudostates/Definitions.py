"""The economy of `stochastic_growth` for every capital share alpha and discount factor beta, which are states here.

Source of the method: Scheidegger and Bilionis (2019), Machine learning for high-dimensional dynamic stochastic economies,
Journal of Computational Science 33, 68-82.
"""

import PolicyState
import State


def Y(state, policy_state):
    """Output z K^alpha."""
    return State.z(state) * State.K(state) ** State.alpha(state)


def C(state, policy_state):
    """Consumption: what is not invested."""
    return Y(state, policy_state) - PolicyState.K_next(policy_state)


def R(state, policy_state):
    """Gross return on capital, which is used up in production."""
    return State.alpha(state) * Y(state, policy_state) / State.K(state)
