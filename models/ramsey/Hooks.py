"""Consumption of an independent solution: endogenous nodes of capital, backwards in time."""

import numpy
import torch

import Parameters
import State


def reference(states):
    """Consumption, at states [n, 2]: [n]."""
    from reference.Reference import solve

    names = ("alpha", "beta", "delta", "gamma", "g_0", "g_inf", "nu", "k_ss", "C_ss")
    solution = solve({name: getattr(Parameters, name) for name in names})
    k, tau = (column(states).double().cpu().numpy() for column in (State.k, State.tau))
    return {"C": torch.as_tensor(solution.consumption(k, -numpy.log1p(-tau) / Parameters.nu))}
