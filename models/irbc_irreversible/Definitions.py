"""N countries whose investment cannot be negative; all else is as in `irbc`.

The bound of the policy g in the YAML file is that constraint, g >= -delta. What the network gives beyond it, times kappa, is
the multiplier over lambda. So one of the two is zero, exactly. kappa is no part of the economy: it says how strong a kink the
network has to learn. The change of variables: Garcia and Zangwill (1981); the economy: Brumm and Scheidegger (2017, section 4).
"""

import Parameters
import PolicyState

from irbc.Definitions import C, C_mean, I, Y, k_next, log_lambda, payoff


def mu(state, policy_state):
    """Multiplier of the constraint over lambda, [*batch, N]."""
    return Parameters.kappa * (PolicyState.g(policy_state) - PolicyState.g_RAW(policy_state))


def q(state, policy_state):
    """Value of a unit of capital next quarter in units of the good, [*batch, N]: 1 + phi g - mu."""
    return 1 + Parameters.phi * PolicyState.g(policy_state) - mu(state, policy_state)


def binds(state, policy_state):
    """1 where a country does not invest, [*batch, N]."""
    return (PolicyState.g_RAW(policy_state) <= -Parameters.delta).to(state.dtype)
