"""Bonds, and the autoregressions of Shocks.py, with independent normal innovations.

Expectations are those of a household for whom today's limit does not hold: see Definitions.py. Where the limit does not bind,
this is the economy as it is.
"""

import torch

import Definitions
import Globals
import Parameters
import State

import Shocks

p = Parameters
if p.expectation_type == "monomial":
    shock_values, shock_probs = State.monomial_rule([p.sigma_y, p.sigma_r])
else:
    r_nodes, r_weights = State.gauss_hermite(p.sigma_r, p.n_r)
    shock_values = torch.cartesian_prod(p.y_nodes, r_nodes[:, 0])  # [n_y n_r, 2]
    shock_probs = torch.outer(p.y_weights, r_weights).flatten()


def step(state, C, eps_y, eps_r):
    """Next year's state, if C is consumed today."""
    bonds = Shocks.R(state) * (Shocks.Y(state) + State.b(state) - C)
    return State.update_dict(state, {"b": bonds, **Shocks.move(state, eps_y, eps_r)})


def total_step_random(prev_state, policy_state):
    """Next year's state in the simulation."""
    C = Definitions.C(prev_state, policy_state)
    if Globals.DISABLE_SHOCKS:
        return step(prev_state, C, 0.0, 0.0)
    eps_y, eps_r = (p.rng.normal(C.shape, stddev=sigma) for sigma in (p.sigma_y, p.sigma_r))
    return step(prev_state, C, eps_y, eps_r)


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next year's state at one node, if the limit does not hold today."""
    C = Definitions.C_free(prev_state, policy_state)
    return step(prev_state, C, shock_values[shock_index, 0], shock_values[shock_index, 1])
