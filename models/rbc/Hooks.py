"""Consumption of an independent solution, the Chebyshev collocation of `rbc_labor` with hours fixed at one."""

import torch

import Definitions
import Parameters
import State


def reference(states):
    """Consumption, at states [n, 2]: [n]."""
    from rbc_labor.reference.Reference import solve

    names = ("alpha", "beta", "delta", "gamma", "rho", "sigma", "K_ss", "C_ss")
    constants = {name: getattr(Parameters, name) for name in names} | {"frisch": 0.0, "chi": 1.0, "N_ss": 1.0}
    K, z = (column(states).double().cpu().numpy() for column in (State.K, State.z))
    return {"C": torch.as_tensor(solve(constants, n_nodes=Parameters.n_nodes).consumption(K, z))}


def transversality(state, policy_state):
    """Discount factor, and the value of capital in units of utility: discounted, it vanishes in the end."""
    C, K_next = Definitions.C(state, policy_state), Definitions.K_next(state, policy_state)
    return {"K": (Parameters.beta, C**-Parameters.gamma * K_next)}
