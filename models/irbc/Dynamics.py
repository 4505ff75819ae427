"""Log productivity a_j' = rho a_j + sigma e_j' + sigma_common e', with e_1, ..., e_N and e standard normal.

Expectations are by a monomial rule: 2 (N + 1) nodes of degree 3, or about 2 (N + 1)^2 of degree 5.
"""

import torch

import Definitions
import Globals
import Parameters
import State

N = int(Parameters.N)
shock_values, shock_probs = State.monomial_rule([*[Parameters.sigma] * N, Parameters.sigma_common], int(Parameters.degree))


def step(state, policy_state, own, common):
    """Next quarter's state after shocks [*batch, N] and [*batch, 1]."""
    a = Parameters.rho * State.a(state) + own + common
    return State.update_dict(state, {"k": Definitions.k_next(state, policy_state), "a": a})


def total_step_random(prev_state, policy_state):
    batch = prev_state.shape[:-1]
    if Globals.DISABLE_SHOCKS:
        return step(prev_state, policy_state, torch.zeros_like(State.a(prev_state)), 0.0)
    own = Parameters.rng.normal([*batch, N], stddev=Parameters.sigma)
    common = Parameters.rng.normal([*batch, 1], stddev=Parameters.sigma_common)
    return step(prev_state, policy_state, own, common)


def total_step_spec_shock(prev_state, policy_state, shock_index):
    shocks = shock_values[shock_index]
    return step(prev_state, policy_state, shocks[..., :N], shocks[..., N:])
