"""Expectations are right: of marginal utility, by e and the bonds that a household leaves the quarter with, and of inflation.

The market for bonds, the limit, the Phillips curve, the rule and its bound hold exactly, in Definitions.py. Who would consume
more than the Euler equation at the first node says is at the limit. Units: consumption; tenths of a log point of inflation.
"""

import torch

import Definitions
import Dynamics
import Parameters
import PolicyState
import State

gamma = Parameters.gamma


def equations(state, policy_state):
    m, inflation = expectations(state, policy_state)
    return {
        "euler": m / PolicyState.m(policy_state) - 1,
        "inflation": 10 * (inflation - Definitions.expected_inflation(policy_state)),
    }


def implied(state, policy_state):
    """m that next quarter's consumption implies: [*batch, nE, nA]."""
    return expectations(state, policy_state)[0]


def expectations(state, policy_state):
    """m that next quarter's consumption implies, [*batch, nE, nA]; E pi', [*batch]."""
    E_t = State.E_t_gen(state, policy_state)

    def tomorrow(s, p):
        """Marginal utility, of who has e today and the bonds of a node, and inflation: one quarter clears for both."""
        now = Definitions.quarter(s, p)
        value = Dynamics.transition(state, s) @ Definitions.choices(p, now).c ** (-gamma)
        return torch.cat([value.flatten(-2), now.pi[..., None]], dim=-1)

    expected = E_t(tomorrow)
    value = expected[..., :-1].unflatten(-1, (len(Parameters.e_grid), len(Parameters.a_grid)))
    return (Parameters.beta * value) ** (-1 / gamma), expected[..., -1]
