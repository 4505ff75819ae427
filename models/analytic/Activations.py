"""Savings in units of their steady state."""

import torch

import Parameters


def savings(x):
    """What each age saves, [batch, savers]: the steady state where the network's output is zero, and never negative."""
    return Parameters.k_ss * torch.nn.functional.softplus(x + 0.5413248546129181)


def ex(x):
    return Parameters.k_ss * torch.exp(x)


def lin(x):
    return Parameters.k_ss * (1 + x)
