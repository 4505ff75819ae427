"""Replay: a share of each minibatch are states of earlier episodes.

Source: Lin (1992), Self-improving reactive agents based on reinforcement learning, planning and teaching, Machine Learning 8,
293-321.
"""

from __future__ import annotations

import torch
from torch import Tensor

from deqn.configuration.schema import Run
from deqn.numerics.rng import Rng


class Replay:
    """States of the last episodes, as many of each as a minibatch has.

    Args:
        settings: `run`.
        like: states `[n, n_states]`, for their type and device.

    Attributes:
        states: `[kept, n_states]`, the oldest first; part of a checkpoint, each process has its own.
    """

    def __init__(self, settings: Run, like: Tensor) -> None:
        self._share, self._episodes, self._size = (
            settings.replay_share,
            settings.replay_episodes,
            settings.N_minibatch_size,
        )
        self.states = like.new_empty(0, like.shape[-1])

    def mix(self, batch: Tensor, rng: Rng) -> Tensor:
        """A minibatch `[size, n_states]` whose last states are replaced by kept ones, drawn with replacement."""
        n = int(self._share * len(batch))
        if not n or not len(self.states):
            return batch
        chosen = (rng.own((n,), normal=False) * len(self.states)).long().clamp(max=len(self.states) - 1)
        return torch.cat([batch[:-n], self.states[chosen]])

    def after_episode(self, states: Tensor, rng: Rng) -> None:
        """Keeps some states of an episode, `[periods, batch, n_states]`, and forgets those of the oldest one kept."""
        if not self._share:
            return
        flat = states.flatten(0, 1)
        new = flat[rng.permutation(len(flat))[: self._size]]
        self.states = torch.cat([self.states, new])[-self._episodes * self._size :].clone()
