"""Endowment of tradables and world interest rate as the TensorFlow library's example has them: levels, the gross rate."""

import torch

import Parameters
import State


def Y(state):
    """Endowment of tradables; that of nontradables is one."""
    return State.yT(state)


def R(state):
    """Gross rate between this year and the next."""
    return State.rf(state)


def move(state, eps_y, eps_r):
    """Next year's, by name: the log of the endowment and the rate are autoregressions."""
    p = Parameters
    yT = torch.exp(p.rho_y * torch.log(State.yT(state)) + eps_y)
    return {"yT": yT, "rf": p.rf_mean + p.rho_r * (State.rf(state) - p.rf_mean) + eps_r}
