"""The dynamics of `sudden_stop`; the endowment and the rate move by Shocks.py here."""

from sudden_stop.Dynamics import shock_probs, shock_values, total_step_random, total_step_spec_shock
