"""Brock and Mirman (1972) without shocks: the Euler equation, relative to consumption.

Source: Brock and Mirman (1972), "Optimal economic growth and uncertainty: the discounted case", Journal of Economic Theory 4(3),
479-513. A model of this name is an example of the TensorFlow DEQN library of Scheidegger and co-authors.
"""

import Definitions
import Parameters
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    C = Definitions.C_t(state, policy_state)
    gross_return = Definitions.R_tplus1(state, policy_state) + 1 - Parameters.delta
    C_next = E_t(lambda s, p: Definitions.C_t(s, p))
    return {"REE": 1 - C_next / (Parameters.beta * C * gross_return)}
