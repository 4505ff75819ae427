"""Brock and Mirman (1972) without shocks: one node with probability one."""

import torch

import Definitions
import State

shock_values = torch.tensor([[0.0]])
shock_probs = torch.tensor([1.0])


def total_step_random(prev_state, policy_state):
    """Next period's state in the simulation."""
    return State.update(prev_state, "K_t", Definitions.K_tplus1(prev_state, policy_state))


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next period's state at one shock node."""
    return total_step_random(prev_state, policy_state)
