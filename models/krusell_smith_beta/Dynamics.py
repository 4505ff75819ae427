"""Z follows a Markov chain; the histogram moves by savings, then by transitions of employment, which depend on (Z, Z'), and of
the discount factor, which do not.
"""

from krusell_smith.Dynamics import (
    grid, move, next_distribution, shock_probs, step, total_step_random, total_step_spec_shock, transition,
)
