"""That of `irbc`."""

from irbc.Dynamics import shock_probs, shock_values, total_step_random, total_step_spec_shock
