"""Initial weights have Keras' variance and limits."""

from __future__ import annotations

import math

import pytest
import torch

from deqn.numerics.initial_weights import variance_scaling_


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 300), ("fan_out", 500), ("fan_avg", 400)])
@pytest.mark.parametrize("distribution", ["truncated_normal", "normal", "untruncated_normal", "uniform"])
def test_weights_have_keras_variance_scale_over_fan(mode, fan, distribution):
    weight = variance_scaling_(torch.empty(500, 300), 0.1, mode, distribution, generator())
    assert weight.var().item() == pytest.approx(0.1 / fan, rel=0.02)
    assert weight.mean().item() == pytest.approx(0, abs=4 * math.sqrt(0.1 / fan / weight.numel()))


@pytest.mark.parametrize("distribution", ["truncated_normal", "normal"])
def test_truncated_weights_are_cut_at_two_of_the_rescaled_standard_deviations(distribution):
    weight = variance_scaling_(torch.empty(500, 300), 1.0, "fan_in", distribution, generator())
    edge = 2 * math.sqrt(1 / 300) / 0.87962566103423978
    assert weight.abs().max() <= edge
    assert weight.abs().max() > 0.99 * edge


def test_untruncated_weights_go_further():
    weight = variance_scaling_(torch.empty(500, 300), 1.0, "fan_in", "untruncated_normal", generator())
    assert weight.abs().max() > 3 * math.sqrt(1 / 300)


def test_uniform_weights_fill_keras_limits():
    weight = variance_scaling_(torch.empty(500, 300), 1.0, "fan_avg", "uniform", generator())
    assert weight.abs().max().item() == pytest.approx(math.sqrt(3 / 400), rel=1e-3)


def test_glorot_uniform_is_scale_one_fan_avg_uniform():
    """Keras' own default initialiser, as its documentation says: limit sqrt(6 / (fan_in + fan_out))."""
    weight = variance_scaling_(torch.empty(500, 300), 1.0, "fan_avg", "uniform", generator())
    assert weight.abs().max().item() == pytest.approx(math.sqrt(6 / 800), rel=1e-3)
