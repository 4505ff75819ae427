"""The price-dividend ratio and the value: closed form where it holds, else an independent solution, Chebyshev collocation."""

import functools

import torch

import Parameters
import State

from reference import ClosedForm, Reference

NAMES = (
    "beta", "gamma", "psi", "mu", "mu_d", "rho", "sigma", "phi_x", "phi", "phi_d", "rho_v", "sigma_v",
)  # fmt: skip


def constants():
    return {name: getattr(Parameters, name) for name in NAMES}


def closed_form(states):
    """P / D and V / C for 1/psi = gamma and constant volatility, v = 0; nothing for other constants."""
    p = constants()
    if p["sigma_v"] == 0 and abs(p["gamma"] * p["psi"] - 1) < 1e-12 and p["gamma"] != 1:
        return in_levels(ClosedForm.closed_form(State.x(states).double().cpu().numpy(), p))
    return None


def reference(states):
    """P / D and V / C of reference/Reference.py, at states [n, 2]: by name [n]; nothing for gamma or psi of one."""
    if 1 in (Parameters.gamma, Parameters.psi):
        return None
    x, v = (column(states).double().cpu().numpy() for column in (State.x, State.v))
    return in_levels(solution().policies(x, v))


@functools.cache
def solution():
    return Reference.solve(constants())


def in_levels(logs):
    return {"pd": torch.exp(torch.as_tensor(logs["log_pd"])), "value": torch.exp(torch.as_tensor(logs["log_v"]))}
