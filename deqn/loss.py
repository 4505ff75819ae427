"""Residuals of the equilibrium conditions and bound penalties -> the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from deqn.model import Model


@dataclass
class LossTerms:
    """What one minibatch gives; every tensor is a scalar except `residuals`.

    Attributes:
        loss: (sum of deviations + sum of penalties) / number of equations.
        net_loss: the same without penalties.
        deviations: by equation, the sum over the batch of the squared residual (its mean over the entries of a residual
            with a shape).
        penalties: by bound, the sum over the batch of penalty * (raw - bounded)**2.
        residuals: by equation, `[batch, ...]`, without gradient.
    """

    loss: Tensor
    net_loss: Tensor
    deviations: dict[str, Tensor]
    penalties: dict[str, Tensor]
    residuals: dict[str, Tensor]


def terms(model: Model, states: Tensor) -> LossTerms:
    """Loss of the model's policy at given states.

    As in the TensorFlow library, the loss is the sum over the batch divided by the number of equations: learning rates
    and `clipvalue` of existing YAML files are tuned to it.

    Args:
        states: `[batch, n_states]`.
    """
    policies = model.policy(states)
    residuals = model.equations(states, policies)
    deviations = {name: squared_sum(residual) for name, residual in residuals.items()}
    penalties = model.penalties(states, policies)
    n_equations = len(residuals)
    net_loss = torch.stack(list(deviations.values())).sum() / n_equations
    loss = net_loss
    if penalties:
        loss = net_loss + torch.stack(list(penalties.values())).sum() / n_equations
    return LossTerms(loss, net_loss, deviations, penalties, {k: r.detach() for k, r in residuals.items()})


def squared_sum(x: Tensor) -> Tensor:
    """Sum over the first dimension of the squares, mean over the others."""
    return x.square().sum() * (x.shape[0] / x.numel())
