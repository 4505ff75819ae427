"""A number that an equation determines, such as the price that clears a market, and its gradient.

Sources: bisection and the Illinois rule: Dowell and Jarratt (1971), A modified regula falsi method for computing the root of an
equation, BIT 11, 168-174. The gradient: the implicit function theorem, as in Christianson (1994), Reverse accumulation and
attractive fixed points, Optimization Methods and Software 3, 311-326.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def root(
    function: Callable[[Tensor], Tensor], lower: Tensor, upper: Tensor, iterations: int = 60, derivatives: int = 2
) -> Tensor:
    """The x between `lower` and `upper` at which `function` is zero, for each entry by itself.

    What `function` depends on beside x, for example the network's policies, gets the gradient of x by the implicit function
    theorem: nothing is differentiated but the function at the root. The number of evaluations is fixed, so a GPU is not waited
    for, and gradients state by state (least squares) work.

    Args:
        function: maps `[...]` to `[...]`, continuous; entry i depends on entry i of x alone. It has one sign at `lower` and the
            other at `upper`.
        lower, upper: `[...]`. Where the signs are the same, there is no bracket: the end with the smaller |function|
            comes back, and has no gradient.
        iterations: evaluations of `function`; 60 give all digits of float64 also where it is far from linear.
        derivatives: how many derivatives of x are exact. Each takes an evaluation that is differentiated: training needs one
            derivative, the second-order solution two.

    Returns:
        `[...]`, in the type of `lower`.

    Example:
        >>> supply = torch.tensor([0.5, 3.0], requires_grad=True)
        >>> price = root(lambda p: 3 / p - supply, torch.full((2,), 0.1), torch.full((2,), 10.0))
        >>> [round(x, 5) for x in price.tolist()]
        [6.0, 1.0]
    """
    with torch.no_grad():
        low, high = torch.broadcast_tensors(lower, upper)
        at_low, at_high = function(low), function(high)
        nearer = torch.where(at_low.abs() <= at_high.abs(), low, high)
        bracketed = at_low.sign() * at_high.sign() <= 0
        for i in range(iterations):
            # a secant through both ends, and now and then the middle, which halves the bracket whatever the function
            secant = low - at_low * (high - low) / torch.where(
                at_high == at_low, torch.ones_like(low), at_high - at_low
            )
            middle = 0.5 * (low + high)
            inside = (secant > low) & (secant < high) & (i % 3 != 2)
            x = torch.where(inside, secant, middle)
            value = function(x)
            left = value.sign() == at_low.sign()
            # the end that stays counts half: else the secant would go on ending on the same side (Illinois)
            at_low, at_high = torch.where(left, value, 0.5 * at_low), torch.where(left, 0.5 * at_high, value)
            low, high = torch.where(left, x, low), torch.where(left, high, x)
        x = torch.where(bracketed, torch.where(at_low.abs() <= at_high.abs(), low, high), nearer)
    x = x.detach()
    slope = torch.func.grad(lambda y: function(y).sum())(x).detach()
    found, slope = bracketed & (slope != 0), torch.where(slope == 0, torch.ones_like(slope), slope)
    # Newton's step has the gradient of the root, and mends its last digits. With the slope held fixed, each further step makes
    # the next derivative exact: what a step leaves is of the next order in a change of what the function depends on
    for _ in range(derivatives):
        x = torch.where(found, x - function(x) / slope, x)
    return x
