"""Whether a model's definitions may be shared (`deqn/economy/sharing.py`): tried on a few states, with and without."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from deqn.economy.model import Model

Residuals = Callable[[Tensor, Tensor], dict[str, Tensor]]

_CALLS = 10  # that sharing saves, at least: fewer cost less than the bits of seeded runs are worth


def may_share(model: Model, residuals: Residuals, states: Tensor, policies: Tensor) -> bool:
    """Whether definitions that call others are often asked for again, and sharing leaves all numbers as they are.

    Args:
        residuals: by equation, at `[batch, n_states]` and `[batch, n_policies]`.
    """
    sharing = model.sharing
    sharing.on = False
    try:
        plain, gradient = _numbers(model, residuals, states, policies)
        with sharing.evaluation() as table:
            shared, with_sharing = _numbers(model, residuals, states, policies)
    except Exception:  # a value that is shared was differentiated without keeping its graph, or changed in place
        return False
    same = all(torch.equal(left.nan_to_num(), right.nan_to_num()) for left, right in zip(plain, shared, strict=True))
    same &= torch.allclose(gradient, with_sharing, rtol=1e-3, atol=1e-3 * float(gradient.abs().max()))
    return table.saved >= _CALLS and not table.is_changed and same


def _numbers(model: Model, residuals: Residuals, states: Tensor, policies: Tensor) -> tuple[list[Tensor], Tensor]:
    """A simulated period and the residuals; the gradient of their sum. The generator is put back."""
    policies, before = policies.clone().requires_grad_(), model.rng.get_state()
    found = [*residuals(states, policies).values()]
    total = torch.stack([residual.sum() for residual in found]).sum()
    (gradient,) = torch.autograd.grad(total, policies)
    with torch.no_grad():
        period = model.expectations.dynamics.total_step_random(states, policies.detach())
    model.rng.set_state(before)
    return [period, *found], gradient
