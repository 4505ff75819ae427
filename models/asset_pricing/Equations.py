"""The aggregator of Epstein and Zin (1989) and the price of dividends, both as log differences over 1 - beta.

1 - beta is what a month counts in the value: a residual of 1 is a month that was forgotten.

V^(1 - 1/psi) = (1 - beta) C^(1 - 1/psi) + beta E[V'^(1 - gamma)]^((1 - 1/psi) / (1 - gamma)) and
P / D = E[M' D' / D (1 + P' / D')] with M' = beta (C' / C)^(-1/psi) (V' / CE(V'))^(1/psi - gamma).

Given x' and v', V' / C' is known and C' / C and D' / D are lognormal: their innovations are integrated in closed form. In M' the
innovation to consumption has the power -gamma.
"""

import torch

import Definitions
import Parameters
import PolicyState
import State

from deqn import preferences

beta, gamma, psi = Parameters.beta, Parameters.gamma, Parameters.psi


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    mean_growth = Parameters.mu + State.x(state)
    variance = Definitions.variance(state)
    # V' / C is V' / C' times growth, of which the log certainty equivalent is mean_growth + (1 - gamma) variance / 2
    later = preferences.log_certainty_equivalent(E_t, lambda s, p: PolicyState.log_v(p), gamma)
    log_CE = later + mean_growth + (1 - gamma) / 2 * variance
    dividends = Parameters.mu_d + Parameters.phi * State.x(state)
    innovations = (gamma**2 + Parameters.phi_d**2) * variance / 2

    def payoff(s, p):
        """M' D' / D (1 + P' / D') given x' and v'."""
        log_V = PolicyState.log_v(p) + mean_growth
        log_M = preferences.log_discount_factor(mean_growth, log_V, log_CE, beta, gamma, psi)
        return torch.exp(log_M + dividends + innovations) * (1 + Definitions.pd(s, p))

    return {
        "value": (PolicyState.log_v(policy_state) - preferences.log_value(log_CE, beta, psi)) / (1 - beta),
        "price": (PolicyState.log_pd(policy_state) - torch.log(E_t(payoff))) / (1 - beta),
    }
