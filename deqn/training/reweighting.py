"""Weights of the equations: those of the configuration, times those that follow the losses from episode to episode.

Source of `relobralo`: Bischof and Kraus (2021), Multi-objective loss balancing for physics-informed deep learning,
arXiv:2110.09813; a step of theirs is an episode here. `softmax` and `inverse` as documented in newer versions of the TensorFlow
DEQN library of Scheidegger and co-authors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from deqn.configuration.loss_schema import Loss

_SMALLEST = (
    1e-6  # of the largest loss: what `inverse` adds to each, so that no weight is more than a million times another
)


def softmax_weights(losses: Tensor, temperature: float) -> Tensor:
    """n exp(-l_i / (T m)) / sum over j of the same, m the mean of the losses l: `[n]` -> `[n]`, summing up to n."""
    scaled = losses / (temperature * losses.mean().clamp(min=torch.finfo(losses.dtype).tiny))
    return len(losses) * torch.softmax(-scaled, dim=0)


def inverse_weights(losses: Tensor) -> Tensor:
    """n / (l_i + e) / sum over j of the same, e a millionth of the largest loss: `[n]` -> `[n]`, summing up to n."""
    scales = 1 / (losses + _SMALLEST * losses.max()).clamp(min=torch.finfo(losses.dtype).tiny)
    return len(losses) * scales / scales.sum()


def balance(losses: Tensor, before: Tensor, temperature: float) -> Tensor:
    """n exp(l_i / (T b_i)) / sum over j of the same, b earlier losses (Bischof and Kraus 2021): `[n]` -> `[n]`."""
    return len(losses) * torch.softmax(losses / (temperature * before.clamp(min=torch.finfo(before.dtype).tiny)), dim=0)


class Weights:
    """Weights of the equations; what a checkpoint holds of them.

    Args:
        settings: `run.loss`.
        names: of the equations, in their order.
        like: a tensor of the model's type, on its device.
        seed: of the run; all its processes draw the same.

    Attributes:
        tensor: `[n_equations]`, changed in place.
    """

    def __init__(self, settings: Loss, names: Sequence[str], like: Tensor, seed: int) -> None:
        self.settings, self.names, self._seed = settings, list(names), seed
        self._own = torch.tensor([settings.weights.get(name, 1.0) for name in names], dtype=torch.float64, device="cpu")
        self._following = torch.ones_like(self._own)
        self._first: Tensor | None = None
        self._last: Tensor | None = None
        self.tensor = like.new_ones(len(names))
        self._set()

    def _set(self) -> None:
        self.tensor.copy_(self._own * self._following)

    def after_episode(self, losses: Sequence[float], episode: int) -> None:
        """Takes the losses of an episode, before they are weighted, which all processes have the same."""
        if self.settings.reweighting == "none":
            return
        now = torch.tensor(losses, dtype=torch.float64, device="cpu").abs()
        self._following = self._followed(now, episode)
        self._first = now if self._first is None else self._first
        self._last = now
        self._set()

    def _followed(self, now: Tensor, episode: int) -> Tensor:
        settings = self.settings
        if settings.reweighting == "softmax":
            return softmax_weights(now, settings.temperature)
        if settings.reweighting == "inverse":
            return inverse_weights(now)
        if self._first is None or self._last is None:
            return self._following
        generator = torch.Generator(device="cpu").manual_seed(self._seed * 1_000_003 + episode)
        back = torch.rand((), generator=generator, device="cpu") < settings.lookback
        history = self._following if back else balance(now, self._first, settings.temperature)
        return settings.decay * history + (1 - settings.decay) * balance(now, self._last, settings.temperature)

    def state_dict(self) -> dict[str, Any]:
        return {"names": self.names, "following": self._following, "first": self._first, "last": self._last}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["names"] != self.names:
            raise ValueError(f"it has weights of the equations {state['names']}, this run has {self.names}")
        self._following, self._first, self._last = state["following"], state["first"], state["last"]
        self._set()
