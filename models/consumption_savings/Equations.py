"""The Euler equation of a household for whom today's limit does not hold: 1 = (beta R E[(C' / C)^-gamma])^(-1 / gamma)."""

import torch

import Definitions
import Parameters
import State


def equations(state, policy_state):
    """In units of consumption, relative: log C less what it should be."""
    E_t = State.E_t_gen(state, policy_state)
    C = Definitions.C_free(state, policy_state)
    later = E_t(lambda s, p: (Definitions.C(s, p) / C) ** -Parameters.gamma)
    return {"euler": torch.log(Parameters.beta * Parameters.R * later) / Parameters.gamma}
