"""Optimizers whose step takes more than the gradient of the loss: gradients of its parts, or its curvature."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Problem:
    """The loss of a minibatch.

    Attributes:
        components: scalars that add up to the loss.
        parameters: of the network.
        linearised: gives residuals `[m]`, whose squares add up to the loss, and their Jacobian `[m, n]`.
    """

    components: Sequence[Tensor]
    parameters: Sequence[Tensor]
    linearised: Callable[[], tuple[Tensor, Tensor]]


class BeyondGradient(torch.optim.Optimizer):
    """Asks for what it needs before a step; the caller averages it over the processes.

    Attributes:
        more: `[k, n]` numbers for the n entries of all parameters, one parameter after the other.
        has_gradients: whether the rows of `more` are gradients, and clipped like them.
    """

    more: Tensor
    has_gradients = False

    @abstractmethod
    def differentiate(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """Gradient of the loss `[n]`, and `more`."""

    def pieces(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Each parameter with its part of `more`, `[k, *shape]`."""
        start = 0
        for group in self.param_groups:
            for parameter in group["params"]:
                part = self.more[:, start : start + parameter.numel()]
                yield parameter, part.reshape(-1, *parameter.shape)
                start += parameter.numel()


def gradient(value: Tensor, parameters: Sequence[Tensor], create_graph: bool = False) -> Tensor:
    """Gradient of a scalar as one row `[n]`; zero where it depends on no parameter."""
    if not value.requires_grad:
        return torch.cat([torch.zeros_like(p).flatten() for p in parameters])
    found = torch.autograd.grad(value, parameters, retain_graph=True, create_graph=create_graph, materialize_grads=True)
    return torch.cat([part.flatten() for part in found])
