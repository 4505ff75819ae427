"""Expectations are right: of the value of a unit of either asset, for who has e and leaves the period with the nodes' b' and a'.

The choices themselves follow from these values in Definitions.py. Units: consumption; the value of a relative to that of b.
"""

import torch

import Definitions
import Parameters
import PolicyState
import State


def equations(state, policy_state):
    m, q = implied(state, policy_state)
    return {"euler": m / PolicyState.m(policy_state) - 1, "illiquid": q / PolicyState.q(policy_state) - 1}


def implied(state, policy_state):
    """m and q that next period's values imply: [*batch, nE, nB, nA] each."""
    E_t = State.E_t_gen(state, policy_state)

    def tomorrow(s, p):
        """Values of both assets, [*batch, 2, nE, nB, nA], to who has e today: expectation over e'."""
        both = torch.stack(Definitions.values(s, p), dim=-4)
        return (Parameters.Pi_e @ both.flatten(-2)).unflatten(-1, both.shape[-2:])

    in_b, in_a = E_t(tomorrow).unbind(-4)
    return (Parameters.beta * in_b) ** (-1 / Parameters.gamma), in_a / in_b
