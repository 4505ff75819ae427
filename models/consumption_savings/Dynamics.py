"""What can be spent next year: R a' + y' + limit. Persistent income is a Markov chain, transitory income is lognormal.

Expectations are those of a household for whom today's limit does not hold: see Definitions.py. It may borrow beyond it, up to
seven tenths of the lowest income. Where the limit does not bind, this is the household as it is.
"""

import torch

import Definitions
import Globals
import Parameters
import State

z_nodes, P, u_nodes, weights = Parameters.z_nodes, Parameters.P, Parameters.u_nodes, Parameters.weights
shock_values = torch.cartesian_prod(z_nodes, u_nodes)  # persistent and transitory income next year: [n_z n_u, 2]


def chances(state):
    """Probability of each node of persistent income next year: [*batch, n_z]."""
    return P[(State.z(state)[..., None] - z_nodes).abs().argmin(-1)]


def shock_probs(state, policy_state):
    """Of each pair of persistent and transitory income: [*batch, n_z n_u]."""
    return (chances(state)[..., None] * weights).flatten(-2)


def step(state, saved, z, u):
    """Next year's state, if what is saved is above the limit by `saved`."""
    state = State.update(state, "z", z)
    m = Parameters.R * saved + Definitions.income(state, u) - (Parameters.R - 1) * Parameters.limit
    return State.update(state, "log_m", torch.log(m))


def total_step_random(prev_state, policy_state):
    """Next year's state in the simulation; without shocks, persistent income goes where it is likeliest to go."""
    saved = Definitions.m(prev_state) - Definitions.C(prev_state, policy_state)
    probabilities = chances(prev_state)
    if Globals.DISABLE_SHOCKS:
        return step(prev_state, saved, z_nodes[probabilities.argmax(-1)], torch.zeros_like(saved))
    u = Parameters.rng.normal(saved.shape, mean=Parameters.u_mean, stddev=Parameters.sigma_u)
    return step(prev_state, saved, z_nodes[Parameters.rng.categorical(probabilities)], u)


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next year's state at one node, if the limit does not hold today."""
    saved = Definitions.m(prev_state) - Definitions.C_free(prev_state, policy_state)
    saved = torch.where(saved < 0, Parameters.beyond * torch.tanh(saved / Parameters.beyond), saved)  # can be paid back
    return step(prev_state, saved, shock_values[shock_index, 0], shock_values[shock_index, 1])
