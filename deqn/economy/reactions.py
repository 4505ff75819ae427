"""Which equations react to policies: residuals at policies drawn within their bounds, today's and tomorrow's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from deqn.economy.columns import Column
from deqn.economy.model import Model

_NEAR = (
    1e-4  # a step of this share of a policy's range changes a residual by less than the range does, or it is rounding
)
_ROUNDING = 8.0


def inert(
    model: Model, evaluate: Callable[[Tensor], dict[str, Tensor]], policies: Tensor, columns: Sequence[Column]
) -> dict[str, float]:
    """Equations that stay the same, but for rounding, whatever values some policies have; with the largest |residual|.

    Rounding is told from a reaction without a scale: in relative terms, a tiny step changes it as much as one across the
    whole range.

    Args:
        evaluate: residuals of today's policies, at states that stay the same.
        policies: `[batch, n_policies]`, of the network.
        columns: the policies that are moved.
    """
    signs = model.network.signs()
    one, near, other = (
        _residuals(model, evaluate, policies, partial(_moved, columns=columns, signs=signs, seed=seed, shift=shift))
        for seed, shift in ((0, 0.0), (0, _NEAR), (1, 0.0))
    )
    result = {}
    for name, residual in one.items():
        far = _distance(residual, other[name])
        if far is not None and far <= _ROUNDING * (_distance(residual, near[name]) or 0.0):
            result[name] = float(residual.abs().nan_to_num(nan=0.0).max())
    return result


def _residuals(
    model: Model,
    evaluate: Callable[[Tensor], dict[str, Tensor]],
    policies: Tensor,
    move: Callable[[Tensor], Tensor],
) -> dict[str, Tensor]:
    hook = model.network.register_forward_hook(lambda _, __, output: move(output))
    try:
        with torch.no_grad():
            return evaluate(move(policies))
    finally:
        hook.remove()


def _moved(policies: Tensor, columns: Sequence[Column], signs: Tensor, seed: int, shift: float) -> Tensor:
    """Policies `[*batch, n]`, some of them drawn within their bounds, or around their value on a side without one.

    Those that their activation keeps on one side of zero, by `signs` `[n]`, stay there.
    """
    generator = torch.Generator(device="cpu").manual_seed(seed)
    shares = 0.1 + 0.8 * torch.rand(policies.shape, generator=generator, device="cpu").to(policies) + shift
    result = policies.clone()
    for column in columns:
        here = slice(column.start, column.stop)
        bound = column.bound.flat
        value = bound.apply(policies[..., here])
        width = value.abs().clamp(min=1.0)
        low = value - width if bound.lower is None else torch.zeros_like(value) + bound.lower
        high = value + width if bound.upper is None else torch.zeros_like(value) + bound.upper
        sign, nearest = signs[here], 0.1 * value
        low = torch.where(sign > 0, torch.maximum(low, nearest), low)
        high = torch.where(sign < 0, torch.minimum(high, nearest), high)
        result[..., here] = low + shares[..., here] * (high - low)
    return result


def _distance(left: Tensor, right: Tensor) -> float | None:
    """Mean of |x - y| / (|x| + |y|) over what is finite, 0 for two zeros; None where nothing is finite."""
    share = ((left - right).abs() / (left.abs() + right.abs())).double()
    share = torch.where(left == right, 0.0, share)
    share = share[torch.isfinite(share)]
    return float(share.mean()) if share.numel() else None
