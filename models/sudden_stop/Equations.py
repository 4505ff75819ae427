"""The Euler equation of a household for whom today's limit does not hold, C^-nu = beta R E[C'^-nu], nu = 1 + omega (sigma - 1).

With `kink: fischer_burmeister` the network gives consumption as it is, and one equation says that it is what the Euler equation
asks for or what the limit allows, whichever is less.
"""

import torch

import Definitions
import Parameters
import State

import Shocks

from deqn.numerics.complementarity import fischer_burmeister


def equations(state, policy_state):
    """Relative, in units of consumption."""
    E_t = State.E_t_gen(state, policy_state)
    C = Definitions.C_free(state, policy_state)
    later = E_t(lambda s, p: (Definitions.C(s, p) / C) ** -Parameters.nu)
    asked = -torch.log(Parameters.beta * Shocks.R(state) * later) / Parameters.nu  # log of what it asks for, less log C
    if Parameters.kink == "fischer_burmeister":
        return {"euler": fischer_burmeister(asked, torch.log(Definitions.C_limited(state, policy_state) / C))}
    return {"euler": -asked}
