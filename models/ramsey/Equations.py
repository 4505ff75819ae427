"""The Euler equation C^-gamma = beta R' (growth C')^-gamma: how far consumption is from what it asks for, relative to it."""

import Definitions
import Parameters
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    C, gamma = Definitions.C(state, policy_state), Parameters.gamma
    marginal = Parameters.beta * E_t(lambda s, p: Definitions.R(s, p) * Definitions.C(s, p) ** -gamma)
    return {"euler": 1 - marginal ** (-1 / gamma) * Definitions.growth(state, policy_state) / C}
