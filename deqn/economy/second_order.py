"""The second-order solution of a model around its deterministic steady state, with the correction for risk.

The first-order rule takes the network's place, and the model's own equations are differentiated twice by automatic
differentiation: in the states, with shocks off, and in the size of all shocks. The terms of second order are those that make both
derivatives zero; how they follow is left to `deqn.numerics.second_order`.

A shock of size s leads from today to m_0 + s (m_i - m) + s^2 (m - m_0) at node i: m_i is next period's state there, m their mean
and m_0 next period's state without shocks. Size one is the model. Where the mean is moved by the variance, as that of e^eps is,
both are of second order.

Source: Schmitt-Grohé and Uribe (2004), Solving dynamic general equilibrium models using a second-order approximation to the
policy function, Journal of Economic Dynamics and Control 28(4), 755-775.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from deqn.economy.linear import LinearSolution, NoLinearSolution, at_steady_state, linearised
from deqn.economy.model import Model
from deqn.economy.steady_state import SteadyState, jacobian, replaced_policy, residuals, without_shocks
from deqn.numerics import second_order

_LEFT = 1e-6  # relative size of what the rule may leave of the equations' second derivatives


@dataclass(frozen=True)
class SecondOrderSolution:
    """Policies p* + P (x - x*) + H(x - x*, x - x*) / 2 + s / 2 around the steady state x*, p*; in float64, on the CPU.

    Attributes:
        linear: x*, p* and P.
        curvature: H, `[n_policies, n_states, n_states]`.
        risk: s, `[n_policies]`: second derivative of the policies in the size of all shocks; zero without shocks.
    """

    linear: LinearSolution
    curvature: Tensor
    risk: Tensor

    def policies(self, states: Tensor) -> Tensor:
        """`[*batch, n_states]` -> `[*batch, n_policies]`, as the quadratic rule has them: beyond bounds too."""
        away = states - self.linear.state.to(states)
        bend = torch.einsum("pij,...i,...j->...p", self.curvature.to(states), away, away)
        return self.linear.policies(states) + 0.5 * (bend + self.risk.to(states))


def second_order_solution(
    model: Model, found: SteadyState | None = None, near: Tensor | None = None
) -> SecondOrderSolution:
    """The second-order solution around a steady state.

    Equations must have second derivatives there. Variables are those of the model: where they are logs, it is one in logs.

    Args:
        found, near: as in `linear_solution`.

    Raises:
        NoLinearSolution: where there is no linear solution, and where the equations have no second-order one.

    Example:
        >>> import deqn
        >>> solution = second_order_solution(deqn.load_model("stochastic_growth"))
        >>> [round(float(x), 3) for x in (solution.curvature[0, 0, 0], solution.linear.state[0])]
        [-1.212, 0.19]
    """
    return at_steady_state(model, _solve, found, near)


def _solve(model: Model, steady: SteadyState) -> SecondOrderSolution:
    linear = linearised(model, steady)
    x, p = linear.state, linear.policy
    x_unit, p_unit = x.abs().clamp(min=0.1), p.abs().clamp(min=0.1)  # all that follows is in these units
    P, T = linear.slopes * x_unit / p_unit[:, None], linear.transition * x_unit / x_unit[:, None]
    with without_shocks(model):
        F_p, F_q, G_p = _slopes_in_policies(model, x, p, x_unit, p_unit)
        size = torch.maximum(F_p.abs(), F_q.abs()).amax(1).clamp(min=1e-300)

        def of_states(z: Tensor) -> Tensor:
            states = x + x_unit * z
            return residuals(model, states, linear.policies(states)) / size

        with replaced_policy(model, linear.policies):
            R = hessian(of_states, torch.zeros_like(x))
    F_p, F_q = F_p / size[:, None], F_q / size[:, None]
    A = F_p + F_q @ P @ G_p
    H = torch.as_tensor(second_order.curvature(*(part.numpy() for part in (A, F_q, T, R))))
    left = R + torch.einsum("ep,pij->eij", A, H) + torch.einsum("ep,pab,ai,bj->eij", F_q, H, T, T)
    _refuse(left, R, "in the states")
    quadratic = SecondOrderSolution(linear, H * p_unit[:, None, None] / x_unit[:, None] / x_unit, torch.zeros_like(p))
    of_size = _of_size(model, quadratic)
    R_s = hessian(lambda z: of_size(z) / size, x.new_zeros(1))[:, 0, 0]
    s = torch.as_tensor(second_order.risk(A.numpy(), F_q.numpy(), R_s.numpy()))
    _refuse(R_s + (A + F_q) @ s, R_s, "in the size of shocks")
    return replace(quadratic, risk=s * p_unit)


def _slopes_in_policies(
    model: Model, x: Tensor, p: Tensor, x_unit: Tensor, p_unit: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Of the residuals in today's and in tomorrow's policies, `[equations, n_policies]`, and of tomorrow's states in today's."""
    n, m = len(x), len(p)
    held: list[Tensor] = []

    def function(z: Tensor) -> Tensor:
        own, later = ((p + p_unit * part) for part in z.split([m, m], dim=-1))
        held[:] = [later]
        states = x.expand(len(z), -1)
        step = model.expectations.next_states(states, own, 1)[0]
        return torch.cat([step / x_unit, residuals(model, states, own)], dim=-1)

    with replaced_policy(model, lambda states: held[0]):
        slopes = jacobian(function, x.new_zeros(2 * m))
    return slopes[n:, :m], slopes[n:, m:], slopes[:n, :m]


def _of_size(model: Model, rule: SecondOrderSolution) -> Callable[[Tensor], Tensor]:
    """The residuals at the steady state, of the size of all shocks: `[rows, 1]` -> `[rows, equations]`."""
    x, p = rule.linear.state[None], rule.linear.policy[None]
    expectations = model.expectations
    expectations.drawn = False  # the nodes of Dynamics.py, whatever training takes
    probs = expectations.probabilities(x, p)
    then = expectations.next_states(x, p, len(probs))  # [nodes, 1, n_states]
    mean = (probs[..., None] * then).sum(0)
    held: list[Tensor] = []

    def next_states(state: Tensor, policy_state: Tensor, nodes: int) -> Tensor:
        return x + held[0] * (then - mean) + held[0] ** 2 * (mean - x)

    def function(scale: Tensor) -> Tensor:
        held[:] = [scale]
        expectations.next_states = next_states  # type: ignore[method-assign]
        try:
            with replaced_policy(model, rule.policies):
                return residuals(model, x.expand(len(scale), -1), p.expand(len(scale), -1))
        finally:
            del expectations.next_states

    return function


def hessian(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Second derivatives `[outputs, inputs, inputs]` at `[inputs]` of a function of rows: two backward passes for each output."""
    n = len(x)
    with torch.no_grad():
        outputs = function(x[None]).shape[-1]
    found = x.new_zeros(outputs, n, n)
    for i in range(outputs):
        rows = x.expand(n, -1).clone().requires_grad_()
        slopes = torch.autograd.grad(function(rows)[:, i].sum(), rows, create_graph=True)[0]
        if slopes.requires_grad:  # not where the function is linear
            found[i] = torch.autograd.grad(slopes.diagonal().sum(), rows)[0]
    return found


def _refuse(left: Tensor, whole: Tensor, where: str) -> None:
    """Where the second derivatives are not finite, or no rule makes them zero."""
    if not bool(torch.isfinite(whole).all()):
        raise NoLinearSolution(f"the second derivatives {where} are not finite at the steady state")
    if not float(left.abs().max()) < _LEFT * (1 + float(whole.abs().max())):
        raise NoLinearSolution(
            f"no second-order solution: no rule makes the second derivatives {where} of all equations zero; the largest that is "
            f"left is {float(left.abs().max()):.1g}"
        )
