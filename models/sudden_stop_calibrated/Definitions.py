"""The economy of `sudden_stop`; endowment and rate are those of Shocks.py here."""

from sudden_stop.Definitions import C, C_free, C_limited, b_next, binds, current_account, limit, p_N
