"""Capital and productivity as in `stochastic_growth`; alpha and beta stay what they are."""

from stochastic_growth.Dynamics import next_state, shock_probs, shock_values, total_step_random, total_step_spec_shock
