"""Capital accumulation and log productivity z' = rho z + sigma eps, eps standard normal, on Gauss-Hermite nodes."""

from brock_mirman.Dynamics import next_state, shock_probs, shock_values, total_step_random, total_step_spec_shock
