"""The Euler equation and the choice of hours, both as relative errors of consumption.

C^-gamma = beta E[R' C'^-gamma] and chi N^(1 / frisch) = w C^-gamma. Each gives the consumption that is right, given the rest; the
residual is how far it is from the household's, relative to it.
"""

import Definitions
import Parameters
import PolicyState
import State

gamma, frisch = Parameters.gamma, Parameters.frisch


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    C = Definitions.C(state, policy_state)
    marginal = Parameters.beta * E_t(lambda s, p: Definitions.R(s, p) * Definitions.C(s, p) ** -gamma)
    work = Parameters.chi * PolicyState.N(policy_state) ** (1 / frisch)
    return {
        "euler": 1 - marginal ** (-1 / gamma) / C,
        "hours": 1 - (Definitions.w(state, policy_state) / work) ** (1 / gamma) / C,
    }
