"""`on_nonfinite: rollback`: back to the last good episode, and on with a smaller learning rate."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.disk.checkpoint import Checkpoints
from deqn.disk.run_folder import RunFolder
from deqn.economy.probe import probe
from deqn.errors import TrainingError
from deqn.training.train_state import Rollbacks
from deqn.training.trainer import Trainer
from tests.conftest import TINY, Listener, assert_same

ROLLBACK = [*TINY, "on_nonfinite=rollback", "run.N_episodes=8", "++net.layers.1.hidden.dropout_rate=0.2"]


def trainer_of(folder, *overrides: str, watcher=None, starting_point: str = "NEW") -> Trainer:
    model = deqn.Model(compose([*ROLLBACK, *overrides]).config)
    probe(model)
    trainer = Trainer(model, None if folder is None else RunFolder(folder), watcher)
    if starting_point != "NEW":
        trainer.restore(starting_point)
    return trainer


def poison(trainer: Trainer, at: int, above: float) -> Trainer:
    """Makes gradient step `at` give no finite number as long as the learning rate is above a value."""
    terms = trainer.terms

    def poisoned(model, states):
        result = terms(model, states)
        if trainer.state.step == at and trainer.state.optimizer.param_groups[0]["lr"] > above:
            result.loss = result.loss * float("nan")
        return result

    trainer.terms = poisoned
    return trainer


CONSTANT = ["optimizer.learning_rate_schedule=null", "optimizer.schedule_kwargs={}"]  # 0.003


def test_training_goes_back_one_episode_and_on_with_half_the_learning_rate(tmp_path):
    watcher = Listener()
    trainer = poison(trainer_of(tmp_path, *CONSTANT, watcher=watcher), 29, above=0.002)  # in the fourth episode
    trainer.fit()
    assert trainer.state.rollbacks == Rollbacks(1, 0.5, failed=4, target=3)
    assert trainer.state.episode == 8
    assert [record.episode for record in watcher.records] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [record.learning_rate for record in watcher.records] == pytest.approx([0.003] * 3 + [0.0015] * 5)
    (message,) = watcher.messages
    for words in ("in episode 4, step 6", "Back to the end of episode 3", "learning rate 0.0015 (rollback 1 of 10)"):
        assert words in message


def test_what_comes_after_is_what_the_smaller_learning_rate_gives(tmp_path):
    """Resumed at the third checkpoint by a run with half the learning rate, whose network never fails."""
    trainer = poison(trainer_of(tmp_path / "rolled", *CONSTANT), 29, above=0.002)
    trainer.fit()
    trainer_of(tmp_path / "plain", *CONSTANT, "run.N_episodes=3").fit()
    plain = trainer_of(tmp_path / "plain", *CONSTANT, "optimizer.learning_rate=0.0015", starting_point="LATEST")
    plain.fit()
    for part in ("policy", "rng", "torch_rng", "starting_state"):
        assert_same(dict(trainer.saver.payload())[part], dict(plain.saver.payload())[part])


def test_as_long_as_it_does_not_get_past_it_goes_back_twice_as_far(tmp_path):
    """The step fails until the learning rate is an eighth of the first one: three rollbacks, to episodes 7, 6 and 4."""
    watcher = Listener()
    trainer = poison(trainer_of(tmp_path, *CONSTANT, watcher=watcher), 61, above=0.0004)
    trainer.fit()
    assert trainer.state.rollbacks == Rollbacks(3, 0.125, failed=8, target=4)
    assert [record.episode for record in watcher.records] == [1, 2, 3, 4, 5, 6, 7, 7, 5, 6, 7, 8]
    rates = [*[1.0] * 7, 0.25, *[0.125] * 4]
    assert [record.learning_rate for record in watcher.records] == pytest.approx([0.003 * rate for rate in rates])
    names = Checkpoints(tmp_path).names()
    assert names == [f"ckpt-{i}" for i in range(1, 9)]
    rollbacks = [Checkpoints(tmp_path).load(name)[0]["rollbacks"]["n"] for name in names]
    assert rollbacks == [0, 0, 0, 3, 3, 3, 3, 3]


def test_after_it_got_past_the_next_failure_goes_back_one_episode(tmp_path):
    trainer = poison(poison(trainer_of(tmp_path, *CONSTANT), 29, above=0.002), 45, above=0.001)
    trainer.fit()
    assert trainer.state.rollbacks == Rollbacks(2, 0.25, failed=6, target=5)


def test_a_killed_run_continues_to_the_bit_with_the_smaller_learning_rate(tmp_path):
    def whole(folder, **more):
        return poison(trainer_of(folder, *CONSTANT, **more), 61, above=0.0004)

    uninterrupted = whole(tmp_path / "whole")
    uninterrupted.fit()
    for stopped in (
        2,
        3,
        4,
        5,
        7,
    ):  # records of the run above after which it is killed: before, between and after rollbacks

        class Kill(Listener):
            def episode(self, record, state, stopped=stopped):
                super().episode(record, state)
                if len(self.records) == stopped:
                    raise KeyboardInterrupt

        folder = tmp_path / f"killed-{stopped}"
        with pytest.raises(KeyboardInterrupt):
            whole(folder, watcher=Kill()).fit()
        resumed = whole(folder, starting_point="LATEST")
        resumed.fit()
        assert_same(resumed.state.payload(), uninterrupted.state.payload())


def test_without_older_checkpoints_it_goes_back_to_the_beginning():
    trainer = poison(trainer_of(None, *CONSTANT), 29, above=0.001)
    trainer.fit()
    assert trainer.state.rollbacks == Rollbacks(2, 0.25, failed=4, target=0)


def test_the_first_episode_is_tried_again():
    trainer = poison(trainer_of(None, *CONSTANT), 3, above=0.001)
    trainer.fit()
    assert trainer.state.rollbacks == Rollbacks(2, 0.25, failed=1, target=0)
    assert trainer.state.episode == 8


def test_after_the_limit_it_stops(tmp_path):
    trainer = poison(trainer_of(tmp_path, *CONSTANT, "rollback_limit=2", "rollback_factor=0.1"), 29, above=0.0)
    with pytest.raises(TrainingError, match="Going back 2 times did not help") as error:
        trainer.fit()
    assert error.value.exit_code == 3
    assert trainer.state.rollbacks.factor == pytest.approx(0.01)
    for name in Checkpoints(tmp_path).names():
        payload = Checkpoints(tmp_path).load(name)[0]
        assert all(bool(torch.isfinite(value).all()) for value in payload["policy"].values())


def test_stop_is_the_default(tmp_path):
    trainer = poison(trainer_of(tmp_path, *CONSTANT, "on_nonfinite=stop"), 29, above=0.0)
    with pytest.raises(TrainingError, match="Kept ckpt-3"):
        trainer.fit()
    assert trainer.state.rollbacks == Rollbacks()


def test_a_state_that_is_not_finite_at_the_end_of_an_episode_is_rolled_back_too(tmp_path):
    trainer = trainer_of(tmp_path, *CONSTANT)
    simulated = trainer.simulated_step

    def step(states):
        bad = trainer.state.step == 24 and trainer.state.rollbacks.n == 0 and len(calls) == 3
        calls.append(None) if trainer.state.step == 24 else calls.clear()
        return simulated(states) * (float("nan") if bad else 1.0)

    calls = []
    trainer.simulated_step = step
    trainer.fit()
    assert trainer.state.rollbacks == Rollbacks(1, 0.5, failed=4, target=3)
    assert trainer.state.episode == 8


@pytest.mark.parametrize(
    "name", ["CosineDecay", "ExponentialDecay", "OneCycleLR", "CyclicLR", "MultiStepLR", "CosineAnnealingLR"]
)
def test_every_schedule_goes_on_at_half_its_height(name):
    kwargs = {
        "CosineDecay": "{decay_steps: 64}",
        "ExponentialDecay": "{decay_steps: 10, decay_rate: 0.7}",
        "OneCycleLR": "{max_lr: 0.01, total_steps: 70}",
        "CyclicLR": "{base_lr: 0.001, max_lr: 0.01, step_size_up: 5, cycle_momentum: false}",
        "MultiStepLR": "{milestones: [10, 30, 40]}",
        "CosineAnnealingLR": "{T_max: 64}",
    }[name]
    schedule = [f"optimizer.learning_rate_schedule={name}", f"optimizer.schedule_kwargs={kwargs}"]

    def rates(fail: bool) -> list[float]:
        trainer, seen = trainer_of(None, *schedule), {}
        step = trainer.step

        def recorded(batch):
            seen[trainer.state.step] = trainer.state.optimizer.param_groups[0]["lr"]
            if fail and trainer.state.step == 29 and trainer.state.rollbacks.n == 0:
                raise TrainingError("made up")
            return step(batch)

        trainer.step = recorded
        trainer.fit()
        return [seen[i] for i in range(64)]

    plain, rolled_back = rates(False), rates(True)
    assert rolled_back[:24] == plain[:24]
    assert rolled_back[24:] == pytest.approx([0.5 * rate for rate in plain[24:]], rel=1e-6, abs=1e-12)


def test_it_saves_a_run_that_explodes_by_itself(tmp_path):
    """Plain gradient descent on an unbounded policy, with a learning rate ten thousand times too large."""
    relu = [f"net.layers.{i}.hidden.activation=relu" for i in (0, 1)]
    unbounded = ["variables.policies.0.activation=null", *relu]
    overrides = ["optimizer.optimizer=SGD", "optimizer.learning_rate=5.0", "run.N_episodes=20", *CONSTANT, *unbounded]
    with pytest.raises(TrainingError):
        trainer_of(tmp_path / "stop", *overrides, "on_nonfinite=stop").fit()
    trainer = trainer_of(tmp_path / "rollback", *overrides, "rollback_factor=0.2", "rollback_limit=30")
    trainer.fit()
    assert trainer.state.episode == 20
    assert trainer.state.rollbacks.n > 1
