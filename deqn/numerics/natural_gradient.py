"""Natural gradient: the step that goes as far in the residuals, not in the parameters.

Sources: Amari (1998), Natural gradient works efficiently in learning, Neural Computation 10(2), 251-276; that the Fisher matrix
of residuals with normal errors is J'J, and damping: Martens (2020), New insights and perspectives on the natural gradient
method, Journal of Machine Learning Research 21(146), 1-76.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from deqn.numerics.beyond_gradient import BeyondGradient, Problem

_LARGEST = 3000  # parameters, whose Fisher matrix is held, solved in each step and part of every checkpoint


class NaturalGradient(BeyondGradient):
    """theta <- theta - lr (F + damping t I)^-1 J'r, F a moving average of J'J and t its trace.

    r are the residuals of the minibatch, weighted so that their squares add up to the loss, and J their Jacobian. With
    `fisher_decay: 0` and `lr: 1` it is a step of Gauss-Newton, damped as by Levenberg and Marquardt but never taken back.

    Args:
        params: parameters of the network, at most 3,000.
        lr: share of the step that is taken.
        damping: relative to the trace of the Fisher matrix.
        fisher_decay: of the moving average.
        use_bias_correction: of the moving average, as in Adam.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.1,
        damping: float = 1e-3,
        fisher_decay: float = 0.95,
        use_bias_correction: bool = True,
    ) -> None:
        if damping <= 0 or not 0 <= fisher_decay < 1:
            raise ValueError("expected damping > 0 and 0 <= fisher_decay < 1")
        super().__init__(
            params,
            {"lr": lr, "damping": damping, "fisher_decay": fisher_decay, "use_bias_correction": use_bias_correction},
        )
        n = sum(p.numel() for group in self.param_groups for p in group["params"])
        if n > _LARGEST:
            raise ValueError(f"the network has {n:,} parameters, and the Fisher matrix of at most {_LARGEST:,} is held")

    def differentiate(self, problem: Problem) -> tuple[Tensor, Tensor]:
        residuals, jacobian = problem.linearised()
        dtype = problem.parameters[0].dtype
        return (2 * jacobian.T @ residuals).to(dtype), (jacobian.T @ jacobian).to(dtype)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        (group,) = self.param_groups
        parameters = group["params"]
        state, decay = self.state[parameters[0]], group["fisher_decay"]
        if not state:
            state["step"] = torch.zeros((), device="cpu")
            state["fisher"] = torch.zeros_like(self.more)
        state["step"] += 1
        state["fisher"].lerp_(self.more, 1 - decay)
        correction = 1 - decay ** float(state["step"]) if group["use_bias_correction"] else 1.0
        fisher = state["fisher"].double() / correction
        fisher.diagonal().add_(group["damping"] * fisher.trace().clamp(min=torch.finfo(fisher.dtype).tiny))
        slope = torch.cat([p.grad.flatten() for p in parameters]).double() / 2
        factor, failed = torch.linalg.cholesky_ex(fisher)
        step = torch.cholesky_solve(slope[:, None], factor)[:, 0]
        step = torch.where(
            failed > 0, torch.full_like(step, float("nan")), step
        )  # said as any number that is not finite
        start = 0
        for parameter in parameters:
            part = step[start : start + parameter.numel()].view_as(parameter).to(parameter.dtype)
            parameter.add_(part, alpha=-group["lr"])
            start += parameter.numel()
