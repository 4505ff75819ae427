"""Savings become capital one age later; productivity and depreciation are drawn anew each period, four pairs alike."""

import torch

import Globals
import Parameters
import PolicyState
import State

shock_values = torch.cartesian_prod(Parameters.eta_values, Parameters.delta_values)  # [4, 2]
shock_probs = torch.full([4], 0.25)


def next_state(state, policy_state, shock):
    """Next period's state with shock [..., 2]: productivity and depreciation."""
    return State.update_dict(state, {"k": PolicyState.a(policy_state), "eta": shock[..., 0], "delta": shock[..., 1]})


def total_step_random(prev_state, policy_state):
    """Next period's state in the simulation; without shocks, both are at their means."""
    if Globals.DISABLE_SHOCKS:
        return next_state(prev_state, policy_state, shock_values.mean(0))
    drawn = Parameters.rng.choice(prev_state.shape[:-1], [0.0, 1.0, 2.0, 3.0]).long()
    return next_state(prev_state, policy_state, shock_values[drawn])


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next period's state at one shock node."""
    return next_state(prev_state, policy_state, shock_values[shock_index])
