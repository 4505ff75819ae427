"""Weights of the equations: those of the configuration, times those that follow the losses.

Source of `relobralo`, which follows them from step to step: Bischof and Kraus (2021), Multi-objective loss balancing for
physics-informed deep learning, arXiv:2110.09813; there a step's weights know the losses of the same step, here those up to the
step before. `softmax` and `inverse`, which follow them from episode to episode, as documented in newer versions of the TensorFlow
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
        self._own = like.new_tensor([settings.weights.get(name, 1.0) for name in names], dtype=torch.float64)
        self._following = torch.ones_like(self._own)
        self._first: Tensor | None = None
        self._last: Tensor | None = None
        self.tensor = like.new_ones(len(names))
        self._set()

    def _set(self) -> None:
        self.tensor.copy_(self._own * self._following)

    @property
    def in_steps(self) -> bool:
        """Whether they follow the losses from step to step."""
        return self.settings.reweighting == "relobralo"

    def after_step(self, losses: Tensor, step: int) -> None:
        """Takes the losses of a step, `[n_equations]`, before they are weighted, which all processes have the same."""
        settings, now = self.settings, losses.detach().abs().to(self._own)
        if self._first is None or self._last is None:
            self._first = now
        else:
            generator = torch.Generator(device="cpu").manual_seed(self._seed * 1_000_003 + step)
            back = torch.rand((), generator=generator, device="cpu") < settings.lookback
            history = self._following if back else balance(now, self._first, settings.temperature)
            recent = balance(now, self._last, settings.temperature)
            self._following = settings.decay * history + (1 - settings.decay) * recent
        self._last = now
        self._set()

    def after_episode(self, losses: Sequence[float]) -> None:
        """Takes the losses of an episode, before they are weighted, which all processes have the same."""
        now = self._own.new_tensor(losses).abs()
        if self.settings.reweighting == "softmax":
            self._following = softmax_weights(now, self.settings.temperature)
        elif self.settings.reweighting == "inverse":
            self._following = inverse_weights(now)
        self._set()

    def state_dict(self) -> dict[str, Any]:
        return {"names": self.names, "following": self._following, "first": self._first, "last": self._last}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["names"] != self.names:
            raise ValueError(f"it has weights of the equations {state['names']}, this run has {self.names}")
        kept = {name: None if state[name] is None else state[name].to(self._own) for name in ("first", "last")}
        self._following, self._first, self._last = state["following"].to(self._own), kept["first"], kept["last"]
        self._set()
