"""The gradients of all parameters in one tensor."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class FlatGradient:
    """All gradients in one tensor: one operation to clear, check, clip or average them, and memory that never moves.

    Attributes:
        flat: `[n]`, the gradients.
        shared: `[n + 2]`, the same memory and behind it the loss and whether to stop: what processes average.
    """

    parameters: list[torch.nn.Parameter]
    flat: Tensor = field(init=False)
    shared: Tensor = field(init=False)

    def __post_init__(self) -> None:
        n, first = sum(p.numel() for p in self.parameters), self.parameters[0]
        self.shared = torch.zeros(n + 2, dtype=first.dtype, device=first.device)
        self.flat = self.shared[:n]
        self.attach()

    def attach(self) -> None:
        """Makes the gradients views of the flat tensor, also where a model's own optimizer has set them to None."""
        start = 0
        for parameter in self.parameters:
            parameter.grad = self.flat[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()
