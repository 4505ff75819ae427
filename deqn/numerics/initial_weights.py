"""Weights of a layer before training, as Keras draws them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_TRUNCATION = 0.87962566103423978  # standard deviation of a standard normal cut at two standard deviations


def variance_scaling_(
    weight: Tensor, scale: float, mode: str, distribution: str, generator: torch.Generator
) -> Tensor:  # fmt: skip
    """Keras' VarianceScaling, in place.

    Args:
        weight: `[units_out, units_in]`.
        scale: `init_scale` of the layer.
        mode: `fan_in`, `fan_out` or `fan_avg`.
        distribution: `truncated_normal` (= `normal`: cut at two standard deviations and rescaled),
            `untruncated_normal` or `uniform`.

    Source:
        https://www.tensorflow.org/api_docs/python/tf/keras/initializers/VarianceScaling
    """
    fan_out, fan_in = weight.shape
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    variance = scale / max(1.0, fan)
    with torch.no_grad():
        if distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return weight.uniform_(-limit, limit, generator=generator)
        if distribution == "untruncated_normal":
            return weight.normal_(0.0, math.sqrt(variance), generator=generator)
        std = math.sqrt(variance) / _TRUNCATION
        return nn.init.trunc_normal_(weight, 0.0, std, -2.0 * std, 2.0 * std, generator=generator)
