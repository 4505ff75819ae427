"""Policies in the model's own units: `around` and `scale` of a policy in the YAML file.

What a network gives is of the order of one. With `around` and `scale`, an output x moves a policy by scale * x near the
value `around`, which output zero gives exactly; its activation holds all the while.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deqn.configuration.schema import PolicyVariable
from deqn.economy.columns import Column
from deqn.economy.named_values import named_value
from deqn.errors import ConfigError

Function = Callable[[Tensor], Tensor]

_FARTHEST = 700.0  # input of an activation; exp of more is not finite
_HALVINGS = 200
_FLAT = 1e-6  # relative change of an activation over two units of its input: float32 sees no more


class Units(nn.Module):
    """Network outputs `[batch, n_policies]` as inputs of the policies' activations: shift + slope * output."""

    shift: Tensor
    slope: Tensor

    def __init__(self, shift: Tensor, slope: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift, persistent=False)  # the configuration has them
        self.register_buffer("slope", slope, persistent=False)

    def forward(self, outputs: Tensor) -> Tensor:
        return self.shift + self.slope * outputs


class Implied:
    """Activation `implied`: a sigmoid between both bounds, numbers or one for each entry `[entries]`."""

    def __init__(self, lower: float | Tensor, upper: float | Tensor) -> None:
        self.lower, self.upper = lower, upper

    def __call__(self, x: Tensor) -> Tensor:
        lower, upper = (b.to(x) if isinstance(b, Tensor) else b for b in (self.lower, self.upper))
        return lower + (upper - lower) * torch.sigmoid(x)


class Relative(nn.Module):
    """Activation `relative`: around * exp(scale * output), so that output zero gives `around` to the last bit.

    Args:
        around, scale: `[entries]`, one for each entry of the policy.
    """

    around: Tensor
    scale: Tensor

    def __init__(self, around: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("around", around, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.around * torch.exp(self.scale * x)


def relative(variable: PolicyVariable, column: Column, constants: Mapping[str, Any], where: str) -> Relative:
    """The activation of a policy that moves by shares of `around`.

    Raises:
        ConfigError: where `around` is missing or zero, or `scale` is not above zero.
    """
    if variable.around is None:
        raise ConfigError(f"{where}: activation `relative` needs `around`, the value that it moves away from.")
    around = named_value(variable.around, column.shape, constants, f"{where}.around").flatten()
    scale = _positive(variable.scale if variable.scale is not None else 1.0, column, constants, f"{where}.scale")
    if bool((around == 0).any()):
        raise ConfigError(f"{where}.around = {variable.around!r}: a policy that moves by shares of zero never moves.")
    _within(around, column, f"{where}.around = {variable.around!r}")
    return Relative(around, scale)


def _within(around: Tensor, column: Column, what: str) -> None:
    if not column.bound.flat.holds(around):
        raise ConfigError(f"{what} lies beyond the policy's bounds: {_listed(around)}.")


def _positive(given: Any, column: Column, constants: Mapping[str, Any], where: str) -> Tensor:
    scale = named_value(given, column.shape, constants, where).flatten()
    if bool((scale <= 0).any()):
        raise ConfigError(f"{where} = {given!r}: expected what is above zero, got {_listed(scale)}.")
    return scale


def units(
    variables: Sequence[PolicyVariable],
    columns: Sequence[Column],
    functions: Sequence[Function | None],
    constants: Mapping[str, Any],
) -> Units | None:
    """Shift and slope of all outputs; None where no policy has `around` or `scale`.

    Args:
        functions: the activation of each policy; None for none.
        constants: by name, those of Calibration.py too.

    Raises:
        ConfigError: where a value is wrong, or no output gives it.
    """
    moved = [v for v in variables if v.activation != "relative" and (v.around is not None or v.scale is not None)]
    if not moved:
        return None
    shift = torch.zeros(columns[-1].stop, dtype=torch.float64, device="cpu")
    slope = torch.ones_like(shift)
    for i, (variable, column, function) in enumerate(zip(variables, columns, functions, strict=True)):
        here, where = slice(column.start, column.stop), f"variables.policies[{i}] {variable.name!r}"
        if variable not in moved:
            continue
        if variable.around is not None:
            around = named_value(variable.around, column.shape, constants, f"{where}.around").flatten()
            _within(around, column, f"{where}.around = {variable.around!r}")
            shift[here] = around if function is None else _inverse(function, around, f"{where}.around")
        if variable.scale is not None:
            scale = _positive(variable.scale, column, constants, f"{where}.scale")
            slope[here] = scale if function is None else scale / _derivative(function, shift[here], f"{where}.scale")
    return Units(shift, slope)


def _inverse(function: Function, values: Tensor, where: str) -> Tensor:
    """Inputs `[n]` at which an activation gives the values, by bisection from zero outwards; in float64."""
    _refuse_others(function, where)
    there = values.device  # not the model's: numbers of the configuration are on the CPU
    size = torch.cat([torch.zeros(1, device=there), torch.logspace(-6, 0, 400, device=there)]).double() * _FARTHEST
    grid = torch.cat([-size.flip(0)[:-1], size])
    with torch.no_grad():
        above = function(grid[:, None].expand(-1, len(values))) >= values  # [grid, n]
        changes = above[1:] != above[:-1]
        if not bool(changes.any(0).all()):
            missing = values[~changes.any(0)]
            raise ConfigError(f"{where}: the policy's activation never gives {_listed(missing)}.")
        farness = (grid[1:] + grid[:-1]).abs()[:, None]
        nearest = torch.where(changes, farness, torch.inf).argmin(0)
        low, high, left = grid[nearest], grid[nearest + 1], above.gather(0, nearest[None])[0]
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            same = (function(middle[None])[0] >= values) == left
            low, high = torch.where(same, middle, low), torch.where(same, high, middle)
        inputs = torch.where(
            (function(low[None])[0] - values).abs() < (function(high[None])[0] - values).abs(), low, high
        )
        found, beside = function(inputs[None])[0], [function(inputs[None] + step)[0] for step in (-1, 1)]
    flat = (beside[1] - beside[0]).abs() < _FLAT * values.abs()
    if bool(flat.any()):
        raise ConfigError(
            f"{where}: the policy's activation is flat where it gives {_listed(values[flat])}: take a value further in."
        )
    if not torch.allclose(found, values, rtol=1e-6, atol=1e-9):
        raise ConfigError(f"{where}: the policy's activation never gives {_listed(values)}; it jumps there.")
    return inputs


def _derivative(function: Function, inputs: Tensor, where: str) -> Tensor:
    """Slope `[n]` of an activation at inputs `[n]`."""
    _refuse_others(function, where)
    with torch.enable_grad():
        x = inputs.detach().clone()[None].requires_grad_()
        slope = torch.autograd.grad(function(x).sum(), x)[0][0]
    if not bool((torch.isfinite(slope) & (slope != 0)).all()):
        raise ConfigError(f"{where}: the policy's activation is flat there. Give `around`, a value where it is not.")
    return slope


def _refuse_others(function: Function, where: str) -> None:
    if not isinstance(function, Implied) and not is_elementwise(function):
        raise ConfigError(
            f"{where}: the policy's activation makes each entry of all of them, as softmax does, so that it has no inverse. "
            "Leave it out, or give another activation."
        )


def _listed(values: Tensor) -> str:
    return ", ".join(f"{float(value):.6g}" for value in values[:4]) + (", ..." if len(values) > 4 else "")


def is_elementwise(function: Function) -> bool:
    """Whether each number that the function gives depends on its own number alone."""
    x = torch.linspace(-1.5, 2.0, 12).reshape(2, 6)
    try:
        whole, parts = function(x), torch.cat([function(x[:, :2]), function(x[:, 2:])], dim=-1)
        return bool(torch.allclose(whole, parts, rtol=1e-4, atol=1e-6, equal_nan=True))
    except Exception:  # it takes no such shape, so that it cannot be elementwise
        return False
