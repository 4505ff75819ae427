"""Simulated states: one episode, and its minibatches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from deqn.rng import Rng


def episode(step: Callable[[Tensor], Tensor], start: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Simulates `length` periods from `start`, which is the first of them.

    Args:
        step: one period, `[batch, n_states]` -> `[batch, n_states]`, without gradient.
        start: `[batch, n_states]`.
        length: periods.

    Returns:
        The states `[length, batch, n_states]`, and the state after the last of them, where the next episode begins.
    """
    states = start.new_empty(length, *start.shape)
    state = start
    for t in range(length):
        states[t] = state
        state = step(state)
    return states, state


def minibatches(states: Tensor, size: int, sorted_within_batch: bool, rng: Rng) -> Iterator[Tensor]:
    """One pass over the states of an episode, in random order; a remainder smaller than `size` is left out.

    Args:
        states: `[time, batch, n_states]`.
        size: states of a minibatch.
        sorted_within_batch: keep pieces of trajectories together and shuffle the pieces only.

    Yields:
        `[size, n_states]`.
    """
    n_states = states.shape[-1]
    if sorted_within_batch:
        pieces = states.transpose(0, 1).reshape(-1, n_states)
        n = pieces.shape[0] // size
        pieces = pieces[: n * size].reshape(n, size, n_states)
        for i in rng.permutation(n).tolist():
            yield pieces[i]
        return
    flat = states.reshape(-1, n_states)
    n = flat.shape[0] // size
    order = rng.permutation(flat.shape[0])[: n * size]
    for index in order.reshape(n, size):
        yield flat.index_select(0, index)


def finite(states: Tensor) -> Tensor:
    """Which states are finite: `[*batch, n_states]` -> `[*batch]`, bool."""
    return torch.isfinite(states).all(-1)
