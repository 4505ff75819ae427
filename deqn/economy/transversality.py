"""What must vanish in the end: `transversality(state, policy_state)` of a model's Hooks.py.

Residuals of Euler equations are as small on a path that accumulates too much for ever as on the stationary one. Only the
condition at infinity, E[beta^t u'(C_t) K_{t+1}] -> 0, tells them apart (Kamihigashi 2001, Econometrica 69(4), 995-1012).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from deqn.economy.model import Model
from deqn.errors import ModelError


def terms(model: Model, states: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """By name: the discount factor from this period to the next, and the value that must vanish once discounted, `[n]` each.

    Empty where Hooks.py has no `transversality`.

    Args:
        states: `[n, n_states]`.

    Raises:
        ModelError: where the function fails, or gives something else than pairs of numbers or tensors `[n]`.
    """
    if model.transversality is None:
        return {}
    with model.context(), torch.no_grad():
        try:
            found = model.transversality(states, model.policy(states))
        except Exception as error:
            raise model.failed("transversality(state, policy_state)", error) from error
        place = f"{model.name}/Hooks.py: transversality(state, policy_state)"
        expected = 'expected a dict of pairs, {"K": (Parameters.beta, marginal_utility * K_next)}.'
        if not isinstance(found, Mapping):
            raise ModelError(f"{place} returns a {type(found).__name__}, {expected}")
        result = {}
        for name, pair in found.items():
            try:
                discount, value = (
                    torch.as_tensor(part, dtype=torch.float64).to(states.device).expand(len(states)) for part in pair
                )
            except (RuntimeError, TypeError, ValueError) as error:
                problem = f"gives for {name!r} no pair of numbers or tensors [n]: {error}"
                raise ModelError(f"{place} {problem}\n  {expected}") from error
            result[str(name)] = (discount, value)
        return result


def rates(model: Model, states: Tensor) -> dict[str, float]:
    """By name: the growth a period of the discounted value's mean over trajectories; negative where it vanishes.

    It is the slope of the mean's logarithm over the second half of the periods, by least squares.

    Args:
        states: of consecutive periods, `[periods, trajectories, n_states]`.
    """
    periods, trajectories = states.shape[:2]
    found = {}
    for name, (discount, value) in terms(model, states.flatten(0, 1)).items():
        factors = discount.view(periods, trajectories).log()
        logs = factors.cumsum(0) - factors + value.view(periods, trajectories).abs().clamp(min=1e-300).log()
        late = logs.logsumexp(1)[periods // 2 :]
        time = torch.arange(len(late), dtype=late.dtype, device=late.device)
        time -= time.mean()
        found[name] = float((time * late).sum() / (time * time).sum())
    return found
