"""States of earlier episodes in minibatches."""

from __future__ import annotations

import torch

from deqn.configuration.compose import compose
from deqn.numerics.rng import Rng
from deqn.training.replay import Replay
from tests.conftest import TINY, assert_same, train


def replay(**keys) -> Replay:
    run = compose([*TINY, *(f"run.{key}={value}" for key, value in keys.items())]).config.run
    return Replay(run, torch.zeros(1, 2))


def episode(number: float) -> torch.Tensor:
    return torch.full((4, 16, 2), number)


def test_a_share_of_the_minibatch_are_kept_states():
    kept, rng = replay(replay_share=0.25), Rng(0)
    kept.after_episode(episode(1.0), rng)
    found = kept.mix(torch.zeros(16, 2), rng)
    assert found[:, 0].tolist() == [0.0] * 12 + [1.0] * 4


def test_the_first_episode_has_its_own_states_only():
    batch = torch.zeros(16, 2)
    assert replay(replay_share=0.5).mix(batch, Rng(0)) is batch


def test_a_minibatch_of_each_of_the_last_episodes_is_kept():
    kept, rng = replay(replay_share=0.5, replay_episodes=2), Rng(0)
    for number in (1.0, 2.0, 3.0):
        kept.after_episode(episode(number), rng)
    assert kept.states[:, 0].tolist() == [2.0] * 16 + [3.0] * 16


def test_without_a_share_nothing_is_kept_or_drawn():
    kept, rng = replay(), Rng(0)
    before = rng.get_state()
    kept.after_episode(episode(1.0), rng)
    kept.mix(torch.zeros(16, 2), rng)
    assert len(kept.states) == 0
    assert torch.equal(rng.get_state(), before)


def test_a_run_that_is_resumed_has_the_same_states(tmp_path):
    settings = ["run.replay_share=0.5", "run.replay_episodes=2"]
    whole = train(None, *settings, "run.N_episodes=6").state.payload()
    train(tmp_path, *settings, "run.N_episodes=3")
    assert_same(train(tmp_path, *settings, "run.N_episodes=6", starting_point="LATEST").state.payload(), whole)
    assert len(whole["replay"]) == 32
