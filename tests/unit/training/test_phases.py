"""Phases of training: one optimizer after the other, with exact restarts, and back to gradients where least squares fail."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.disk.checkpoint import Checkpoints
from deqn.numerics.least_squares import LevenbergMarquardt
from deqn.training.least_squares import Stuck
from tests.conftest import TINY, Listener, assert_same, train


def phases(*entries: str) -> list[str]:
    return ["optimizer=phases", f"optimizer.phases=[{', '.join(entries)}]"]


ADAM = "{optimizer: Adam, learning_rate: 0.003, N_episodes: 2}"
SQUARES = "{optimizer: LevenbergMarquardt, N_steps_per_episode: 2, N_minibatch_size: 20}"
TWO = phases(ADAM, SQUARES)


def listened(*overrides: str) -> tuple[deqn.Trainer, Listener]:
    watcher = Listener()
    return train(None, *overrides, watcher=watcher), watcher


def test_a_phase_begins_after_the_episodes_of_the_one_before():
    trainer, watcher = listened(*TWO, "run.N_episodes=4")
    assert isinstance(trainer.state.optimizer, LevenbergMarquardt)
    assert (trainer.state.phase, trainer.state.phase_began) == (1, 2)
    assert "from episode 3: LevenbergMarquardt, phase 2 of 2" in watcher.messages[0]
    assert [record.n_steps for record in watcher.records][2:] == [2, 2]
    assert watcher.records[-1].epochs[-1][0] < 0.1 * watcher.records[1].epochs[-1][0]


def test_a_phase_ends_when_its_loss_is_small_enough():
    adam = "{optimizer: Adam, learning_rate: 0.003, until_loss: 1.0e+3}"
    trainer, _ = listened(*phases(adam, SQUARES), "run.N_episodes=2")
    assert (trainer.state.phase, trainer.state.phase_began) == (1, 1)
    adam = "{optimizer: Adam, learning_rate: 0.003, until_loss: 1.0e-30}"
    trainer, _ = listened(*phases(adam, SQUARES), "run.N_episodes=2")
    assert trainer.state.phase == 0


@pytest.mark.parametrize("last", [SQUARES, "{optimizer: LBFGS, learning_rate: 1.0, optimizer_kwargs: {max_iter: 5}}"])
@pytest.mark.parametrize("at", [1, 2, 3])  # within the first phase, between both, within the second
def test_a_run_in_two_parts_ends_with_the_bits_of_one(tmp_path, last, at):
    overrides = phases(ADAM, last)
    train(tmp_path / "whole", *overrides, "run.N_episodes=4")
    train(tmp_path / "parts", *overrides, f"run.N_episodes={at}")
    train(tmp_path / "parts", *overrides, "run.N_episodes=4", starting_point="LATEST")
    whole, parts = (Checkpoints(tmp_path / name).load("ckpt-4")[0] for name in ("whole", "parts"))
    for key in ("policy", "optimizer", "starting_state", "rng", "torch_rng", "phase", "phase_began"):
        assert_same(whole[key], parts[key])


def test_lbfgs_lowers_the_loss_of_a_minibatch_and_forgets_it():
    trainer, watcher = listened(*phases(ADAM, "{optimizer: LBFGS, learning_rate: 1.0}"), "run.N_episodes=4")
    assert not trainer.state.optimizer.state
    assert watcher.records[-1].epochs[-1][0] < 0.1 * watcher.records[1].epochs[-1][0]


def test_where_least_squares_find_no_way_on_gradients_are_taken_once_more(monkeypatch):
    taken = []

    def stuck(self, states):
        taken.append(self.state.episode)
        raise Stuck("no way on")

    monkeypatch.setattr("deqn.training.least_squares.LeastSquares.__call__", stuck)
    watcher = Listener()
    with pytest.raises(deqn.TrainingError, match="no way on"):
        train(None, *TWO, "run.N_episodes=20", watcher=watcher)
    assert taken == [2, 4, 6, 8]  # three times back, two episodes of Adam each
    assert sum("Phase 1 (Adam) is taken once more" in message for message in watcher.messages) == 3


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (phases("{optimizer: Adam}", SQUARES), r"phases\[0\] needs an end"),
        (phases(ADAM, ADAM), r"phases\[1\] is the last phase, which ends with the run"),
        (["+optimizer.phases=[{optimizer: Adam}]"], r"stands beside optimizer.phases"),
        (phases(ADAM, "{optimizer: Adm}"), r"phases\[1\].optimizer = 'Adm' is not an optimizer. Did you mean Adam\?"),
        (phases(ADAM, "{optimizer: Adam, N_minibatch_size: 100000}"), "no step would be taken"),
        (phases(ADAM, "{optimizer: Adam, N_episode: 3}"), "N_episode is not a field.*N_episodes"),
    ],
)
def test_phases_that_cannot_be_are_refused(overrides, words):
    with pytest.raises(deqn.ConfigError, match=words):
        compose([*TINY, *overrides])


def test_what_a_later_phase_refuses_is_said_at_the_start():
    clipped = "{optimizer: LevenbergMarquardt, clipvalue: 1.0}"
    model = deqn.load_model("brock_mirman", [*TINY[1:], *phases(ADAM, clipped)])
    with pytest.raises(deqn.ConfigError, match="clipvalue cuts gradients"):
        deqn.Trainer(model)


def test_the_shipped_phases_are_adam_and_least_squares():
    config = compose(["model=bm1972", "optimizer=phases"]).config
    assert [phase.optimizer for phase in config.optimizer.phases] == ["Adam", "LevenbergMarquardt"]
    assert len(compose(["model=krusell_smith", "preset=smoke", "optimizer=phases"]).config.optimizer.phases) == 2
    assert torch.optim.Adam.__name__ == config.in_phase(0).optimizer.optimizer
    assert config.in_phase(1).run.N_episodes == config.run.N_episodes - config.optimizer.phases[0].N_episodes
