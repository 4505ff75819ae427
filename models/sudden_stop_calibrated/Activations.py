"""How an output between zero and one, that of a network which ends in a sigmoid, becomes a policy."""

import Parameters


def centred(x):
    """An output of one half is the middle of the policy's bounds, one of zero or one is a bound."""
    lower, upper = (Parameters.policy_bounds_hard[end]["log_C"] for end in ("lower", "upper"))
    return lower + (upper - lower) * x
