"""What is drawn and said about a run of stochastic growth with log utility.

Source of the closed form: Brock and Mirman (1972), Journal of Economic Theory 4(3), 479-513.
"""

import Parameters
import PolicyState


def cycle_hook(state, i):
    """After each episode; histograms of states, policies and definitions are drawn by the library."""


def closing_lines(run):
    """Distance to the closed form, which holds for full depreciation."""
    if Parameters.delta != 1:
        return []
    savings = PolicyState.s_POLICY_FROM_STATE(run.cloud())
    error = (savings - Parameters.alpha * Parameters.beta).abs()
    return [f"closed form on simulated states: |s - alpha*beta| mean {error.mean():.1e}, max {error.max():.1e}"]
