"""What the household cannot change: its endowment of tradables and the world interest rate."""

import torch

import Parameters
import State


def Y(state):
    """Endowment of tradables; that of nontradables is one."""
    return torch.exp(State.y(state))


def R(state):
    """Gross rate between this year and the next."""
    return 1 + Parameters.r_mean + State.r(state)


def move(state, eps_y, eps_r):
    """Next year's, by name: log endowment y' = rho y + eps_y' and the rate's deviation, likewise."""
    p = Parameters
    return {"y": p.rho_y * State.y(state) + eps_y, "r": p.rho_r * State.r(state) + eps_r}
