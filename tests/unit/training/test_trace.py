"""The eligibility trace: a sum of residuals along trajectories."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.training import loss, simulate
from deqn.training.trace import along_trajectories
from tests.conftest import TINY


def by_hand(residuals: list[float], decay: float) -> list[float]:
    """e_t = (decay e_(t-1) + r_t) before it is scaled, by recursion."""
    total, squares, result = 0.0, 0.0, []
    for r in residuals:
        total, squares = decay * total + r, decay**2 * squares + 1
        result.append(total / squares**0.5)
    return result


def test_it_is_the_recursion_along_each_trajectory():
    paths = torch.randn(3, 5, dtype=torch.float64)
    expected = [e for path in paths.tolist() for e in by_hand(path, 0.7)]
    assert along_trajectories(paths.flatten(), 0.7, 5).tolist() == pytest.approx(expected)


def test_entries_of_a_residual_with_a_shape_are_summed_one_by_one():
    x = torch.randn(6, 2, 2)
    found = along_trajectories(x, 0.5, 3)
    torch.testing.assert_close(found[:, 1, 0], along_trajectories(x[:, 1, 0], 0.5, 3))


def test_a_decay_of_zero_leaves_residuals_as_they_are():
    x = torch.randn(12)
    assert torch.equal(along_trajectories(x, 0.0, 4), x)


def test_independent_residuals_keep_their_mean_square():
    x = torch.randn(20_000, 10, generator=torch.Generator().manual_seed(0))
    assert float(along_trajectories(x.flatten(), 0.9, 10).square().mean()) == pytest.approx(1, abs=0.02)


def test_minibatches_are_the_trajectories_that_it_sums_along():
    """The residual is the period's number; the loss is that of the recursion on 0, 1, 2, 3."""
    overrides = ["run.sorted_within_batch=true", "run.loss.trace_decay=0.5"]
    model = deqn.Model(compose([*TINY, *overrides]).config)
    trainer = deqn.Trainer(model)
    model.equations = lambda states, policies: {"period": states[..., 0] + 0 * policies[..., 0]}
    states = torch.arange(4.0)[:, None, None].expand(4, 16, 2).contiguous()
    for batch in simulate.minibatches(states, 16, True, model.rng):
        assert float(trainer.terms(model, batch).loss) == pytest.approx(
            4 * sum(e**2 for e in by_hand([0, 1, 2, 3], 0.5))
        )


def test_the_ordinary_loss_is_that_without_decay():
    model = deqn.Model(compose([*TINY, "run.loss.weights={euler: 1.0}"]).config)
    states = model.initial_states(8)
    torch.testing.assert_close(deqn.Trainer(model).terms(model, states).loss, loss.terms(model, states).loss)
