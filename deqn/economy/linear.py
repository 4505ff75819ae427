"""The first-order solution of a model around its deterministic steady state.

Derivatives of the model's own equations and law of motion are taken by automatic differentiation, with shocks off: to the first
order, their size does not matter (certainty equivalence). Tomorrow's policies are variables of their own; which rule they
follow is left to `deqn.numerics.first_order`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from deqn.economy.files import describe
from deqn.economy.model import Model
from deqn.economy.rehearsal import starting_states
from deqn.economy.steady_state import (
    LARGEST,
    SteadyState,
    jacobian,
    replaced_policy,
    residuals,
    steady_state,
    steady_state_near,
    without_shocks,
)
from deqn.numerics.first_order import NoRule, describe_roots, stable_rule

_STEP = 1e-6  # relative; of the differences in which a kink shows
_KINK = 1e-3  # relative jump of a slope that is no curvature at this step
_EXACT = 1e-6  # relative size of what the rule may leave of the equations' slope
_Solution = TypeVar("_Solution")
_DRAWN = 32  # initial states whose values are tried in a state without a slope


class NoLinearSolution(Exception):
    """A model has no linear solution, for the reason given."""


@dataclass(frozen=True)
class LinearSolution:
    """Policies p* + P (x - x*) around the steady state x*, p*; in float64, on the CPU.

    Attributes:
        state, policy: x* `[n_states]` and p* `[n_policies]`.
        slopes: P, `[n_policies, n_states]`.
        transition: x' - x* = transition (x - x*), `[n_states, n_states]`.
        roots: generalised eigenvalues, smallest modulus first: the first n_states are those of the transition.
    """

    state: Tensor
    policy: Tensor
    slopes: Tensor
    transition: Tensor
    roots: np.ndarray

    def policies(self, states: Tensor) -> Tensor:
        """`[*batch, n_states]` -> `[*batch, n_policies]`, as the linear rule has them: beyond bounds too."""
        state, policy, slopes = (x.to(states) for x in (self.state, self.policy, self.slopes))
        return policy + (states - state) @ slopes.T

    def __str__(self) -> str:
        return f"one stable solution; {describe_roots(self.roots)}"


def linear_solution(model: Model, found: SteadyState | None = None, near: Tensor | None = None) -> LinearSolution:
    """The linear solution around a steady state.

    It is computed on a copy of the model in float64, whose states and policies have no bounds: one that touches the steady
    state, such as zero for a multiplier, is no kink of the economy. Bounds of definitions stay.

    Args:
        found: the steady state, if it is known.
        near: else a state `[1, n_states]` from which alone it is looked for, with the network's policy there.

    Raises:
        NoLinearSolution: with the reason: no steady state, a state that is an index, a kink, no stable solution or many,
            equations that look more than a period ahead.
    """
    return at_steady_state(model, linearised, found, near)


def at_steady_state(
    model: Model, solve: Callable[[Model, SteadyState], _Solution], found: SteadyState | None, near: Tensor | None
) -> _Solution:
    """`solve(copy, steady)` of a copy of the model in float64 and without bounds, and of its steady state to as many digits.

    Args:
        found, near: as in `linear_solution`.

    Raises:
        NoLinearSolution: with the reason.
    """
    entries = model.n_states + model.n_policies
    if entries > LARGEST:
        raise NoLinearSolution(f"{entries:,} entries of states and policies; it is looked for with up to {LARGEST}")
    if found is None:
        found = steady_state(model) if near is None else steady_state_near(model, near)
    if found is None:
        raise NoLinearSolution("no steady state was found" + (" that all starts agree on" if near is None else ""))
    try:
        with torch.device("cpu"):  # whatever the caller's
            copy = _copy(model)
            exact = steady_state_near(copy, found.state.double().cpu(), found.policy.double().cpu())
            if exact is None:
                raise NoLinearSolution("the steady state cannot be found to more digits, in float64")
            with copy.context():
                return solve(copy, exact)
    except NoRule as error:
        raise NoLinearSolution(str(error)) from error
    except NoLinearSolution:
        raise
    except Exception as error:  # of the model's files, which were written for float32
        raise NoLinearSolution(f"the model's files fail in float64: {describe(error)}") from error


def _copy(model: Model) -> Model:
    """The model in float64, on the CPU, without bounds of states and policies."""
    copy = model.linked_in_float64("cpu")
    copy.Globals.__dict__.update(model.Globals.__dict__)
    copy.expectations.stacked_step = model.expectations.stacked_step
    copy.expectations.stacked_function = model.expectations.stacked_function
    without_bounds(copy)
    return copy


def without_bounds(model: Model) -> None:
    """The model's files see states and policies as they are from here on, not cut to their bounds."""
    for accessors, columns in ((model.State, model.state_columns), (model.PolicyState, model.policy_columns)):
        for column in columns:
            accessors.__dict__[column.name] = column.raw


def linearised(model: Model, steady: SteadyState) -> LinearSolution:
    """The linear solution of a model in float64, without bounds, around its steady state."""
    with without_shocks(model):
        return _linearised(model, steady)


def _linearised(model: Model, steady: SteadyState) -> LinearSolution:
    n, m = model.n_states, model.n_policies
    centre = torch.cat([steady.state, steady.policy, steady.policy], dim=-1)[0]
    unit = centre.abs().clamp(min=0.1)
    held: list[Tensor] = []

    def function(z: Tensor) -> Tensor:
        """Tomorrow's states and the residuals, of today's states and policies and tomorrow's policies: `[rows, n + 2 m]`."""
        state, policy, later = (centre + unit * z).split([n, m, m], dim=-1)
        held[:] = [later]
        step = model.expectations.next_states(state, policy, 1)[0]
        return torch.cat([(step - state) / unit[:n], residuals(model, state, policy)], dim=-1)

    with replaced_policy(model, lambda states: held[0]):
        slopes = jacobian(function, torch.zeros_like(centre))
        labels = _labels(model)
        finite = torch.isfinite(slopes).all(0)
        if not bool(finite.all()):
            first = labels[int((~finite).nonzero()[0])]
            raise NoLinearSolution(f"the derivative in {first} is not finite at the steady state")
        size = slopes[n:].abs().amax(1, keepdim=True).clamp(min=1e-300)
        slopes[n:] /= size
        _refuse_kinks(model, function, slopes, size, labels)
        _refuse_jumps(model, function, slopes, centre, unit)
    F, G = slopes[n:].numpy(), slopes[:n].numpy()
    rule = stable_rule(F[:, :n], F[:, n : n + m], F[:, n + m :], G[:, :n] + np.eye(n), G[:, n : n + m])
    x, p = unit[:n], unit[n : n + m]
    solution = LinearSolution(
        steady.state[0],
        steady.policy[0],
        torch.as_tensor(rule.policy) * p[:, None] / x,
        torch.as_tensor(rule.transition) * x[:, None] / x,
        rule.roots,
    )
    _refuse_far_sighted(model, solution, x, size)
    return solution


def _refuse_kinks(
    model: Model, function: Callable[[Tensor], Tensor], slopes: Tensor, size: Tensor, labels: list[str]
) -> None:
    """Where slopes to the left and to the right differ, no linear rule describes both sides."""
    steps = _STEP * torch.eye(slopes.shape[1], dtype=slopes.dtype)
    with torch.no_grad():
        right, left, here = function(steps), function(-steps), function(torch.zeros_like(steps[:1]))
    jump = (right - 2 * here + left).T / _STEP
    jump[len(slopes) - len(size) :] /= size
    if not bool((jump.abs() < _KINK).all()):
        row, column = (~(jump.abs() < _KINK)).nonzero()[0].tolist()
        raise NoLinearSolution(
            f"{_row(model, row)} has a kink in {labels[column]} at the steady state: a constraint is about to bind there"
        )


def _refuse_jumps(
    model: Model, function: Callable[[Tensor], Tensor], slopes: Tensor, centre: Tensor, unit: Tensor
) -> None:
    """A regime that is an index, or is compared with numbers, has a slope of zero, and yet the equations change with it."""
    n = model.n_states
    drawn = starting_states(model, _DRAWN)
    own = slopes[:, :n].clone()
    own[:n] += torch.eye(n, dtype=slopes.dtype)  # of tomorrow's states, not of their change
    for i in (~own.any(0)).nonzero()[:, 0].tolist():
        moved = torch.zeros(_DRAWN + 1, len(centre), dtype=slopes.dtype)
        moved[1:, i] = (drawn[:, i] - centre[i]) / unit[i]
        with torch.no_grad():
            values = function(moved)
        values[:, i] += moved[:, i]
        if not bool(((values - values[0]).abs() < _EXACT).all()):
            raise NoLinearSolution(
                f"the equations change in jumps with state {_labels(model)[i]}: it is an index, or compared with numbers, "
                "and they have no slope in it"
            )


def _refuse_far_sighted(model: Model, solution: LinearSolution, unit: Tensor, size: Tensor) -> None:
    """With the rule in place of the network, the equations must not change around the steady state."""

    def function(z: Tensor) -> Tensor:
        states = solution.state + unit * z
        return residuals(model, states, solution.policies(states))

    with replaced_policy(model, solution.policies):
        left = jacobian(function, torch.zeros_like(unit)) / size
    scale = 1 + float((solution.slopes * unit).abs().max())
    if not float(left.abs().max()) < _EXACT * scale:
        raise NoLinearSolution(
            f"the equations look more than one period ahead: with the rule, a slope of {float(left.abs().max()):.1g} is left"
        )


def _labels(model: Model) -> list[str]:
    states, policies = (
        [label for column in columns for label in column.labels]
        for columns in (model.state_columns, model.policy_columns)
    )
    return [*states, *policies, *(f"{label} of next period" for label in policies)]


def _row(model: Model, row: int) -> str:
    if row < model.n_states:
        return f"the law of motion of {_labels(model)[row]}"
    return f"equation {row - model.n_states + 1}"
