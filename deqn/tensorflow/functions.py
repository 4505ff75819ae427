"""Elementwise functions and reductions with TensorFlow's arguments: numbers, lists and arrays are tensors, too.

Every function takes and ignores `name`. Source: TensorFlow 2 API, tensorflow.org.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from deqn.tensorflow.tensors import convert, counted, integers, pair

Function = Callable[..., Any]


def one(function: Callable[[Tensor], Tensor]) -> Function:
    """A function of one tensor of any shape."""

    def apply(x: Any, name: str | None = None) -> Tensor:
        return function(x if isinstance(x, Tensor) else convert(x))

    return apply


def two(function: Callable[[Tensor, Tensor], Tensor]) -> Function:
    """A function of two tensors whose shapes broadcast."""

    def apply(x: Any, y: Any, name: str | None = None) -> Tensor:
        return function(*pair(x, y))

    return apply


def _sign(x: Tensor) -> Tensor:
    return torch.where(x.isnan(), x, torch.sign(x)) if x.is_floating_point() else torch.sign(x)


def _divide_no_nan(x: Tensor, y: Tensor) -> Tensor:
    safe = torch.where(y == 0, torch.ones_like(y), y)
    return torch.where(y == 0, torch.zeros_like(x), x / safe)


def _xlogy(x: Tensor, y: Tensor) -> Tensor:
    return torch.xlogy(x, y)


def _squared_difference(x: Tensor, y: Tensor) -> Tensor:
    return torch.square(x - y)


def _multiply_no_nan(x: Tensor, y: Tensor) -> Tensor:
    return torch.where(y == 0, torch.zeros_like(x * y), x * y)


ONE: dict[str, Function] = {
    name: one(function)
    for name, function in {
        "abs": torch.abs, "acos": torch.acos, "acosh": torch.acosh, "asin": torch.asin, "asinh": torch.asinh,
        "atan": torch.atan, "atanh": torch.atanh, "ceil": torch.ceil, "cos": torch.cos, "cosh": torch.cosh,
        "digamma": torch.digamma, "erf": torch.erf, "erfc": torch.erfc, "erfinv": torch.erfinv, "exp": torch.exp,
        "expm1": torch.expm1, "floor": torch.floor, "is_finite": torch.isfinite, "is_inf": torch.isinf,
        "is_nan": torch.isnan, "lgamma": torch.lgamma, "log": torch.log, "log1p": torch.log1p,
        "log_sigmoid": F.logsigmoid, "logical_not": torch.logical_not, "ndtri": torch.special.ndtri,
        "negative": torch.neg, "reciprocal": torch.reciprocal, "rint": torch.round, "round": torch.round,
        "rsqrt": torch.rsqrt, "sigmoid": torch.sigmoid, "sign": _sign, "sin": torch.sin, "sinh": torch.sinh,
        "softplus": lambda x: F.softplus(x, threshold=80.0), "softsign": F.softsign, "sqrt": torch.sqrt,
        "square": torch.square, "tan": torch.tan, "tanh": torch.tanh, "stop_gradient": torch.detach,
        "relu": F.relu, "relu6": F.relu6, "elu": F.elu, "selu": F.selu, "silu": F.silu, "swish": F.silu,
        "identity": lambda x: x.clone(),
    }.items()
}  # fmt: skip

_OF_TWO: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.true_divide,
    "truediv": torch.true_divide, "floordiv": torch.floor_divide, "mod": torch.remainder,
    "floormod": torch.remainder, "pow": torch.pow, "maximum": torch.maximum, "minimum": torch.minimum,
    "atan2": torch.atan2, "divide_no_nan": _divide_no_nan, "multiply_no_nan": _multiply_no_nan,
    "xlogy": _xlogy, "squared_difference": _squared_difference, "equal": torch.eq, "not_equal": torch.ne,
    "greater": torch.gt, "greater_equal": torch.ge, "less": torch.lt, "less_equal": torch.le,
    "logical_and": torch.logical_and, "logical_or": torch.logical_or, "logical_xor": torch.logical_xor,
}  # fmt: skip
TWO: dict[str, Function] = {name: two(function) for name, function in _OF_TWO.items()}


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Tensor:
    """`t` cut to [min, max], which may be numbers or tensors that broadcast."""
    low, high = (
        x if isinstance(x, int | float) else convert(x) for x in (clip_value_min, clip_value_max)
    )  # fmt: skip
    return _cut(_cut(convert(t), low, torch.maximum), high, torch.minimum)


def _cut(t: Tensor, bound: Any, function: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    if isinstance(bound, Tensor):
        return function(t, bound.to(t.dtype))
    return t.clamp(min=bound) if function is torch.maximum else t.clamp(max=bound)


def leaky_relu(features: Any, alpha: float = 0.2, name: str | None = None) -> Tensor:
    return F.leaky_relu(convert(features), alpha)


def gelu(features: Any, approximate: bool = False, name: str | None = None) -> Tensor:
    return F.gelu(convert(features), approximate="tanh" if approximate else "none")


def softmax(logits: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    return torch.softmax(convert(logits), -1 if axis is None else int(axis))


def log_softmax(logits: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    return torch.log_softmax(convert(logits), -1 if axis is None else int(axis))


def add_n(inputs: Any, name: str | None = None) -> Tensor:
    total = convert(inputs[0])
    for entry in inputs[1:]:
        total = total + convert(entry)
    return total


# -- reductions: over all entries where `axis` is None ------------------------------------------------------------


def _axes(x: Tensor, axis: Any) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axis is None else tuple(integers(axis))


def _sum(x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    return torch.sum(x, axes, keepdim=keepdims, dtype=x.dtype)


def _mean(x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    if x.is_floating_point():
        return torch.mean(x, axes, keepdim=keepdims)
    n = _sum(torch.ones_like(x), axes, keepdims)
    return torch.div(_sum(x, axes, keepdims), n, rounding_mode="trunc")  # an integer, as there


def _prod(x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    for axis in sorted((counted(axis, x) for axis in axes), reverse=True):
        x = torch.prod(x, axis, keepdim=keepdims, dtype=x.dtype)
    return x


def _variance(x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    return torch.var(x, axes, correction=0, keepdim=keepdims)


def _std(x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    return torch.std(x, axes, correction=0, keepdim=keepdims)


def reduction(function: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> Function:
    """A function of a tensor, an axis (or several; None: all) and keepdims."""

    def apply(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
        x = convert(input_tensor)
        axes = _axes(x, axis)
        return function(x, axes, keepdims) if axes else x

    return apply


REDUCTIONS: dict[str, Function] = {
    f"reduce_{name}": reduction(function)
    for name, function in {
        "sum": _sum, "mean": _mean, "prod": _prod, "variance": _variance, "std": _std,
        "max": lambda x, axes, keep: torch.amax(x, axes, keepdim=keep),
        "min": lambda x, axes, keep: torch.amin(x, axes, keepdim=keep),
        "any": lambda x, axes, keep: torch.any(x, axes, keepdim=keep),
        "all": lambda x, axes, keep: torch.all(x, axes, keepdim=keep),
        "logsumexp": lambda x, axes, keep: torch.logsumexp(x, axes, keepdim=keep),
        "euclidean_norm": lambda x, axes, keep: torch.sqrt(_sum(torch.square(x), axes, keep)),
    }.items()
}  # fmt: skip


def _cumulative(function: Callable[[Tensor, int], Tensor], neutral: float) -> Function:
    def apply(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Tensor:
        x = convert(x)
        axis = counted(axis, x)
        x = x.flip(axis) if reverse else x
        if exclusive:
            first = torch.full_like(x.narrow(axis, 0, 1), neutral)
            x = torch.cat([first, x.narrow(axis, 0, x.shape[axis] - 1)], axis)
        result = function(x, axis).to(x.dtype)
        return result.flip(axis) if reverse else result

    return apply


cumsum = _cumulative(torch.cumsum, 0.0)
cumprod = _cumulative(torch.cumprod, 1.0)


def argmax(input: Any, axis: int | None = None, output_type: Any = torch.int64, name: str | None = None) -> Tensor:
    """Where the largest entry is, along the first axis where none is given."""
    return torch.argmax(convert(input), 0 if axis is None else int(axis)).to(output_type)


def argmin(input: Any, axis: int | None = None, output_type: Any = torch.int64, name: str | None = None) -> Tensor:
    return torch.argmin(convert(input), 0 if axis is None else int(axis)).to(output_type)


def sort(values: Any, axis: int = -1, direction: str = "ASCENDING", name: str | None = None) -> Tensor:
    return torch.sort(convert(values), int(axis), descending=direction == "DESCENDING")[0]


def argsort(
    values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False, name: str | None = None
) -> Tensor:
    descending = direction == "DESCENDING"
    return torch.argsort(convert(values), dim=int(axis), descending=descending, stable=True).to(torch.int32)


def top_k(input: Any, k: int = 1, sorted: bool = True, name: str | None = None) -> tuple[Tensor, Tensor]:
    values, indices = torch.topk(convert(input), int(k), sorted=sorted)
    return values, indices.to(torch.int32)


def searchsorted(sorted_sequence: Any, values: Any, side: str = "left", name: str | None = None) -> Tensor:
    edges, x = pair(sorted_sequence, values)
    return torch.searchsorted(edges, x.contiguous(), side=side).to(torch.int32)


def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None) -> Tensor:
    x = convert(x)
    return x * torch.rsqrt(_sum(torch.square(x), _axes(x, axis), True).clamp(min=epsilon))
