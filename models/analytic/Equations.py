"""The Euler equation of each age but the last, as a relative error of its consumption.

Log utility: 1 / c = beta E[R' / c'], with c' the consumption of the same household one age later. The right-hand side gives the
consumption that is right today; the residual is how far it is from the household's, relative to it.
"""

import Definitions
import Parameters
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    c = Definitions.c(state, policy_state)
    marginal = E_t(lambda s, p: Definitions.R(s, p)[..., None] / Definitions.c(s, p)[..., 1:])
    return {"euler": 1 - 1 / (Parameters.beta * c[..., :-1] * marginal)}
