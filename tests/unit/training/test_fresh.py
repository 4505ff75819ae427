"""Accuracy on fresh states while training: what it measures, what it keeps, when it ends a run."""

from __future__ import annotations

import math

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.disk.checkpoint import BEST, Checkpoints
from deqn.disk.run_folder import RunFolder
from deqn.economy.probe import probe
from deqn.errors import ConfigError
from deqn.training import fresh
from deqn.training.trainer import Trainer
from tests.conftest import TINY, Listener, assert_same, train

EVERY = "run.accuracy.every=2"
BM1972 = [
    "model=bm1972",
    "run.N_sim_batch=8",
    "run.N_minibatch_size=8",
    "run.N_episodes=4",
    "net.layers.0.hidden.units=8",
    "net.layers.1.hidden.units=8",
]


def trainer_of(folder, *overrides: str) -> Trainer:
    model = deqn.Model(compose(overrides).config)
    probe(model)
    return Trainer(model, None if folder is None else RunFolder(folder), Listener())


def test_measuring_changes_nothing_in_training(tmp_path):
    plain = train(tmp_path / "plain", "run.N_episodes=5").state.payload()
    measured = train(tmp_path / "measured", "run.N_episodes=5", EVERY).state.payload()
    assert [row[0] for row in measured.pop("measured")] == [2, 4, 5]
    assert plain.pop("measured") == []
    assert_same({**plain, "header": 0}, {**measured, "header": 0})


def test_the_mean_is_that_of_the_residuals_at_new_initial_states():
    """bm1972 draws each episode anew: the savings rate of the network, put into the textbook's Euler equation by hand."""
    trainer = trainer_of(None, *BM1972, EVERY, "run.accuracy.N_states=50", "run.keras_precision=float64")
    trainer.fit()
    model = trainer.model
    model.rng.seed(fresh._SEED)
    states = model.initial_states(50)
    alpha, beta = model.Parameters.alpha, model.Parameters.beta

    def saved(k):
        return model.PolicyState.s_t(model.policy(k))

    with model.context(), torch.no_grad():
        k = model.State.K_t(states)
        tomorrow = saved(states) * k**alpha
        consumed = (1 - saved(states)) * k**alpha
        later = (1 - saved(tomorrow[:, None])) * tomorrow**alpha
        residual = (1 - later / (beta * consumed * alpha * tomorrow ** (alpha - 1))).abs()  # capital lasts one period
    episode, mean, largest = trainer.state.measured[-1]
    assert episode == 4
    assert mean == pytest.approx(float(residual.mean()), rel=1e-12)
    assert largest == pytest.approx(float(residual.max()), rel=1e-12)


def test_draws_are_the_same_in_runs_with_other_seeds_and_sizes():
    one, other = (trainer_of(None, *TINY, EVERY, *more) for more in ([], ["seed=7", "run.N_sim_batch=32"]))
    other.model.network.load_state_dict(one.model.network.state_dict())
    with one.model.context():
        here = one._fresh._residuals(one.state)
    with other.model.context():
        assert other._fresh._residuals(other.state) == pytest.approx(here, rel=1e-5)


def test_states_are_spread_over_the_periods_after_the_start():
    trainer = trainer_of(None, *TINY, EVERY, "run.accuracy.N_states=60", "run.accuracy.N_periods=40")
    steps, step = [], trainer.model.step
    trainer.model.step = lambda states: steps.append(len(states)) or step(states)
    with trainer.model.context():
        states = trainer._fresh._states()
    assert states.shape == (60, trainer.model.n_states)
    assert len(steps) == 44  # 4 periods before the first that is kept, and after each
    assert set(steps) == {6}


def test_the_best_network_is_kept_and_taken_by_its_name(tmp_path):
    trainer = train(tmp_path, "run.N_episodes=12", EVERY, "optimizer.learning_rate=.05", "MAX_TO_KEEP_NUMBER=1")
    measured = {episode: mean for episode, mean, _ in trainer.state.measured}
    best = min(measured, key=measured.get)
    assert Checkpoints(tmp_path).best_episode() == best
    payload = Checkpoints(tmp_path).load(BEST)[0]
    assert payload["episode"] == best
    trainer.model.network.load_state_dict(payload["policy"])
    with trainer.model.context():
        assert trainer._fresh._residuals(trainer.state)[0] == pytest.approx(measured[best], rel=1e-5)


def test_a_run_that_gains_nothing_ends_early_and_says_so(tmp_path):
    trainer = trainer_of(
        tmp_path, *TINY, "run.N_episodes=40", EVERY, "run.accuracy.patience=3", "run.accuracy.min_gain=.99"
    )
    trainer.fit()
    assert trainer.signal is None
    episodes = [row[0] for row in trainer.state.measured]
    assert episodes[-1] == trainer.state.episode < 40
    assert episodes == [2, 4, 6, 8]  # the first is a gain, the next three are none
    assert any("training ends after episode 8: in 3 measurements" in text for text in trainer.watcher.messages)


def test_a_run_that_gains_does_not_end_early(tmp_path):
    trainer = train(tmp_path, "run.N_episodes=10", EVERY, "run.accuracy.patience=3", "run.accuracy.min_gain=0")
    assert trainer.state.episode == 10


def test_a_resumed_run_has_measured_the_same(tmp_path):
    whole = train(tmp_path / "whole", "run.N_episodes=8", EVERY)
    train(tmp_path / "parts", "run.N_episodes=4", EVERY)
    parts = train(tmp_path / "parts", "run.N_episodes=8", EVERY, starting_point="LATEST")
    assert parts.state.measured == whole.state.measured
    assert Checkpoints(tmp_path / "parts").best_episode() == Checkpoints(tmp_path / "whole").best_episode()


def test_a_best_network_of_a_path_that_was_left_is_set_aside(tmp_path):
    train(tmp_path, "run.N_episodes=8", EVERY, "run.accuracy.min_gain=0")
    before = Checkpoints(tmp_path).best_episode()
    assert before is not None
    assert before > 3
    again = train(tmp_path, "run.N_episodes=6", EVERY, starting_point="ckpt-3")
    assert (tmp_path / "ckpt" / f"{BEST}.pt.old").is_file()
    assert Checkpoints(tmp_path).best_episode() in {row[0] for row in again.state.measured if row[0] > 3}


def test_a_damaged_best_network_is_replaced_at_the_next_measurement(tmp_path):
    train(tmp_path, "run.N_episodes=4", EVERY)
    (tmp_path / "ckpt" / f"{BEST}.pt").write_bytes(b"torn")
    train(tmp_path, "run.N_episodes=6", EVERY, starting_point="LATEST")
    assert Checkpoints(tmp_path).best_episode() == 6


def test_what_is_no_number_is_never_the_best(tmp_path, monkeypatch):
    trainer = trainer_of(tmp_path, *TINY, "run.N_episodes=4", EVERY)
    equations = trainer.model.equations

    def some_nan(states, policies):
        found = equations(states, policies)
        return {name: r * math.nan for name, r in found.items()} if trainer.state.episode == 4 else found

    measure = trainer._fresh._residuals

    def measured(state):
        monkeypatch.setattr(trainer.model, "equations", some_nan)
        try:
            return measure(state)
        finally:
            monkeypatch.setattr(trainer.model, "equations", equations)

    monkeypatch.setattr(trainer._fresh, "_residuals", measured)
    trainer.fit()
    assert trainer.state.measured[-1] == (4, math.inf, math.inf)
    assert Checkpoints(tmp_path).best_episode() == 2


def test_an_economy_in_transition_is_measured_over_the_periods_of_an_episode(tmp_path):
    trainer = trainer_of(None, *TINY, EVERY, "stationary=false", "run.accuracy.N_states=40")
    with trainer.model.context():
        assert len(trainer._fresh._states()) == 40  # 10 trajectories of 4 periods


def test_patience_needs_measurements():
    with pytest.raises(ConfigError, match=r"run\.accuracy\.patience = 3 .* run\.accuracy\.every=10"):
        compose([*TINY, "run.accuracy.patience=3"])
