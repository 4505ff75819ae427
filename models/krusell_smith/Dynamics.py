"""Z follows a Markov chain; the histogram moves by the households' savings (Young, 2010).

Source: Young (2010), Journal of Economic Dynamics and Control 34(1), 36-41; see deqn/numerics/histogram.py.
"""

import Definitions
import Globals
import Parameters
import Productivity
import State

from deqn import histogram

tfp_grid, Pi_tfp = Parameters.tfp_grid, Parameters.Pi_tfp
grid = histogram.Grid(Parameters.a_grid)


def shock_probs(state, policy_state):
    """Probability of each Z' given Z: [*batch, nZ]. Z between two nodes (as in a wider box) counts as the nearest."""
    node = (State.Z(state)[..., None] - tfp_grid).abs().argmin(-1)
    return Pi_tfp[node]


def transition(state, next_state):
    """Probabilities of e' (columns) given e (rows), on the way from a state to the next: [*batch, nE, nE], or [nE, nE]."""
    return Productivity.transition(State.Z(state), State.Z(next_state))


def move(distribution, savings, grid, Z, Z_next):
    """Masses [*batch, nE, n] on a grid, or its nodes [n], after households have saved and productivities have changed."""
    return histogram.move_productivity(
        histogram.move_assets(distribution, savings, grid), Productivity.transition(Z, Z_next)
    )


def next_distribution(state, policy_state, Z_next):
    """The histogram at the beginning of next period: [*batch, nE, nA]."""
    savings = Definitions.households(state, policy_state).a_next
    return move(State.distribution(state), savings, grid, State.Z(state), Z_next)


def step(state, policy_state, Z_next):
    """Next period's state at productivity Z'."""
    distribution = next_distribution(state, policy_state, Z_next)
    return State.update_dict(state, {"Z": Z_next, "distribution": distribution})


def total_step_random(prev_state, policy_state):
    """Next period's state in the simulation."""
    probabilities = shock_probs(prev_state, policy_state)
    node = probabilities.argmax(-1) if Globals.DISABLE_SHOCKS else Parameters.rng.categorical(probabilities)
    return step(prev_state, policy_state, tfp_grid[node])


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next period's state at one node of Z'."""
    return step(prev_state, policy_state, tfp_grid[shock_index])
