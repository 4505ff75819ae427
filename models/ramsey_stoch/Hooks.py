"""Consumption and value: closed form where it holds, else an independent solution, policy iteration on Bellman's equation."""

import functools
import math

import torch

import Definitions
import Parameters
import State

from reference.Reference import solve

NAMES = (
    "alpha", "beta", "gamma", "psi", "delta", "zeta", "mu", "rho", "sigma", "sigma_x", "k_ss", "rate_ss", "C_ss",
)  # fmt: skip


def closed_form(state):
    """C and V / C for psi = delta = 1 without costs of adjustment; nothing for other constants.

    The share alpha beta of output is invested, whatever the risk (Brock and Mirman, 1972), and log V is linear in log k and x.
    """
    p = Parameters
    if not p.psi == p.delta == 1 or p.zeta != 0:
        return None
    saved = p.alpha * p.beta
    by_k = (1 - p.beta) * p.alpha / (1 - saved)
    by_x = p.beta * (1 - by_k) / (1 - p.beta * p.rho)
    risk = (1 - p.gamma) / 2 * (((1 - by_k) * p.sigma) ** 2 + (by_x * p.sigma_x) ** 2)
    later = (1 - by_k) * p.mu + by_k * math.log(saved) + risk
    level = math.log(1 - saved) + p.beta / (1 - p.beta) * later
    C = (1 - saved) * Definitions.Y(state, None)
    log_V = level + by_k * torch.log(State.k(state)) + by_x * State.x(state)
    return {"C": C, "value": torch.exp(log_V) / C}


def reference(state):
    """C and V / C of reference/Reference.py, at states [n, 2]: by name [n]; nothing for gamma = 1."""
    if Parameters.gamma == 1:
        return None
    k, x = (column(state).double().cpu().numpy() for column in (State.k, State.x))
    found = solution().policies(k, x)
    return {"C": torch.as_tensor(found["C"]), "value": torch.exp(torch.as_tensor(found["log_v"]))}


@functools.cache
def solution():
    return solve({name: getattr(Parameters, name) for name in NAMES})
