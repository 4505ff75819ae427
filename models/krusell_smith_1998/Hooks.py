"""Figures and closing lines as in `krusell_smith`; the first economies start with the unemployment of their Z."""

import Parameters
import Productivity
import State

from krusell_smith.Hooks import closing_lines, cycle_hook, draw_economy, progress


def post_init():
    Parameters.starting_state.copy_(with_unemployment_of_Z(Parameters.starting_state))


def with_unemployment_of_Z(states):
    """States whose histograms hold u(Z) unemployed, with the wealth of either group as it was: [*batch, n_states]."""
    distribution = State.distribution(states)
    factor = Productivity.shares(State.Z(states)) / distribution.sum(-1)
    return State.update(states, "distribution", factor[..., None] * distribution)
