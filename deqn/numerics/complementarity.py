"""Conditions of the kind x >= 0, y >= 0, x y = 0 (a multiplier and its constraint) as one smooth-enough residual."""

from __future__ import annotations

import torch
from torch import Tensor

_CORNER = 1e-24  # keeps the gradient finite at x = y = 0


def fischer_burmeister(x: Tensor, y: Tensor, smoothing: float = 0.0) -> Tensor:
    """x + y - sqrt(x^2 + y^2): zero exactly where x >= 0, y >= 0 and x y = 0.

    With `smoothing` m, x + y - sqrt(x^2 + y^2 + 2 m^2): smooth, and zero where x > 0, y > 0 and x y = m^2.

    Where x + y > 0 it is written as 2 (x y - m^2) / (x + y + sqrt(...)), which does not cancel: a residual of 1e-6 beside
    savings of 100 would otherwise drown in the rounding of float32.

    Args:
        x, y: of shapes that broadcast; in comparable units: for positive ones the residual is 0.59 to 1 times the smaller.
        smoothing: m, in the same units.

    Sources:
        Fischer (1992), A special Newton-type optimization method, Optimization 24(3-4), 269-284; smoothed: Kanzow (1996), Some
        noninterior continuation methods for linear complementarity problems, SIAM Journal on Matrix Analysis and Applications
        17(4), 851-868.

    Example:
        >>> fischer_burmeister(torch.tensor([0.0, 2.0, -1.0]), torch.tensor([3.0, 2.0, 0.0]))
        tensor([ 0.0000,  1.1716, -2.0000])
    """
    root = torch.sqrt(x * x + y * y + (2 * smoothing**2 + _CORNER))
    positive = x + y > 0
    return torch.where(positive, 2 * (x * y - smoothing**2) / torch.where(positive, x + y + root, 1.0), x + y - root)


def between(gap: Tensor, above_lower: Tensor, below_upper: Tensor) -> Tensor:
    """Residual of a choice between two limits: zero where `gap` is zero inside, >= 0 at the lower one or <= 0 at the upper one.

    Args:
        gap: what is zero where no limit binds: positive where the choice would rather be lower, negative where higher.
        above_lower, below_upper: distances of the choice from its limits; negative beyond them. All in comparable units.

    Source: Billups (1995), Algorithms for complementarity problems and generalized equations, University of Wisconsin.

    Example:
        >>> gap, above, below = torch.tensor([0.0, 0.5, -0.5]), torch.tensor([1.0, 0.0, 4.0]), torch.tensor([3.0, 4.0, 0.0])
        >>> between(gap, above, below).abs() < 1e-6
        tensor([True, True, True])
    """
    return fischer_burmeister(-fischer_burmeister(-gap, below_upper), above_lower)
