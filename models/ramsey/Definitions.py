"""Growth with technical progress that slows down (Ramsey, 1928; Cass, 1965; Koopmans, 1965), per unit of effective labour.

Labour's productivity grows by the rate g in a year. g falls from g_0 towards g_inf, by the share 1 - exp(-nu) of what is left in
each year. The time t since the start is not bounded; the state is tau = 1 - exp(-nu t), between 0 and 1.
"""

import torch

import Parameters
import PolicyState
import State


def Y(state, policy_state):
    """Output k^alpha."""
    return State.k(state) ** Parameters.alpha


def C(state, policy_state):
    """Consumption."""
    return (1 - PolicyState.s(policy_state)) * Y(state, policy_state)


def growth(state, policy_state):
    """Growth of productivity from this year to the next: exp(g) with g = g_inf + (g_0 - g_inf) (1 - tau)."""
    return torch.exp(Parameters.g_inf + (Parameters.g_0 - Parameters.g_inf) * (1 - State.tau(state)))


def k_next(state, policy_state):
    """Capital next year, per unit of next year's effective labour."""
    kept = (1 - Parameters.delta) * State.k(state) + PolicyState.s(policy_state) * Y(state, policy_state)
    return kept / growth(state, policy_state)


def R(state, policy_state):
    """Gross return on capital."""
    return Parameters.alpha * Y(state, policy_state) / State.k(state) + 1 - Parameters.delta


def years(state, policy_state):
    """Years since the start."""
    return -torch.log((1 - State.tau(state)).clamp(min=1e-30)) / Parameters.nu
