"""Curriculum: short episodes and small shocks first.

Source of the idea: Bengio, Louradour, Collobert and Weston (2009), Curriculum learning, ICML 26, 41-48; the keys of the episode's
length are those of newer versions of the TensorFlow DEQN library of Scheidegger and co-authors.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from deqn.configuration.schema import Config, Run
from deqn.economy.model import Model
from deqn.economy.shocks import differing_moments
from deqn.errors import ConfigError

_STATES = 4  # at which it is tried whether the size of shocks can be changed
_TRIED, _DRAWS = 0.5, 200  # size of shocks there, and how often they are drawn


def episode_length(run: Run, episode: int) -> int:
    """Periods of an episode, counted from 1: it grows by so many periods an episode, up to `N_episode_length`.

    With breakpoints it grows by the first step until it is as long as the first breakpoint, then by the second, and so on.
    """
    if run.N_episode_length_min is None:
        return run.N_episode_length
    length, left = run.N_episode_length_min, episode - 1
    if not run.curriculum_breakpoints:
        return min(length + left * run.N_increment_steps, run.N_episode_length)
    for target, step in zip(run.curriculum_breakpoints, run.curriculum_steps, strict=True):
        needed = max(0, math.ceil((min(target, run.N_episode_length) - length) / step))
        taken = min(left, needed)
        length, left = length + taken * step, left - taken
    return min(length, run.N_episode_length)


def in_episode(config: Config, episode: int) -> Config:
    """The configuration with the length that an episode has, counted from 1."""
    length = episode_length(config.run, episode)
    if length == config.run.N_episode_length:
        return config
    return config.model_copy(update={"run": config.run.model_copy(update={"N_episode_length": length})})


def steps(config: Config, first: int = 1) -> int:
    """Gradient steps of all episodes of a phase that begins with a given one."""
    n = config.run.N_episodes
    if config.run.N_episode_length_min is None:
        return n * config.steps_per_episode
    return sum(in_episode(config, episode).steps_per_episode for episode in range(first, first + n))


def shock_size(run: Run, episode: int) -> float:
    """Size of the shocks in an episode, counted from 1, as a share of their own: a line from `shock_size_start` to 1."""
    if run.N_episodes_of_small_shocks is None:
        return 1.0
    return min(1.0, run.shock_size_start + (1 - run.shock_size_start) * (episode - 1) / run.N_episodes_of_small_shocks)


class Shocks:
    """Changes the size of a model's shocks: of its normal draws around their mean, and of `shock_values` in Dynamics.py."""

    def __init__(self, model: Model) -> None:
        self._model, self._dynamics = model, model.expectations.dynamics
        values = getattr(self._dynamics, "shock_values", None)
        self._values = values.clone() if isinstance(values, Tensor) else None

    @contextlib.contextmanager
    def of_size(self, size: float) -> Iterator[None]:
        """Shocks are so many times as large meanwhile."""
        if size == 1.0:
            yield
            return
        rng, values = self._model.rng, self._values
        rng.shock_size = size
        if values is not None:
            self._dynamics.shock_values.copy_(size * values)
        try:
            yield
        finally:
            rng.shock_size = 1.0
            if values is not None:
                self._dynamics.shock_values.copy_(values)

    def refuse_others(self) -> None:
        """Tries a smaller size.

        Raises:
            ConfigError: where next period's states do not follow it, on nodes and in draws alike.
        """
        model = self._model
        before = model.rng.get_state()
        with model.context(), torch.no_grad():
            states = model.initial_states(_STATES)
            policies = model.policy(states)
            means, spreads = [], []
            for size in (1.0, _TRIED):
                with self.of_size(size):
                    remark = differing_moments(model, states, policies)
                    draws = [model.expectations.dynamics.total_step_random(states, policies) for _ in range(_DRAWS)]
                means.append(torch.stack(draws).double().mean(0))
                spreads.append(torch.stack(draws).double().std(0))
        model.rng.set_state(before)
        moved = spreads[0] > 0
        followed = bool(moved.any()) and bool((spreads[1][moved] < 0.8 * spreads[0][moved]).all())
        followed &= bool(((means[1] - means[0]).abs() <= spreads[0]).all())  # a table of values is no shock around zero
        if remark or not followed:
            reason = f" {remark}" if remark else ""
            raise ConfigError(
                "run.N_episodes_of_small_shocks changes the size of normal draws from Parameters.rng and of the tensor "
                f"shock_values, and the shocks of {model.folder.name}/Dynamics.py do not follow both: leave it out.{reason}"
            )
