"""Gradients are cut as Keras cuts them."""

from __future__ import annotations

import pytest
import torch

from deqn.configuration.compose import compose
from deqn.configuration.schema import Optimizer
from deqn.errors import ConfigError
from deqn.training.clipping import Clip
from tests.conftest import TINY


def clipped(gradients: torch.Tensor, **settings: float) -> torch.Tensor:
    found = gradients.clone()
    Clip(Optimizer(**settings), [2, 3], found.dtype)(found)
    return found


GRADIENTS = torch.tensor([3.0, 4.0, 0.1, -0.2, 0.2])


def test_clipvalue_cuts_each_entry():
    assert clipped(GRADIENTS, clipvalue=0.15).tolist() == pytest.approx([0.15, 0.15, 0.1, -0.15, 0.15])


def test_clipnorm_cuts_the_norm_of_each_parameter():
    assert clipped(GRADIENTS, clipnorm=1.0).tolist() == pytest.approx([0.6, 0.8, 0.1, -0.2, 0.2])


def test_global_clipnorm_is_that_of_pytorch():
    parameters = [torch.zeros(2), torch.zeros(3)]
    for parameter, gradient in zip(parameters, GRADIENTS.split([2, 3]), strict=True):
        parameter.grad = gradient.clone()
    torch.nn.utils.clip_grad_norm_(parameters, 2.0)
    torch.testing.assert_close(clipped(GRADIENTS, global_clipnorm=2.0), torch.cat([p.grad for p in parameters]))


@pytest.mark.parametrize("setting", ["clipvalue", "clipnorm", "global_clipnorm"])
def test_each_of_several_gradients_is_cut_by_itself(setting):
    both = clipped(torch.stack([GRADIENTS, 0.1 * GRADIENTS]), **{setting: 0.3})
    for row, alone in zip(both, (GRADIENTS, 0.1 * GRADIENTS), strict=True):
        torch.testing.assert_close(row, clipped(alone, **{setting: 0.3}))


def test_a_gradient_of_zero_stays_zero():
    assert clipped(torch.zeros(5), clipnorm=1.0).tolist() == [0.0] * 5


def test_two_ways_at_once_are_refused():
    with pytest.raises(ConfigError, match=r"optimizer.clipvalue and optimizer.clipnorm: give one of them"):
        compose([*TINY, "optimizer.clipvalue=1.0", "optimizer.clipnorm=1.0"])
