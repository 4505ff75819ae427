"""The Euler equation of the planner, relative to consumption: 1 = beta E[R' C / C']."""

import Definitions
import Parameters
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    C = Definitions.C(state, policy_state)
    return {"euler": 1 - Parameters.beta * E_t(lambda s, p: Definitions.R(s, p) * C / Definitions.C(s, p))}
