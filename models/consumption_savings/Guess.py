"""Where the network begins."""

import torch

import Definitions
import State


def guess(state):
    """Most of persistent income is consumed, and an eighth of what can be spent beyond it [n, 2]."""
    m, y = Definitions.m(state), torch.exp(State.z(state))
    return {"share": torch.log((0.85 * y + 0.12 * (m - y)) / m)}
