"""The closed form (Brock and Mirman, 1972, Journal of Economic Theory 4(3), 479-513), at each state's own parameters."""

import Definitions
import PolicyState
import State


def closed_form(state):
    """Capital next period: alpha beta Y."""
    return {"K_next": State.alpha(state) * State.beta(state) * Definitions.Y(state, None)}


def transversality(state, policy_state):
    """Discount factor, and the value of capital in units of utility: discounted, it vanishes in the end."""
    return {"K": (State.beta(state), PolicyState.K_next(policy_state) / Definitions.C(state, policy_state))}
