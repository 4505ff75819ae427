"""Levenberg-Marquardt: a step that takes the loss for what it is, a sum of squared residuals.

With r(theta) the n residuals of a batch and J their Jacobian, a step solves, in float64,

    (J'J + n lambda I) delta = -J'r               in the space of the parameters, or, where there are fewer residuals,
    delta = -J' (JJ' + n lambda I)^-1 r           in that of the residuals.

A step that lowers the loss is kept; the ratio of its decrease to the one that the linear model predicts moves the damping
lambda. A step that does not is taken back, and a larger damping is tried.

Sources: Levenberg (1944), Quarterly of Applied Mathematics 2, 164-168; Marquardt (1963), Journal of the SIAM 11, 431-441; More
(1978), The Levenberg-Marquardt algorithm: implementation and theory, Lecture Notes in Mathematics 630. In the space of the
residuals: Chen and Heyl (2024), Nature Physics 20, 1476-1481 (MinSR). Geodesic acceleration: Transtrum and Sethna (2012),
Improvements to the Levenberg-Marquardt algorithm for nonlinear least-squares minimization, arXiv:1201.5885.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

_GOOD, _POOR = 0.75, 0.25  # ratio of actual to predicted decrease above which damping falls, below which it grows
_SMALLEST, _GREATEST = 1e-14, 1e10  # damping
_AHEAD = 0.1  # share of a step at which its second derivative is looked at
_GREATEST_TURN = 0.75  # of the second order over the first: beyond it, neither describes the residuals


class LevenbergMarquardt(torch.optim.Optimizer):
    """The damping, which a checkpoint holds like the moments of another optimizer, and the step.

    Args:
        params: parameters of the network.
        lr: has no meaning here: the damping decides how far a step goes.
        damping: lambda of the first step.
        decrease, increase: what lambda is divided by after a good step, and multiplied by after one that is taken back.
        tries: dampings that a step tries before it leaves the parameters as they are.
        acceleration: follow the bend of the residuals along a step too (geodesic acceleration); in float64 only.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        damping: float = 0.01,
        decrease: float = 3.0,
        increase: float = 4.0,
        tries: int = 12,
        acceleration: bool = True,
    ) -> None:
        if damping <= 0 or decrease <= 1 or increase <= 1 or tries < 1:
            raise ValueError("expected damping > 0, decrease > 1, increase > 1 and tries >= 1")
        defaults = {"lr": lr, "damping": damping, "decrease": decrease, "increase": increase, "tries": tries}
        defaults["acceleration"] = acceleration
        super().__init__(params, defaults)
        first = self.param_groups[0]["params"][0]
        self.state[first]["damping"] = torch.full_like(first.flatten()[0], damping).detach()

    def advance(self, module: nn.Module, states: Tensor, share: Callable[[Tensor], None] | None = None) -> float:
        """One step on a batch; of several processes each has its own states, and all take the same step.

        Args:
            module: maps `[batch, n_states]` to residuals `[batch, rows]`, whose parameters are those of this optimizer.
            states: `[batch, n_states]`.
            share: adds a tensor up over the processes, in place; None for one process alone.

        Returns:
            the sum of squares after the step, over all processes.
        """
        group = self.param_groups[0]
        held = self.state[group["params"][0]]["damping"]
        parameters = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
        rows, jacobian = _linearised(module, parameters, states)
        dual = share is None and len(rows) < jacobian.shape[1]
        exact = all(value.dtype == torch.float64 for value in parameters.values())  # else differences are rounding
        gradient = jacobian.T @ rows
        matrix = jacobian @ jacobian.T if dual else jacobian.T @ jacobian
        totals = torch.stack([rows @ rows, rows.new_tensor(float(len(rows)))])
        if share is not None:
            for part in (totals, gradient, matrix):
                share(part)
        before, n = totals.tolist()
        if before == 0:
            return before
        for _ in range(group["tries"]):
            damping = float(held)
            damped = matrix + n * damping * torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
            factor, failed = torch.linalg.cholesky_ex(damped)
            if not failed:
                solved = torch.cholesky_solve((rows if dual else gradient)[:, None], factor)[:, 0]
                step = -(jacobian.T @ solved) if dual else -solved
                # of the linear model: |r|^2 - |r + J d|^2 = -d'(g + (g + A d)), where (A + n lambda) d = -g
                predicted = float(-(step @ gradient) + n * damping * (step @ step))
                if group["acceleration"] and exact:
                    bent = _second_derivative(module, parameters, states, rows, jacobian, step)
                    right = bent if dual else jacobian.T @ bent
                    if share is not None:
                        share(right)
                    solved = torch.cholesky_solve(right[:, None], factor)[:, 0]
                    turn = jacobian.T @ solved if dual else solved
                    if 2 * turn.norm() <= _GREATEST_TURN * step.norm():
                        step = step - turn / 2
                moved = _moved(parameters, step)
                with torch.no_grad():
                    after_here = functional_call(module, moved, (states,)).double().square().sum()
                if share is not None:
                    share(after_here)
                after = float(after_here)
                if after < before:
                    ratio = (before - after) / max(predicted, 1e-300)
                    damping *= 1 / group["decrease"] if ratio > _GOOD else 2.0 if ratio < _POOR else 1.0
                    held.fill_(min(max(damping, _SMALLEST), _GREATEST))
                    with torch.no_grad():
                        for name, parameter in module.named_parameters():
                            if name in moved:
                                parameter.copy_(moved[name])
                    return after
            held.fill_(min(damping * group["increase"], _GREATEST))
        held.fill_(min(float(held), group["damping"]))  # this batch is at its minimum up to rounding
        return before


def _linearised(module: nn.Module, parameters: dict[str, Tensor], states: Tensor) -> tuple[Tensor, Tensor]:
    """Residuals `[n]` and their Jacobian `[n, parameters]`, in float64: a backward pass for each residual of one state."""

    def of_state(values: dict[str, Tensor], state: Tensor) -> tuple[Tensor, Tensor]:
        row = functional_call(module, values, (state.unsqueeze(0),))[0]
        return row, row

    blocks, rows = vmap(jacrev(of_state, has_aux=True), in_dims=(None, 0))(parameters, states)
    jacobian = torch.cat([blocks[name].flatten(2) for name in parameters], dim=-1)
    return rows.flatten().double(), jacobian.flatten(0, 1).double()


def _second_derivative(
    module: nn.Module, parameters: dict[str, Tensor], states: Tensor, rows: Tensor, jacobian: Tensor, step: Tensor
) -> Tensor:
    """Second derivative of the residuals along a step, `[n]`, by a difference (Transtrum and Sethna 2012, section 3)."""
    with torch.no_grad():
        ahead = functional_call(module, _moved(parameters, _AHEAD * step), (states,)).flatten().double()
    return 2 / _AHEAD * ((ahead - rows) / _AHEAD - jacobian @ step)


def _moved(parameters: dict[str, Tensor], step: Tensor) -> dict[str, Tensor]:
    moved, start = {}, 0
    for name, value in parameters.items():
        moved[name] = value + step[start : start + value.numel()].view_as(value).to(value.dtype)
        start += value.numel()
    return moved
