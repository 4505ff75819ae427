"""Z follows a Markov chain, savings and transitions of e move the histogram, as in `krusell_smith`."""

from krusell_smith.Dynamics import (
    grid, move, next_distribution, shock_probs, step, total_step_random, total_step_spec_shock, transition,
)
