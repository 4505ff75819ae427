"""Savings in units of their steady state."""

import torch

import Parameters


def savings(x):
    """What each age saves, [batch, savers]: the steady state where the network's output is zero, never negative."""
    return Parameters.k_ss * torch.exp(x)
