"""The discount rate's deviation b' = rho b + sigma eps', eps' standard normal, on nodes; crises are a Markov chain."""

import torch

import Globals
import Parameters
import State

innovations, weights = Parameters.innovations, Parameters.weights
n = len(weights)
next_crisis = torch.cat([torch.zeros_like(weights), torch.ones_like(weights)])
next_innovation = torch.cat([innovations, innovations])


def chance(state):
    """Probability that next quarter is one of a crisis: [*batch]."""
    crisis = State.crisis(state)
    return crisis * Parameters.p_stay + (1 - crisis) * Parameters.p_crisis


def shock_probs(state, policy_state):
    """Normal times with each innovation, then a crisis with each: [*batch, 2 n_nodes]."""
    q = chance(state)[..., None]
    return torch.cat([(1 - q) * weights, q * weights], dim=-1)


def step(state, innovation, crisis):
    return State.update_dict(state, {"b": Parameters.rho * State.b(state) + innovation, "crisis": crisis})


def total_step_random(prev_state, policy_state):
    """Next quarter's state in the simulation; without shocks a crisis ends at once."""
    if Globals.DISABLE_SHOCKS:
        return step(prev_state, 0.0, 0.0)
    q = chance(prev_state)
    crisis = Parameters.rng.categorical(torch.stack([1 - q, q], dim=-1))
    return step(prev_state, Parameters.rng.normal(q.shape, stddev=Parameters.sigma), crisis)


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next quarter's state at one node."""
    return step(prev_state, next_innovation[shock_index], next_crisis[shock_index])
