"""MAO, multi-adaptive optimization: the moments of Adam for each part of the loss.

Source: Hervella, Rouco, Novo and Ortega (2024), Multi-adaptive optimization for multi-task learning with deep neural networks,
Neural Networks 170, 254-265; summed over tasks as in newer versions of the TensorFlow DEQN library of Scheidegger and others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from deqn.numerics.beyond_gradient import BeyondGradient, Problem, gradient


class MAO(BeyondGradient):
    """theta <- theta - lr sum over tasks i of m_i / (sqrt(v_i) + eps), m_i and v_i the moments of the gradient of task i.

    A task is an equation with its weight, or all penalties of bounds together: their number is found by itself. Every task moves
    a parameter as far as any other, however small its part of the loss.

    Args:
        params: parameters of the network.
        lr: learning rate, `global_lr` in the TensorFlow library.
        betas: decay of both moments.
        eps: added to the root.
    """

    has_gradients = True

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:  # fmt: skip
        if not all(0 <= beta < 1 for beta in betas) or eps <= 0:
            raise ValueError("expected 0 <= beta < 1 and eps > 0")
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "eps": eps})

    def differentiate(self, problem: Problem) -> tuple[Tensor, Tensor]:
        rows = torch.stack([gradient(component, problem.parameters) for component in problem.components])
        return rows.sum(0), rows

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        (group,) = self.param_groups
        first, second = group["betas"]
        for parameter, rows in self.pieces():
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros((), device="cpu")
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(rows), torch.zeros_like(rows)
            state["step"] += 1
            t = float(state["step"])
            m = state["exp_avg"].lerp_(rows, 1 - first)
            v = state["exp_avg_sq"].mul_(second).addcmul_(rows, rows, value=1 - second)
            update = (m / (1 - first**t)) / ((v / (1 - second**t)).sqrt() + group["eps"])
            parameter.add_(update.sum(0), alpha=-group["lr"])
