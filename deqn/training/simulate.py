"""Simulated states: one episode, and its minibatches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from deqn.numerics.rng import Rng


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
    return states, _fill(states, step, start)


def _fill(states: Tensor, step: Callable[[Tensor], Tensor], state: Tensor, overlap: bool = False) -> Tensor:
    """Writes periods from `state` on; returns the state after the last of them, or the last one where episodes overlap."""
    for t in range(len(states)):
        states[t] = state
        if not (overlap and t == len(states) - 1):
            state = step(state)
    return state


class Episode:
    """The states of one episode under the policy of its start, as often as they are asked for.

    One piece is simulated once and held. Of several only one is held at a time: each pass simulates all of them anew, with the
    parameters and the draws of the first pass, whatever gradient steps are taken in between.

    Args:
        step: one period, `[batch, n_states]` -> `[batch, n_states]`, without gradient.
        start: `[batch, n_states]`, the first period.
        pieces: periods of each piece.
        network: gives the policy in `step`.
        rng: draws the shocks in `step`; between the pieces, gradient steps may draw from it too.
        overlap: the next episode begins with the last state of this one, and not with the state after it.

    Attributes:
        end: after a pass, the state where the next episode begins.
    """

    def __init__(
        self,
        step: Callable[[Tensor], Tensor],
        start: Tensor,
        pieces: Sequence[int],
        network: torch.nn.Module,
        rng: Rng,
        overlap: bool = False,
    ) -> None:
        self._step, self._start, self._pieces, self._network, self._rng = step, start, pieces, network, rng
        self._overlap = overlap
        self._states = start.new_empty(max(pieces), *start.shape)
        self.end = start
        if len(pieces) == 1:
            with self._simulating():
                self.end = _fill(self._states, step, start, overlap)
            return
        self._policy = [(tensor, tensor.detach().clone()) for tensor in _tensors(network)]
        seed = rng.integer()
        self._draws = rng.get_state()  # of the shocks; those of gradient steps come from a generator of their own
        rng.seed(seed)

    def __iter__(self) -> Iterator[Tensor]:
        """The pieces `[periods, batch, n_states]`; each is overwritten by the next one."""
        if len(self._pieces) == 1:
            yield self._states
            return
        state, draws = self._start, self._draws
        for i, periods in enumerate(self._pieces):
            last = i == len(self._pieces) - 1
            with self._simulating(), self._as_at_the_start():
                gradient_steps = self._rng.get_state()
                self._rng.set_state(draws)
                state = _fill(self._states[:periods], self._step, state, self._overlap and last)
                draws = self._rng.get_state()
                self._rng.set_state(gradient_steps)
            yield self._states[:periods]
        self.end, self._draws_at_the_end = state, draws

    @property
    def held(self) -> Tensor:
        """The piece that is held: `[periods, batch, n_states]`."""
        return self._states[: self._pieces[-1]]

    def some(self, n: int) -> Tensor:
        """About `n` states of the piece that is held, evenly spaced: `[<= n, n_states]`."""
        states = self.held.flatten(0, 1)
        return states[:: -(-len(states) // n) | 1]

    def close(self) -> None:
        """After the last pass: the generator goes on after the shocks of the episode."""
        if len(self._pieces) > 1:
            self._rng.set_state(self._draws_at_the_end)

    @contextlib.contextmanager
    def _simulating(self) -> Iterator[None]:
        """Without dropout, and with the statistics of batch normalisation as they are."""
        training = self._network.training
        self._network.eval()
        yield
        self._network.train(training)

    @contextlib.contextmanager
    def _as_at_the_start(self) -> Iterator[None]:
        """The network has the parameters with which the episode began."""
        with torch.no_grad():
            now = [tensor.clone() for tensor, _ in self._policy]
            for tensor, at_the_start in self._policy:
                tensor.copy_(at_the_start)
            yield
            for (tensor, _), value in zip(self._policy, now, strict=True):
                tensor.copy_(value)


def _tensors(network: torch.nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def minibatches(states: Tensor, size: int, sorted_within_batch: bool, rng: Rng) -> Iterator[Tensor]:
    """One pass over simulated states in random order; a remainder smaller than `size` is left out.

    Only the minibatch is a copy: the states do not live twice.

    Args:
        states: `[time, batch, n_states]`.
        size: states of a minibatch.
        sorted_within_batch: keep pieces of trajectories together and shuffle the pieces only.

    Yields:
        `[size, n_states]`.
    """
    periods, trajectories, n_states = states.shape
    flat = states.reshape(-1, n_states)
    n = len(flat) // size
    if sorted_within_batch:
        places = torch.arange(size, device=states.device)
        for i in rng.permutation(n).tolist():
            along = i * size + places  # counted along the trajectories, one after the other
            yield flat.index_select(0, along % periods * trajectories + along // periods)
        return
    for index in rng.permutation(len(flat))[: n * size].view(n, size):
        yield flat.index_select(0, index)


def finite(states: Tensor) -> Tensor:
    """Which states are finite: `[*batch, n_states]` -> `[*batch]`, bool."""
    return torch.isfinite(states).all(-1)
