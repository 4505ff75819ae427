"""The eligibility trace: residuals that are summed along the simulated trajectory before they are squared.

The word is that of temporal-difference learning: Sutton (1988), Learning to predict by the methods of temporal differences,
Machine Learning 3, 9-44. What it is here is a definition of our own, see docs/explanation/losses.md.
"""

from __future__ import annotations

import torch
from torch import Tensor


def along_trajectories(residuals: Tensor, decay: float, periods: int) -> Tensor:
    """e_t = sum over k of c_tk r_(t-k), with c_tk proportional to decay**k and their squares adding up to one.

    The sum begins with the piece of a trajectory. Residuals that are independent from period to period keep their mean square;
    those that have the same sign for many periods, a bias of the policy, are raised.

    Args:
        residuals: `[batch, ...]`, trajectories one after the other, each with its periods in order.
        periods: of each piece; divides the batch.
    """
    t = torch.arange(periods, device=residuals.device)
    lag = t[:, None] - t
    weights = torch.where(lag >= 0, decay ** lag.clamp(min=0).to(residuals.dtype), 0.0)
    weights = weights / weights.square().sum(-1, keepdim=True).sqrt()
    pieces = residuals.reshape(-1, periods, residuals[0].numel())
    return (weights @ pieces).reshape(residuals.shape)
