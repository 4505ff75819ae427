"""Levenberg-Marquardt: a step that takes the loss for what it is, a sum of squared residuals.

With r(theta) the n residuals of a batch and J their Jacobian, a step solves

    (J'J + lambda t I) delta = -J'r               in the space of the parameters, or, where there are fewer residuals,
    delta = -J' (JJ' + lambda t I)^-1 r           in that of the residuals, or, where J is too large to be held,

the first of them by conjugate gradients, from products with J alone; t is the trace of J'J, so that lambda does not depend on the
units of the residuals. A step that lowers the loss, and does no harm on states
that it was not fitted to, is kept; the ratio of its decrease to the one that the linear model predicts moves the damping lambda.
Another step is taken back, and a larger damping is tried.

Sources: Levenberg (1944), Quarterly of Applied Mathematics 2, 164-168; Marquardt (1963), Journal of the SIAM 11, 431-441; More
(1978), The Levenberg-Marquardt algorithm: implementation and theory, Lecture Notes in Mathematics 630. In the space of the
residuals: Chen and Heyl (2024), Nature Physics 20, 1476-1481 (MinSR). Geodesic acceleration: Transtrum and Sethna (2012),
Improvements to the Levenberg-Marquardt algorithm for nonlinear least-squares minimization, arXiv:1201.5885. Conjugate gradients:
Hestenes and Stiefel (1952), Journal of Research of the National Bureau of Standards 49, 409-436.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from deqn.numerics.normal_equations import (
    SOLVERS,
    Alone,
    Linearise,
    NormalEquations,
    Processes,
    Values,
    linearised,
    moved,
    normal_equations,
)  # fmt: skip

_GOOD, _POOR = 0.75, 0.25  # ratio of actual to predicted decrease above which damping falls, below which it grows
_SMALLEST, _GREATEST = 1e-14, 1e10  # damping
_ROUNDING = 1e-14  # of a sum of squares, relative
_WORSE = 10.0  # times the loss on held-out states, beyond which a step is refused
_LONGEST = 100.0  # of a step, in lengths of the parameters: beyond, the residuals do not depend on them any more
_AHEAD = 0.1  # share of a step at which its second derivative is looked at
_GREATEST_TURN = 0.75  # of the second order over the first: beyond it, neither describes the residuals

Test = Callable[[Values], Tensor]


class LevenbergMarquardt(torch.optim.Optimizer):
    """The damping, which a checkpoint holds like the moments of another optimizer, and the step.

    The step may be taken in float64 for parameters in float32: what rounding cuts off is kept beside them, like a moment.

    Args:
        params: parameters of the network.
        lr: has no meaning here: the damping decides how far a step goes.
        damping: lambda of the first step, relative to the trace of J'J.
        decrease, increase: what lambda is divided by after a good step, and multiplied by after one that is taken back.
        tries: dampings that a step tries before it leaves the parameters as they are.
        acceleration: follow the bend of the residuals along a step too (geodesic acceleration); in float64 only.
        float64: take residuals and steps in float64 whatever the network's type; of no effect here, the caller's module decides.
        solver: `primal`, `dual` or `matrix_free`; `auto` takes the smaller of the first two, and the last where the Jacobian
            is too large; see `normal_equations.chosen`.
        iterations, tolerance: of conjugate gradients, at most and relative to the gradient.
        rank: directions of their preconditioner.
        foresight: share of tomorrow's change of policy that a step reckons with; of no effect here, like `float64`.

    Attributes:
        linearise: gives residuals and Jacobian; may be replaced by the compiled form of `normal_equations.linearised`.
        refused: steps in a row of which every try was refused because a number was not finite or `allowed` said no, or
            which would have been a hundred times as long as the parameters.
    """

    linearise: Linearise = staticmethod(linearised)
    refused: float = 0

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        damping: float = 0.01,
        decrease: float = 3.0,
        increase: float = 4.0,
        tries: int = 12,
        acceleration: bool = True,
        float64: bool = True,
        solver: str = "auto",
        iterations: int = 50,
        tolerance: float = 0.01,
        rank: int = 20,
        foresight: float = 0.9,
    ) -> None:
        if damping <= 0 or decrease <= 1 or increase <= 1 or tries < 1:
            raise ValueError("expected damping > 0, decrease > 1, increase > 1 and tries >= 1")
        if solver not in SOLVERS:
            raise ValueError(f"solver = {solver!r}: expected one of {', '.join(SOLVERS)}")
        if iterations < 1 or not 0 < tolerance < 1 or rank < 1:
            raise ValueError("expected iterations >= 1, a tolerance between 0 and 1 and rank >= 1")
        if not 0 <= foresight <= 1:
            raise ValueError("expected a foresight between 0 and 1")
        defaults = {
            "lr": lr, "damping": damping, "decrease": decrease, "increase": increase, "tries": tries,
            "acceleration": acceleration, "float64": float64, "solver": solver, "iterations": iterations, "tolerance": tolerance,
            "rank": rank, "foresight": foresight,
        }  # fmt: skip
        super().__init__(params, defaults)
        first = self.param_groups[0]["params"][0]
        self.state[first]["damping"] = torch.full_like(first.flatten()[0], damping).detach()
        self.state[first]["refused"] = torch.zeros_like(self.state[first]["damping"])

    def advance(
        self,
        module: nn.Module,
        states: Tensor,
        held_out: Tensor | None = None,
        allowed: Test | None = None,
        processes: Processes | None = None,
    ) -> float:
        """One step on a batch; of several processes each has its own states, and all take the same step.

        Args:
            module: maps `[batch, n_states]` to residuals `[batch, rows]`; its trainable parameters are in the order of this
                optimizer's, in the type in which the step is taken.
            states: `[batch, n_states]`.
            held_out: states `[m, n_states]` that the step is not fitted to; their loss must not become ten times what it was.
            allowed: says of parameters by name whether a step may end there (a tensor with one truth value).
            processes: of one run; None for one process alone.

        Returns:
            the sum of squares on the batch after the step, over all processes; not a finite number where it was none before.
        """
        group = self.param_groups[0]
        state = self.state[group["params"][0]]
        processes = processes or Alone()
        values = self.values(module)
        exact = all(value.dtype == torch.float64 for value in values.values())  # else differences are rounding
        system = self._system(module, values, states, processes)
        rows = system.rows
        others = rows.new_zeros(()) if held_out is None else _squares(module, values, held_out)
        totals = torch.stack([rows @ rows, others])
        processes.sum_(totals)
        was_refused = False
        for _ in range(group["tries"]):
            damping = system.trace * state["damping"].double()
            step = -system.solve(damping, rows)
            # of the linear model: |r|^2 - |r + J d|^2 = -d'(g + (g + A d)), where (A + lambda t) d = -g
            predicted = -(step @ system.gradient) + damping * (step @ step)
            if group["acceleration"] and exact:
                turn = system.solve(damping, system.second_derivative(step, _AHEAD))
                step = torch.where(2 * turn.norm() <= _GREATEST_TURN * step.norm(), step - turn / 2, step)
            processes.broadcast_(step)
            end = moved(values, step)
            judged = self._judged(module, end, states, held_out, allowed, processes)
            # all that the host decides on is brought from the device at once
            length = step.norm() / (1 + torch.cat([value.flatten() for value in values.values()]).norm())
            own = torch.stack([length, predicted, *(state[key].double() for key in ("damping", "refused"))])
            numbers = torch.cat([totals, judged, own]).tolist()
            before, others_before, after, others_after, refusals, far, expected, held, self.refused = numbers
            if before == 0 or not math.isfinite(before):
                return before
            finite = math.isfinite(after) and math.isfinite(others_after)
            no = refusals > 0 or not finite or far > _LONGEST or others_after > _WORSE * max(others_before, before)
            was_refused = was_refused or (no and not math.isnan(expected))  # that is of no step at all
            if not no and after < before:
                ratio = (before - after) / max(expected, 1e-300)
                held *= 1 / group["decrease"] if ratio > _GOOD else 2.0 if ratio < _POOR else 1.0
                if before - after <= _ROUNDING * before:  # at the minimum: luck, which says nothing of the damping
                    held = min(held, group["damping"])
                state["damping"].fill_(min(max(held, _SMALLEST), _GREATEST))
                state["refused"].zero_()
                self.refused = 0
                self._keep(end)
                return after
            held = min(held * group["increase"], _GREATEST)
            state["damping"].fill_(held)
        state["damping"].fill_(min(held, group["damping"]))  # this batch is at its minimum up to rounding
        if was_refused:
            state["refused"].add_(1)
            self.refused += 1
        return before

    def rehearse(self, module: nn.Module, states: Tensor) -> None:
        """The part of `advance` that takes its time, without a step."""
        group = self.param_groups[0]
        system = self._system(module, self.values(module), states, Alone())
        system.solve(system.trace * group["damping"], system.rows)

    def _system(self, module: nn.Module, values: Values, states: Tensor, processes: Processes) -> NormalEquations:
        group = self.param_groups[0]
        form = (group["solver"], group["iterations"], group["tolerance"], group["rank"])
        return normal_equations(module, values, states, processes, *form, self.linearise)

    def _judged(
        self,
        module: nn.Module,
        end: Values,
        states: Tensor,
        held_out: Tensor | None,
        allowed: Test | None,
        processes: Processes,
    ) -> Tensor:
        """Sums of squares after a step on the batch and on held-out states, and how many processes refuse it, `[3]`."""
        after = _squares(module, end, states)
        others = torch.zeros_like(after) if held_out is None else _squares(module, end, held_out)
        no = torch.zeros_like(after) if allowed is None else 1 - allowed(end).to(after.dtype)
        numbers = torch.stack([after, others, no])
        processes.sum_(numbers)
        return numbers

    def values(self, module: nn.Module) -> Values:
        """The parameters by the module's names, in its type, with what rounding has cut off of them."""
        names = [(name, p.dtype) for name, p in module.named_parameters() if p.requires_grad]
        values = {}
        for (name, dtype), parameter in zip(names, self.param_groups[0]["params"], strict=True):
            value = parameter.detach().to(dtype)
            if dtype != parameter.dtype and "remainder" in self.state[parameter]:
                value = value + self.state[parameter]["remainder"]
            values[name] = value
        return values

    @torch.no_grad()
    def _keep(self, end: Values) -> None:
        for parameter, value in zip(self.param_groups[0]["params"], end.values(), strict=True):
            parameter.copy_(value)
            if value.dtype != parameter.dtype:
                # both together hold the value to 48 bits, and fit a checkpoint, which keeps a parameter's type
                self.state[parameter]["remainder"] = (value - parameter).to(parameter.dtype)


@torch.no_grad()
def _squares(module: nn.Module, values: Values, states: Tensor) -> Tensor:
    return functional_call(module, values, (states,)).double().square().sum()
