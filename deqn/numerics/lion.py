"""Lion: each parameter moves by the learning rate, in the direction of the sign of a moving average.

Source: Chen and others (2023), Symbolic discovery of optimization algorithms, NeurIPS 36, algorithm 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch


class Lion(torch.optim.Optimizer):
    """theta <- theta - lr (sign(beta_1 m + (1 - beta_1) g) + weight_decay theta); then m <- beta_2 m + (1 - beta_2) g.

    Args:
        params: parameters of the network.
        lr: learning rate, a third to a tenth of Adam's.
        betas: of the direction, and of the average.
        weight_decay: decoupled.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0
    ) -> None:  # fmt: skip
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError("expected 0 <= beta < 1")
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            first, second = group["betas"]
            for parameter in group["params"]:
                state = self.state[parameter]
                if not state:
                    state["exp_avg"] = torch.zeros_like(parameter)
                average = state["exp_avg"]
                direction = average.lerp(parameter.grad, 1 - first).sign_()
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"])
                average.lerp_(parameter.grad, 1 - second)
