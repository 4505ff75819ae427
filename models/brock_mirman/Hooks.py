"""What is known of a run of stochastic growth with log utility.

Source of the closed form: Brock and Mirman (1972), Journal of Economic Theory 4(3), 479-513.
"""

import Parameters


def cycle_hook(state, i):
    """After each episode; histograms of states, policies and definitions are drawn by the library."""


def closed_form(state):
    """The savings rate under full depreciation: alpha * beta in every state."""
    return {"s": Parameters.alpha * Parameters.beta} if Parameters.delta == 1 else {}
