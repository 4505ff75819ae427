"""What is drawn and said about a run of Brock and Mirman (1972)."""

import torch

import Parameters
import PolicyState
import State


def cycle_hook(state, i):
    """After each episode; histograms of states, policies and definitions are drawn by the library."""


def closing_lines(run):
    """Distance to the closed form, which holds for full depreciation."""
    if Parameters.delta != 1:
        return []
    capital = torch.linspace(Parameters.k_lb, Parameters.k_ub, 1001).unsqueeze(-1)
    states = State.update(torch.ones_like(capital).to(run.starting_state), "K_t", capital[:, 0])
    savings = PolicyState.s_t_POLICY_FROM_STATE(states)
    error = float((savings - Parameters.alpha * Parameters.beta).abs().max())
    return [f"closed form: max |s - alpha*beta| = {error:.1e} for K in [{Parameters.k_lb}, {Parameters.k_ub}]"]
