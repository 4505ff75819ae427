"""Stated shares of a minibatch are drawn from the box of initial states."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.analysis.sample import sample
from deqn.configuration.compose import compose
from deqn.errors import ConfigError
from deqn.training.trainer import Trainer
from tests.conftest import TINY, assert_same, train

OUTSIDE = 100.0  # capital that no initial state has


def minibatches(*overrides: str, episodes: int = 1) -> torch.Tensor:
    """Capital in the minibatches of a training whose trajectories all begin outside the box: `[steps, size]`."""
    trainer = Trainer(deqn.Model(compose([*TINY, *overrides, f"run.N_episodes={episodes}"]).config))
    trainer.state.starting_state[:, 0] = OUTSIDE
    trainer.simulated_step = lambda states: states
    seen, step = [], trainer.step

    def watched(states):
        seen.append(states[:, 0].clone())
        return step(states)

    trainer.step = watched
    trainer.fit(quiet=True)
    return torch.stack(seen)


@pytest.mark.parametrize("share", [0.25, 0.3, 0.75])
def test_the_share_of_each_minibatch_is_drawn_anew(share):
    capital = minibatches(f"run.box_share={share}")
    drawn = capital[capital != OUTSIDE]
    assert ((capital != OUTSIDE).sum(-1) == round(share * 16)).all()
    low, high = (float(getattr(deqn.load_model("brock_mirman").Parameters, name)) for name in ("K_low", "K_high"))
    assert low <= float(drawn.min()) < float(drawn.max()) <= high
    assert len(drawn.unique()) == drawn.numel()


def test_box_and_earlier_states_have_their_shares_beside_the_simulated_ones():
    capital = minibatches("run.box_share=0.25", "run.replay_share=0.5", episodes=2)
    assert ((capital != OUTSIDE).sum(-1) == 4).all()


def test_without_a_share_nothing_is_drawn():
    assert (minibatches() == OUTSIDE).all()


def test_the_box_keeps_its_size_while_shocks_are_small():
    small = ["run.N_episodes_of_small_shocks=100", "run.shock_size_start=0.01"]
    box = ["run.box_share=0.75", "variables.states.0.init={distribution: normal, kwargs: {mean: 0.2, stddev: 0.02}}"]
    capital = minibatches(*small, *box)
    assert float(capital[capital != OUTSIDE].std()) == pytest.approx(0.02, rel=0.3)


def test_a_run_that_is_resumed_has_the_same_states(tmp_path):
    settings = ["run.box_share=0.5", "run.replay_share=0.25", "run.N_states_held=32"]
    whole = train(None, *settings, "run.N_episodes=6").state.payload()
    train(tmp_path, *settings, "run.N_episodes=3")
    assert_same(train(tmp_path, *settings, "run.N_episodes=6", starting_point="LATEST").state.payload(), whole)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["run.replay_share=0.6"], "run.box_share and run.replay_share are 1.1 together"),
        (["variables.states.0.init=null"], "draws states from their init, and K has none"),
        (["run.loss.trace_decay=0.5", "run.sorted_within_batch=true"], "run.box_share mixes drawn states in"),
    ],
)
def test_what_cannot_be_mixed_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        compose([*TINY, "run.box_share=0.5", *overrides])


def test_the_report_says_that_its_states_are_simulated_ones_only():
    model = deqn.load_model("brock_mirman", ["run.box_share=0.25"])
    assert str(sample(model)).endswith("; none from the box, where training drew 25 % of each minibatch")
    assert "box" not in str(sample(deqn.load_model("brock_mirman")))
