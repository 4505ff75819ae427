"""Optimizers of this library and schedules that follow the loss, in runs: they learn, and go on where they were stopped."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.errors import ConfigError, TrainingError
from tests.conftest import TINY, Listener, assert_same, train

RATES = {"Lion": 1e-3, "Ftrl": 0.1, "AdaHessian": 0.03, "MAO": 3e-3, "NaturalGradient": 0.3}
PLAIN = ["optimizer.learning_rate_schedule=null", "optimizer.schedule_kwargs={}"]


def settings(name: str) -> list[str]:
    return [f"optimizer.optimizer={name}", f"optimizer.learning_rate={RATES[name]}", *PLAIN]


@pytest.mark.parametrize("name", RATES)
def test_it_lowers_the_loss(name):
    listener = Listener()
    train(None, *settings(name), "run.N_episodes=30", watcher=listener)
    losses = [record.scalars["loss"] for record in listener.records]
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("name", RATES)
def test_a_run_that_is_resumed_ends_as_one_that_was_not(tmp_path, name):
    clip = "optimizer.clipnorm=0.5"
    whole = train(None, *settings(name), clip, "run.N_episodes=6").state.payload()
    train(tmp_path, *settings(name), clip, "run.N_episodes=3")
    resumed = train(tmp_path, *settings(name), clip, "run.N_episodes=6", starting_point="LATEST").state.payload()
    assert_same(resumed, whole)


def test_the_natural_gradient_takes_the_gradient_of_the_loss():
    trainer = deqn.Trainer(
        deqn.Model(compose([*TINY, *settings("NaturalGradient"), "run.keras_precision=float64"]).config)
    )
    states = trainer.model.initial_states(8)
    with trainer.model.context():
        trainer.step(states)
        found = trainer.gradient.flat.clone()
        again = deqn.Trainer(deqn.Model(compose([*TINY, "run.keras_precision=float64"]).config))
        again.terms(again.model, states).loss.backward()
    torch.testing.assert_close(found, again.gradient.flat)


def test_mao_has_a_task_for_each_equation_and_one_for_penalties(tmp_path):
    overrides = ["model=rbc_labor", "optimizer=brock_mirman", "optimizer.optimizer=MAO", *PLAIN]
    model = deqn.Model(compose(overrides).config)
    trainer = deqn.Trainer(model)
    with model.context():
        terms = trainer.step(model.initial_states(8))
    (first, *_) = trainer.state.optimizer.state.values()
    assert len(first["exp_avg"]) == len(terms.parts) + bool(terms.penalties) >= 2


@pytest.mark.parametrize("name", ["MAO", "AdaHessian", "NaturalGradient"])
def test_what_takes_more_than_the_gradient_cannot_be_compiled(name):
    with pytest.raises(ConfigError, match=f"'{name}' takes more than one derivative"):
        deqn.Trainer(deqn.Model(compose([*TINY, *settings(name), "run.compile=true"]).config))


def test_the_natural_gradient_refuses_draws():
    model = deqn.Model(compose([*TINY, *settings("NaturalGradient"), "run.expectation_type=pseudo_random"]).config)
    with pytest.raises(ConfigError, match=r"'NaturalGradient' cannot be used here(.|\n)*draws anew"):
        deqn.Trainer(model)


def test_what_is_not_finite_beyond_the_gradient_stops_the_run():
    class Infinite(torch.autograd.Function):
        """The identity, whose second derivative is not finite."""

        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return grad * Nan.apply(grad)

    class Nan(torch.autograd.Function):
        """One, with a derivative that is not finite."""

        @staticmethod
        def forward(ctx, x):
            return torch.ones_like(x)

        @staticmethod
        def backward(ctx, grad):
            return grad * float("nan")

    trainer = deqn.Trainer(deqn.Model(compose([*TINY, *settings("AdaHessian")]).config))
    equations = trainer.model.equations
    trainer.model.equations = lambda s, p: equations(s, Infinite.apply(p))
    with pytest.raises(TrainingError, match="not a finite number in episode 1, step 1"):
        trainer.fit(quiet=True)


PLATEAU = [
    "optimizer.learning_rate_schedule=ReduceLROnPlateau", "optimizer.schedule_kwargs={factor: 0.5, patience: 0, min_delta: 1.0}"
]  # fmt: skip


def test_a_plateau_lowers_the_learning_rate_once_an_episode():
    """No episode is better by 1, so that each after the first halves the rate."""
    listener = Listener()
    train(None, *PLATEAU, "optimizer.learning_rate=0.008", "run.N_episodes=4", watcher=listener)
    assert [record.learning_rate for record in listener.records] == [0.008, 0.008, 0.004, 0.002]


def test_a_plateau_goes_on_where_it_was(tmp_path):
    whole = train(None, *PLATEAU, "run.N_episodes=6").state.payload()
    train(tmp_path, *PLATEAU, "run.N_episodes=3")
    assert_same(train(tmp_path, *PLATEAU, "run.N_episodes=6", starting_point="LATEST").state.payload(), whole)


def test_the_initial_learning_rate_of_a_keras_schedule_is_the_optimizers():
    kwargs = "{initial_learning_rate: 0.02, end_learning_rate: 0.01, decay_steps: 8}"
    listener = Listener()
    train(
        None, "optimizer.learning_rate_schedule=PolynomialDecay", f"optimizer.schedule_kwargs={kwargs}", "run.N_episodes=1",
        watcher=listener,
    )  # fmt: skip
    assert listener.records[0].learning_rate == pytest.approx(0.01)
