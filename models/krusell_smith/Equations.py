"""The households' Euler equations at every node of the histogram, in units of consumption.

Sources: Carroll (2006), "The method of endogenous gridpoints", Economics Letters 91(3), 312-320; Fischer (1992), Optimization
24(3-4), 269-284; for two bounds, Billups (1995), Algorithms for complementarity problems and generalized equations.
"""

import Definitions
import Parameters
import Productivity
import State

from deqn import histogram
from deqn.numerics.complementarity import fischer_burmeister

gamma = 1 / Parameters.eis
grid = histogram.Grid(Parameters.a_grid)


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)

    def marginal_value(s, p):
        """Value of one more unit of savings to who has e today and a' at each node, in utils: expectation over e'."""
        h = Definitions.households(s, p)
        return Productivity.transition(State.Z(state), State.Z(s)) @ ((1 + h.r)[..., None, None] * h.c ** (-gamma))

    # E over (Z', e'): the consumption today that it implies, as a function of (e, a'), and then at the a' chosen. This is
    # the endogenous grid method's own discrete problem (Carroll, 2006): its solution has no residual here.
    expected = Parameters.beta * E_t(marginal_value)
    today = Definitions.households(state, policy_state)
    implied = histogram.interpolate(today.a_next, grid, expected ** (-1 / gamma))

    # amin <= a' <= amax: consumption may lie below what the Euler equation implies only at the borrowing limit, and
    # above only at the upper bound (Billups, 1995, on two-sided complementarity). The distances to the bounds are those
    # of the desired savings, which pulls a policy beyond a bound back to it.
    gap = implied / today.c - 1
    gap = -fischer_burmeister(-gap, (Parameters.amax - today.desired) / today.c)
    return {"euler": fischer_burmeister(gap, (today.desired - Parameters.amin) / today.c)}
