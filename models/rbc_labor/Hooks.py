"""Consumption and hours of an independent solution, Chebyshev collocation."""

import torch

import Definitions
import Parameters
import State


def cycle_hook(state, i):
    """After each episode; histograms of states, policies and definitions are drawn by the library."""


def reference(states):
    """Consumption C and hours N of reference/Reference.py, at states [n, 2]: by name [n]."""
    from reference.Reference import solve

    names = ("alpha", "beta", "delta", "gamma", "frisch", "rho", "sigma", "chi", "K_ss", "C_ss")
    solution = solve({name: getattr(Parameters, name) for name in names}, n_nodes=Parameters.n_nodes)
    K, z = (column(states).double().cpu().numpy() for column in (State.K, State.z))
    found = solution.policies(K, z)
    return {name: torch.as_tensor(found[name]) for name in ("C", "N")}


def transversality(state, policy_state):
    """Discount factor, and the value of capital in units of utility: discounted, it vanishes in the end."""
    C, K_next = Definitions.C(state, policy_state), Definitions.K_next(state, policy_state)
    return {"K": (Parameters.beta, C**-Parameters.gamma * K_next)}
