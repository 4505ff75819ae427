"""The closed form (Brock and Mirman, 1972, Journal of Economic Theory 4(3), 479-513)."""

import Definitions
import Parameters


def closed_form(state):
    """Capital next period: alpha beta Y."""
    return {"K_next": Parameters.alpha * Parameters.beta * Definitions.Y(state, None)}
