"""Z follows a Markov chain; the histogram moves by the bonds that households buy (Young, 2010).

Source: Young (2010), Journal of Economic Dynamics and Control 34(1), 36-41; see deqn/numerics/histogram.py.
"""

import Definitions
import Globals
import Parameters
import State

from deqn import histogram

z_grid, Pi_z, Pi_e = Parameters.z_grid, Parameters.Pi_z, Parameters.Pi_e
grid = histogram.Grid(Parameters.a_grid)


def shock_probs(state, policy_state):
    """Probability of each Z' given Z: [*batch, nZ]."""
    return Pi_z[node(State.Z(state))]


def node(Z):
    """Number of the node of Z [*batch]; a Z between two nodes (as in a wider box) counts as the nearer one."""
    return (Z[..., None] - z_grid).abs().argmin(-1)


def transition(state, next_state):
    """Probabilities of e' (columns) given e (rows), which depend on Z': [*batch, nE, nE]."""
    return Pi_e[node(State.Z(next_state))]


def step(state, policy_state, Z_next):
    """Next period's state at Z' [*batch], or a number."""
    bonds = Definitions.households(state, policy_state).a_next
    distribution = histogram.transport(State.distribution(state), bonds, grid, Pi_e[node(Z_next)])
    return State.update_dict(state, {"Z": Z_next, "distribution": distribution})


def total_step_random(prev_state, policy_state):
    """Next period's state in the simulation."""
    probabilities = shock_probs(prev_state, policy_state)
    drawn = probabilities.argmax(-1) if Globals.DISABLE_SHOCKS else Parameters.rng.categorical(probabilities)
    return step(prev_state, policy_state, z_grid[drawn])


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next period's state at one node of Z'."""
    return step(prev_state, policy_state, z_grid[shock_index])
