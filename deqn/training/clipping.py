"""Gradients cut to a size, as Keras does."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from deqn.configuration.schema import Step


class Clip:
    """Cuts gradients in place: entries (`clipvalue`), the norm of each parameter's (`clipnorm`), or that of all together.

    Args:
        settings: the optimizer's.
        sizes: entries of each parameter.
        dtype: of the gradients.
    """

    def __init__(self, settings: Step, sizes: Sequence[int], dtype: torch.dtype) -> None:
        largest = torch.finfo(dtype).max
        self._value = None if settings.clipvalue is None else min(settings.clipvalue, largest)
        self._norm, self._global_norm, self._sizes = settings.clipnorm, settings.global_clipnorm, list(sizes)

    def __call__(self, gradients: Tensor) -> None:
        """Gradients of all parameters one after the other, `[n]`, or several of them, `[k, n]`."""
        if self._value is not None:
            gradients.clamp_(-self._value, self._value)
        if self._norm is not None:
            for part in gradients.split(self._sizes, dim=-1):
                _shorten(part, self._norm)
        if self._global_norm is not None:
            _shorten(gradients, self._global_norm)


def _shorten(part: Tensor, largest: float) -> None:
    """Scales what is longer than `largest` down to it."""
    norm = part.norm(dim=-1, keepdim=True)
    part.mul_(torch.where(norm > largest, largest / norm, 1.0))
