"""Z follows a Markov chain; the histogram moves by the households' savings (Young, 2010)."""

import Definitions
import Globals
import Parameters
import State

from deqn import histogram

tfp_grid, Pi_tfp = Parameters.tfp_grid, Parameters.Pi_tfp


def shock_probs(state, policy_state):
    """Probability of each Z' given Z: [*batch, nZ]. Z between two nodes (as in a wider box) counts as the nearest."""
    node = (State.Z(state)[..., None] - tfp_grid).abs().argmin(-1)
    return Pi_tfp[node]


def next_distribution(state, policy_state):
    """The histogram at the beginning of next period, which does not depend on Z': [*batch, nE, nA]."""
    savings = Definitions.households(state, policy_state).a_next
    return histogram.transport(State.distribution(state), savings, Parameters.a_grid, Parameters.Pi_e)


def total_step_random(prev_state, policy_state):
    """Next period's state in the simulation."""
    probabilities = shock_probs(prev_state, policy_state)
    node = probabilities.argmax(-1) if Globals.DISABLE_SHOCKS else Parameters.rng.categorical(probabilities)
    return State.update_dict(prev_state, {"Z": tfp_grid[node], "distribution": next_distribution(prev_state, policy_state)})


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next period's state at one node of Z'."""
    return State.update_dict(
        prev_state, {"Z": tfp_grid[shock_index], "distribution": next_distribution(prev_state, policy_state)}
    )
