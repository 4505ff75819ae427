"""The Euler equation C^-gamma = beta E[R' C'^-gamma]: how far consumption is from what it asks for, relative to it."""

import Definitions
import Parameters
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    C = Definitions.C(state, policy_state)
    marginal = Parameters.beta * E_t(lambda s, p: Definitions.R(s, p) * Definitions.C(s, p) ** -Parameters.gamma)
    return {"euler": 1 - marginal ** (-1 / Parameters.gamma) / C}
