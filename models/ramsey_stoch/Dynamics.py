"""Productivity grows by mu + x + sigma u', and x' = rho x + sigma_x e'; u', e' standard normal and independent, on nodes."""

import torch

import Definitions
import Globals
import Parameters
import State

shock_values, shock_probs = State.gauss_hermite([Parameters.sigma, Parameters.sigma_x], Parameters.n_nodes)


def step(state, policy_state, u, e):
    x = State.x(state)
    growth = torch.exp(Parameters.mu + x + u)
    return State.update_dict(state, {"k": Definitions.kept(state, policy_state) / growth, "x": Parameters.rho * x + e})


def total_step_random(prev_state, policy_state):
    """Next quarter's state in the simulation."""
    if Globals.DISABLE_SHOCKS:
        return step(prev_state, policy_state, 0.0, 0.0)
    size = prev_state.shape[:-1]
    u, e = (Parameters.rng.normal(size, stddev=sd) for sd in (Parameters.sigma, Parameters.sigma_x))
    return step(prev_state, policy_state, u, e)


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next quarter's state at one node of the shocks."""
    return step(prev_state, policy_state, shock_values[shock_index, 0], shock_values[shock_index, 1])
