"""Capital is what was kept; what is left of progress shrinks by exp(-nu). There are no shocks: one node with probability one."""

import math

import torch

import Definitions
import Parameters
import State

shock_values = torch.tensor([[0.0]])
shock_probs = torch.tensor([1.0])


def total_step_random(prev_state, policy_state):
    """Next year's state."""
    tau = 1 - (1 - State.tau(prev_state)) * math.exp(-Parameters.nu)
    return State.update_dict(prev_state, {"k": Definitions.k_next(prev_state, policy_state), "tau": tau})


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next year's state at the only node."""
    return total_step_random(prev_state, policy_state)
