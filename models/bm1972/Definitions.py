"""Brock and Mirman (1972) without shocks: quantities as functions of state and policy."""

import Parameters
import PolicyState
import State

alpha, beta, delta = Parameters.alpha, Parameters.beta, Parameters.delta


def Y_t(state, policy_state):
    """Output."""
    return State.K_t(state) ** alpha


def K_tplus1(state, policy_state):
    """Capital next period."""
    return (1 - delta) * State.K_t(state) + PolicyState.s_t(policy_state) * Y_t(state, policy_state)


def C_t(state, policy_state):
    """Consumption."""
    return (1 - PolicyState.s_t(policy_state)) * Y_t(state, policy_state)


def R_tplus1(state, policy_state):
    """Marginal product of capital next period."""
    return alpha * K_tplus1(state, policy_state) ** (alpha - 1)


def k_compute_infty(state, policy_state):
    """Capital in the steady state under full depreciation."""
    return (1 / (alpha * beta)) ** (1 / (alpha - 1))


def Kplus_compute_analytic(state, policy_state):
    """Optimal capital next period under full depreciation: the savings rate is alpha * beta."""
    return alpha * beta * State.K_t(state) ** alpha


def c_compute(state, policy_state):
    """Consumption next period if capital were then kept where it is."""
    capital = K_tplus1(state, policy_state)
    return capital**alpha - capital
