"""What is known of a run of Brock and Mirman (1972)."""

import Parameters


def cycle_hook(state, i):
    """After each episode; histograms of states, policies and definitions are drawn by the library."""


def closed_form(state):
    """The savings rate under full depreciation: alpha * beta in every state."""
    return {"s_t": Parameters.alpha * Parameters.beta} if Parameters.delta == 1 else {}
