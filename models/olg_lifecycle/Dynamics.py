"""Assets pass to the next age; productivity and depreciation are two independent Markov chains, four pairs in all."""

import torch

import Definitions
import Globals
import Parameters
import State

transition = Parameters.transition  # [4, 4]
pairs = torch.stack([Parameters.tfp_values, Parameters.delta_values], dim=-1)  # [4, 2]
means = torch.tensor([Parameters.mean_tfp, Parameters.mean_delta], dtype=pairs.dtype, device=pairs.device)


def pair(state):
    """Which of the four pairs a state has, [*batch]: depreciation high counts two, productivity high one."""
    high_tfp = State.tfp(state) > Parameters.mean_tfp
    high_delta = State.delta(state) > pairs[:, 1].mean()
    return 2 * high_delta.long() + high_tfp.long()


def shock_probs(state, policy_state):
    """[*batch, 4]."""
    return transition[pair(state)]


def next_state(state, policy_state, shock):
    """Next period's state with shock [..., 2]: productivity and depreciation."""
    assets = {"k": Definitions.k_next(state, policy_state), "b": Definitions.b_next(state, policy_state)}
    return State.update_dict(state, assets | {"tfp": shock[..., 0], "delta": shock[..., 1]})


def total_step_random(prev_state, policy_state):
    """Next period's state in the simulation; without shocks, both are at their means."""
    if Globals.DISABLE_SHOCKS:
        return next_state(prev_state, policy_state, means)
    return next_state(prev_state, policy_state, pairs[Parameters.rng.categorical(shock_probs(prev_state, policy_state))])


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next period's state at one of the four pairs."""
    return next_state(prev_state, policy_state, pairs[shock_index])
