"""Capital is what was invested; log z' = rho log z + sigma eps, eps standard normal, on Gauss-Hermite nodes."""

import torch

import Globals
import Parameters
import PolicyState
import State

if Parameters.expectation_type == "monomial":
    shock_values, shock_probs = State.monomial_rule([Parameters.sigma])
else:
    shock_values, shock_probs = State.gauss_hermite(Parameters.sigma, Parameters.n_nodes)


def next_state(state, policy_state, shock):
    z = State.z(state) ** Parameters.rho * torch.exp(torch.as_tensor(shock).to(state))
    return State.update_dict(state, {"K": PolicyState.K_next(policy_state), "z": z})


def total_step_random(prev_state, policy_state):
    """Next period's state in the simulation."""
    shock = 0.0 if Globals.DISABLE_SHOCKS else Parameters.rng.normal(prev_state.shape[:-1], stddev=Parameters.sigma)
    return next_state(prev_state, policy_state, shock)


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next period's state at one shock node."""
    return next_state(prev_state, policy_state, shock_values[shock_index, 0])
