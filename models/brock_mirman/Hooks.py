"""What is known of a run of stochastic growth with log utility.

Source of the closed form: Brock and Mirman (1972), Journal of Economic Theory 4(3), 479-513.
"""

import Definitions
import Parameters


def cycle_hook(state, i):
    """After each episode; histograms of states, policies and definitions are drawn by the library."""


def closed_form(state):
    """The savings rate under full depreciation: alpha * beta in every state."""
    return {"s": Parameters.alpha * Parameters.beta} if Parameters.delta == 1 else {}


def transversality(state, policy_state):
    """Discount factor, and the value of capital in units of utility: discounted, it vanishes in the end."""
    C, K_next = Definitions.C(state, policy_state), Definitions.K_next(state, policy_state)
    return {"K": (Parameters.beta, K_next / C)}
