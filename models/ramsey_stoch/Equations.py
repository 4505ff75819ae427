"""The aggregator of Epstein and Zin (1989) and the Euler equation of capital.

V^(1 - 1/psi) = (1 - beta) C^(1 - 1/psi) + beta CE(V')^(1 - 1/psi) with CE(V') = E[V'^(1 - gamma)]^(1 / (1 - gamma)), as a log
difference over 1 - beta, which is what a quarter counts in the value.

q = E[M' payoff'] with M' = beta (C' / C)^(-1/psi) (V' / CE(V'))^(1/psi - gamma): how far consumption is from what it asks for,
relative to it. Growth of productivity is known from tomorrow's capital: what was kept over k'.
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
    kept, C = Definitions.kept(state, policy_state), Definitions.C(state, policy_state)

    def log_growth(s, p):
        """Of consumption, trend included."""
        return torch.log(Definitions.C(s, p) / C * kept / State.k(s))

    def log_V(s, p):
        """V' relative to today's consumption."""
        return PolicyState.log_v(p) + log_growth(s, p)

    log_CE = preferences.log_certainty_equivalent(E_t, log_V, gamma)

    def discounted(s, p):
        log_M = preferences.log_discount_factor(log_growth(s, p), log_V(s, p), log_CE, beta, gamma, psi)
        return torch.exp(log_M) * Definitions.payoff(s, p)

    return {
        "value": (PolicyState.log_v(policy_state) - preferences.log_value(log_CE, beta, psi)) / (1 - beta),
        "euler": 1 - (E_t(discounted) / Definitions.q(state, policy_state)) ** -psi,
    }
