"""Layers that begin with outputs of variance one."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.training.unit_variance import unit_variance
from tests.conftest import TINY, Listener, assert_same, train


def outputs(model: deqn.Model, states: torch.Tensor) -> list[torch.Tensor]:
    """Of each dense layer, before its activation."""
    found = []
    layers = [module for module in model.network.modules() if isinstance(module, torch.nn.Linear)]
    handles = [
        layer.register_forward_hook(lambda module, inputs, output: found.append(output.detach())) for layer in layers
    ]
    model.policy(states)
    for handle in handles:
        handle.remove()
    return found


def test_each_layer_gives_variance_one_over_initial_states():
    model = deqn.Model(compose(["model=brock_mirman", "run.keras_precision=float64"]).config)
    model.fit_normalization()
    assert unit_variance(model) == 3
    deviations = [float(x.std()) for x in outputs(model, model.initial_states(20_000))]
    assert deviations == pytest.approx([1.0] * 3, rel=0.1)


def test_weights_of_a_square_layer_are_orthogonal_up_to_a_factor():
    model = deqn.Model(compose(["model=brock_mirman", "run.keras_precision=float64"]).config)
    unit_variance(model)
    square = next(
        m for m in model.network.modules() if isinstance(m, torch.nn.Linear) and m.in_features == m.out_features
    )
    gram = square.weight.detach() @ square.weight.detach().T
    torch.testing.assert_close(gram, gram[0, 0] * torch.eye(len(gram), dtype=torch.float64))


def test_no_generator_moves():
    trainer = deqn.Trainer(deqn.Model(compose(TINY).config))
    before = trainer.state.part_of_rank()
    unit_variance(trainer.model)
    assert_same(trainer.state.part_of_rank(), before)


def test_a_run_begins_with_them_and_learns():
    listener = Listener()
    train(None, "net.unit_variance=true", "optimizer.learning_rate=0.01", "run.N_episodes=40", watcher=listener)
    plain = Listener()
    train(None, "run.N_episodes=1", watcher=plain)
    losses = [record.scalars["loss"] for record in listener.records]
    assert losses[0] != plain.records[0].scalars["loss"]
    assert losses[-1] < 0.1 * losses[0]
