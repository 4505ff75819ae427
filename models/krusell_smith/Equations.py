"""The households' Euler equations at every node of the histogram, in units of consumption: deqn/numerics/household.py."""

import Definitions
import Dynamics
import Parameters
import State

from deqn import household

gamma = 1 / Parameters.eis


def equations(state, policy_state):
    choice = Definitions.households(state, policy_state)
    limits = Parameters.amin, Parameters.amax
    return {"euler": household.euler_residual(choice, implied(state, policy_state), Dynamics.grid, *limits)}


def implied(state, policy_state):
    """Consumption today that the Euler equation implies for who has e and saves what the node is: [*batch, nE, nA]."""
    E_t = State.E_t_gen(state, policy_state)

    def marginal_value(s, p):
        """Value of one more unit of savings to who has e today and a' at each node, in utils: expectation over e'."""
        c, r = Definitions.households(s, p).c, Definitions.r(s, p)
        return Dynamics.transition(state, s) @ ((1 + r)[..., None, None] * c ** (-gamma))

    return discounted(E_t(marginal_value)) ** (-1 / gamma)


def discounted(value):
    """Next period's value in today's utils: [*batch, nE, nA]."""
    return Parameters.beta * value
