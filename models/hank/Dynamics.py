"""The spread b follows a Markov chain; the histogram moves by the bonds that households buy (Young, 2010).

Source: Young (2010), Journal of Economic Dynamics and Control 34(1), 36-41; see deqn/numerics/histogram.py.
"""

import Definitions
import Globals
import Parameters
import State

from deqn import histogram

b_grid, Pi_b, Pi_e = Parameters.b_grid, Parameters.Pi_b, Parameters.Pi_e
grid = histogram.Grid(Parameters.a_grid)


def shock_probs(state, policy_state):
    """Probability of each b' given b: [*batch, nB]. A b between two nodes (as in a wider box) counts as the nearer one."""
    return Pi_b[(State.b(state)[..., None] - b_grid).abs().argmin(-1)]


def transition(state, next_state):
    """Probabilities of e' (columns) given e (rows): [nE, nE]."""
    return Pi_e


def step(state, policy_state, b_next):
    """Next quarter's state at the spread b' [*batch], or a number."""
    bonds = Definitions.households(state, policy_state).a_next
    distribution = histogram.transport(State.distribution(state), bonds, grid, Pi_e)
    return State.update_dict(state, {"b": b_next, "distribution": distribution})


def total_step_random(prev_state, policy_state):
    """Next quarter's state in the simulation."""
    probabilities = shock_probs(prev_state, policy_state)
    node = probabilities.argmax(-1) if Globals.DISABLE_SHOCKS else Parameters.rng.categorical(probabilities)
    return step(prev_state, policy_state, b_grid[node])


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next quarter's state at one node of b'."""
    return step(prev_state, policy_state, b_grid[shock_index])
