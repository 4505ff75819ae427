"""The Euler equation of each age but the last, as a relative error of its consumption.

Log utility: u'(c) = 1 / c = beta E[R' u'(c')], with c' the consumption of the same household one age later. The right-hand side
gives the consumption that is right today; the residual is how far it is from the household's, relative to it.
"""

import Definitions
import Parameters
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    today = Definitions.marginal_utility(state, policy_state)[..., :-1]
    later = E_t(lambda s, p: Definitions.R(s, p)[..., None] * Definitions.marginal_utility(s, p)[..., 1:])
    return {"euler": 1 - today / (Parameters.beta * later)}
