"""Z follows a Markov chain; the histogram over both assets moves by what households choose (Young, 2010).

Source: Young (2010), Journal of Economic Dynamics and Control 34(1), 36-41; see deqn/numerics/histogram.py.
"""

import Definitions
import Globals
import Parameters
import State

from deqn import histogram

z_grid, Pi_z, Pi_e = Parameters.z_grid, Parameters.Pi_z, Parameters.Pi_e
grids = histogram.Grid(Parameters.b_grid), histogram.Grid(Parameters.a_grid)


def shock_probs(state, policy_state):
    """Probability of each Z' given Z: [*batch, nZ]. A Z between two nodes (as in a wider box) counts as the nearer one."""
    return Pi_z[(State.Z(state)[..., None] - z_grid).abs().argmin(-1)]


def step(state, policy_state, Z_next):
    """Next period's state at Z' [*batch], or a number."""
    choice = Definitions.households(state, policy_state)
    distribution = histogram.transport_two(State.distribution(state), (choice.b_next, choice.a_next), grids, Pi_e)
    return State.update_dict(state, {"Z": Z_next, "distribution": distribution})


def total_step_random(prev_state, policy_state):
    """Next period's state in the simulation."""
    probabilities = shock_probs(prev_state, policy_state)
    node = probabilities.argmax(-1) if Globals.DISABLE_SHOCKS else Parameters.rng.categorical(probabilities)
    return step(prev_state, policy_state, z_grid[node])


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next period's state at one node of Z'."""
    return step(prev_state, policy_state, z_grid[shock_index])
