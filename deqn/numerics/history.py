"""Histories of shocks as states: what has happened in the last periods, newest first.

A network that sees a long history of shocks needs no endogenous state: Azinovic-Yang and Zemlicka (2025), Deep learning in the
sequence space.
"""

from __future__ import annotations

import torch
from torch import Tensor


def push(history: Tensor, shock: Tensor | float) -> Tensor:
    """The history with a new shock in front, and without its oldest one.

    Args:
        history: `[*batch, periods]`.
        shock: `[*batch]`, or what broadcasts to it.

    Example:
        >>> push(torch.tensor([[1.0, 2.0, 3.0]]), 9.0)
        tensor([[9., 1., 2.]])
    """
    newest = torch.as_tensor(shock, dtype=history.dtype, device=history.device)
    batch = torch.broadcast_shapes(history.shape[:-1], newest.shape)
    older = history[..., :-1].expand(*batch, -1)
    return torch.cat([newest.expand(batch).unsqueeze(-1), older], dim=-1)
