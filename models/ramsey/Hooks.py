"""Consumption of an independent solution: endogenous nodes of capital, backwards in time."""

import numpy
import torch

import Definitions
import Parameters
import State


def reference(states):
    """Consumption, at states [n, 2]: [n]."""
    from reference.Reference import solve

    names = ("alpha", "beta", "delta", "gamma", "g_0", "g_inf", "nu", "k_ss", "C_ss")
    solution = solve({name: getattr(Parameters, name) for name in names})
    k, tau = (column(states).double().cpu().numpy() for column in (State.k, State.tau))
    return {"C": torch.as_tensor(solution.consumption(k, -numpy.log1p(-tau) / Parameters.nu))}


def transversality(state, policy_state):
    """Discount factor, and the value of capital in units of utility, both detrended: discounted, it vanishes in the end."""
    growth, gamma = Definitions.growth(state, policy_state), Parameters.gamma
    value = Definitions.C(state, policy_state) ** -gamma * Definitions.k_next(state, policy_state) * growth
    return {"k": (Parameters.beta * growth ** (1 - gamma), value)}
