"""Euler equations of the planner for capital of each country: how far what it gives is from what it costs, relative to that.

lambda (1 + phi g_j) = beta E[lambda' (alpha Y_j' / k_j' + 1 - delta + phi / 2 g_j' (g_j' + 2))], with k_j' = (1 + g_j) k_j
(Brumm and Scheidegger, 2017, section 4).
"""

import torch

import Definitions
import Parameters
import PolicyState
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    log_lambda = Definitions.log_lambda(state, policy_state)
    cost = 1 + Parameters.phi * PolicyState.g(policy_state)

    def value(s, p):
        """lambda' / lambda times what a unit of capital gives, [*batch, N]."""
        return torch.exp(Definitions.log_lambda(s, p) - log_lambda)[..., None] * Definitions.payoff(s, p)

    return {"euler": 1 - Parameters.beta * E_t(value) / cost}


def unit_free(state, policy_state):
    """The same as relative errors of each country's consumption, A lambda^-gamma_j: that which the right-hand side asks for."""
    asked = 1 - equations(state, policy_state)["euler"]
    return {"euler": asked**-Parameters.gamma - 1}
