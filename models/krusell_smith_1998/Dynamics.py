"""Z follows a Markov chain; the histogram moves by savings, then by employment transitions that depend on (Z, Z').

The functions are those of `krusell_smith`, the transitions those of Productivity.py in this folder.
"""

from krusell_smith.Dynamics import (
    grid, move, next_distribution, shock_probs, step, total_step_random, total_step_spec_shock, transition,
)
