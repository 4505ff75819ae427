"""The households' Euler equations, in units of consumption, at every e and every amount of bonds to leave the period with.

They hold with equality at each node, that of the borrowing limit among them: who would consume more is at the limit. So no
residual knows of the limit, nor of the price, which clears the market in Definitions.py.
"""

import Definitions
import Dynamics
import Parameters
import State

gamma = Parameters.gamma


def equations(state, policy_state):
    return {"euler": implied(state, policy_state) / Definitions.m(state, policy_state) - 1}


def implied(state, policy_state):
    """m that next period's consumption implies: [*batch, nE, nA]."""
    E_t = State.E_t_gen(state, policy_state)

    def marginal_utility(s, p):
        """Tomorrow's, of who has e today and the bonds of a node: expectation over e'."""
        return Dynamics.transition(state, s) @ Definitions.households(s, p).c ** (-gamma)

    return (Parameters.beta * E_t(marginal_utility)) ** (-1 / gamma)
