"""What is known of this economy: with log utility and labour in the first age only, savings are a constant share of wealth.

Sources: Huffman (1987), Journal of Political Economy 95(1), 138-159; Krueger and Kubler (2004), Journal of Economic Dynamics and
Control 28(7), 1411-1436; Azinovic, Gaegauf and Scheidegger (2022), International Economic Review 63(4), 1471-1525.
"""

import torch

import Definitions
import Parameters


def cycle_hook(state, i):
    """After each episode; histograms of states, policies and definitions are drawn by the library."""


def closed_form(state):
    """Savings by age: beta (1 - beta^(A-h)) / (1 - beta^(A-h+1)) of the wealth of age h.

    Args:
        state: [*batch, n_states].

    Returns:
        {"a": [*batch, savers]}.
    """
    beta = Parameters.beta
    left = torch.arange(Parameters.savers, 0, -1, device=state.device, dtype=state.dtype)  # ages that are still to come
    share = beta * (1 - beta**left) / (1 - beta ** (left + 1))
    return {"a": share * Definitions.wealth(state, None)[..., :-1]}
