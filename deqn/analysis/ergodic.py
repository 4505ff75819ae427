"""States that the economy visits after it has forgotten where it began, and whether others are like them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deqn.economy.columns import Column

if TYPE_CHECKING:
    from deqn.analysis.trained import Trained

FORGOTTEN = 200  # periods after which the start does not count any more
_MARGIN = 0.1  # of a range, on either side


def ergodic_states(run: Trained, n: int, periods: int = FORGOTTEN) -> Tensor:
    """One state of each of `n` trajectories, after `periods` under the policy: `[n, n_states]`."""
    model = run.model
    states = run.simulate(batch=n, length=1)[-1]
    for _ in range(periods):
        states = model.step(states)
    return states


def beyond_range(column: Column, seen: Tensor, states: Tensor) -> Tensor:
    """Where a state that is a number lies outside its range in other states, widened by a tenth on either side: bool `[*batch]`.

    Args:
        seen: `[n, n_states]`.
        states: `[*batch, n_states]`.
    """
    known, values = column.raw(seen), column.raw(states)
    margin = _MARGIN * (known.max() - known.min()) + 1e-6 * known.abs().max()
    return (values < known.min() - margin) | (values > known.max() + margin)


def scalar(columns: Sequence[Column]) -> list[Column]:
    """Those that are numbers."""
    return [column for column in columns if not column.shape]


def share_outside(columns: Sequence[Column], seen: Tensor, states: Tensor) -> Tensor:
    """Share of trajectories for which any state is `beyond_range`, by period: `[periods, n, n_states]` -> `[periods]`."""
    outside = torch.zeros(states.shape[:-1], dtype=torch.bool, device=states.device)
    for column in scalar(columns):
        outside |= beyond_range(column, seen, states)
    return outside.double().mean(-1)
