"""Which values a policy can take: the network's output activation, and then its own."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from deqn.economy.model import Model
from deqn.economy.network import Activation
from deqn.economy.units import is_elementwise


def cut_ranges(model: Model) -> list[str]:
    """A remark on each activation of policies whose range the network's output activation cuts."""
    network = model.network
    last = network.body[-1] if isinstance(network.body, nn.Sequential) and len(network.body) else None
    if last is None or next(last.parameters(), None) is not None or not is_elementwise(last):
        return []
    name = model.config.net.layers[-1].output.activation if isinstance(last, Activation) else type(last).__name__  # type: ignore[union-attr]
    remarks = []
    for start, stop, function in network.pieces:
        if function is None or not is_elementwise(function):
            continue
        (low, high), (lowest, highest) = _range(nn.Sequential(last, Activation(function))), _range(function)
        bounds = [c.bound for c in model.policy_columns if start <= c.start < stop]
        # what lies beyond a bound need not be reached
        lowest = max(
            lowest, min(-math.inf if b.lower is None else float(torch.as_tensor(b.lower).min()) for b in bounds)
        )
        highest = min(
            highest, max(math.inf if b.upper is None else float(torch.as_tensor(b.upper).max()) for b in bounds)
        )
        tolerance = 0.01 * min(highest - lowest, 1.0)
        if low > lowest + tolerance or high < highest - tolerance:
            names = ", ".join(repr(c.name) for c in model.policy_columns if start <= c.start < stop)
            remarks.append(
                f"policy {names}: the output layer's activation {name} and the policy's own come one after the other, so that "
                f"only {low:.3g} to {high:.3g} of {lowest:.3g} to {highest:.3g} can be reached. Give the output layer "
                "activation: linear."
            )
    return remarks


def _range(function: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """Smallest and largest value of a function of numbers."""
    positive = torch.logspace(-3, 4, 200)
    with torch.no_grad():
        values = function(torch.cat([-positive.flip(0), torch.zeros(1), positive])[:, None])
    values = values[~values.isnan()]
    return float(values.min()), float(values.max())
