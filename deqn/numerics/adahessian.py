"""AdaHessian: Adam with the diagonal of the Hessian in place of the gradient in its second moment.

Source: Yao, Gholami, Shen, Mustafa, Keutzer and Mahoney (2021), ADAHESSIAN: An adaptive second order optimizer for machine
learning, AAAI 35, 10665-10673, algorithm 1; its parameters have at most two dimensions here, which are not averaged over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from deqn.numerics.beyond_gradient import BeyondGradient, Problem, gradient


class AdaHessian(BeyondGradient):
    """theta <- theta - lr m / (sqrt(v)**power + eps): m the moment of the gradient, v that of squares of the Hessian's diagonal.

    The diagonal is estimated as z * Hz, z random signs from PyTorch's generator (Hutchinson).

    Args:
        params: parameters of the network.
        lr: learning rate; the paper takes 0.15.
        betas: decay of both moments.
        eps: added to the root.
        weight_decay: decoupled.
        hessian_power: 1 for Newton's direction, 0 for the gradient's.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.15,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-4,
        weight_decay: float = 0.0,
        hessian_power: float = 1.0,
    ) -> None:
        if not all(0 <= beta < 1 for beta in betas) or eps <= 0 or not 0 <= hessian_power <= 1:
            raise ValueError("expected 0 <= beta < 1, eps > 0 and 0 <= hessian_power <= 1")
        super().__init__(
            params,
            {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay, "hessian_power": hessian_power},
        )

    def differentiate(self, problem: Problem) -> tuple[Tensor, Tensor]:
        slope = gradient(torch.stack(tuple(problem.components)).sum(), problem.parameters, create_graph=True)
        signs = torch.randint(0, 2, slope.shape, device=slope.device).to(slope.dtype) * 2 - 1
        product = gradient((slope * signs).sum(), problem.parameters)
        return slope.detach(), (signs * product)[None]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        (group,) = self.param_groups
        first, second = group["betas"]
        for parameter, rows in self.pieces():
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros((), device="cpu")
                state["exp_avg"], state["exp_hessian_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["step"] += 1
            t = float(state["step"])
            m = state["exp_avg"].lerp_(parameter.grad, 1 - first)
            v = state["exp_hessian_sq"].mul_(second).addcmul_(rows[0], rows[0], value=1 - second)
            scale = (v / (1 - second**t)).sqrt() ** group["hessian_power"] + group["eps"]
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.addcdiv_(m, scale, value=-group["lr"] / (1 - first**t))
