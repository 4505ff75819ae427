"""Before the first step, the network is fitted to policies that are near the solution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deqn.economy.model import Model
from deqn.economy.steady_state import steady_state
from deqn.errors import ConfigError
from deqn.numerics.least_squares import LevenbergMarquardt

_WARM_STATES = 512  # to which a warm start is fitted


def warm_start(model: Model) -> str:
    """Fits the network to the policy of the deterministic steady state, in every initial state; a line on what was done.

    Raises:
        ConfigError: where no steady state is found.
    """
    found = steady_state(model)
    if found is None:
        raise ConfigError(
            "net.warm_start = 'steady_state': no steady state was found that all starts agree on. Give net.warm_start=none, or "
            "initial states and bounds around it."
        )
    left = fit_policy(model, model.initial_states(_WARM_STATES), found.policy)
    return f"warm start: the network begins at the policy of the steady state, within {left:.0e} in the initial states."


def fit_policy(model: Model, states: Tensor, policies: Tensor, steps: int = 30) -> float:
    """Fits the network to given policies; the largest distance that is left, relative to each policy's size.

    Args:
        states: `[n, n_states]`.
        policies: `[n, n_policies]`, or what broadcasts to it.
    """
    scale = policies.abs().amax(0).clamp(min=1e-3)

    class Distance(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = model.network

        def forward(self, x: Tensor) -> Tensor:
            return (self.network(x[:, : model.n_states]) - x[:, model.n_states :]) / scale

    both = torch.cat([states, policies.expand(len(states), -1)], dim=-1)
    distance = Distance()
    optimizer = LevenbergMarquardt([p for p in model.network.parameters() if p.requires_grad], damping=1e-3)
    for _ in range(steps):
        if optimizer.advance(distance, both) < 1e-12 * len(states):
            break
    with torch.no_grad():
        return float(distance(both).abs().max())
