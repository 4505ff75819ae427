"""Euler equations with irreversible investment: how far the value of capital is from q, relative to it.

lambda (1 + phi g_j) - mu_j = lambda q_j = beta E[lambda' payoff_j' - (1 - delta) mu_j'], mu_j >= 0 and g_j >= -delta, one of them
with equality (Brumm and Scheidegger, 2017, section 4).
"""

import torch

import Definitions
import Parameters
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    log_lambda = Definitions.log_lambda(state, policy_state)

    def value(s, p):
        """lambda' / lambda times what a unit of capital gives, less what the next constraint takes, [*batch, N]."""
        net = Definitions.payoff(s, p) - (1 - Parameters.delta) * Definitions.mu(s, p)
        return torch.exp(Definitions.log_lambda(s, p) - log_lambda)[..., None] * net

    return {"euler": 1 - Parameters.beta * E_t(value) / Definitions.q(state, policy_state)}
