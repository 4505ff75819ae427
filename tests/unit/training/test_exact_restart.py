"""What could make a resumed run leave the path of one that was not: hooks, optimizers and schedules of a model's own making."""

from __future__ import annotations

import signal

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.disk.checkpoint import Checkpoints
from deqn.disk.run_folder import RunFolder
from deqn.economy.probe import probe
from deqn.errors import ConfigError
from deqn.processes.distributed import Comm
from deqn.training.estimate import estimate_seconds
from deqn.training.record import Record
from deqn.training.trainer import Trainer
from tests.conftest import TINY, assert_same, train

SIX = "run.N_episodes=6"


def trainer_of(folder, *overrides: str, starting_point: str = "NEW", watcher=None, post_init=None) -> Trainer:
    model = deqn.Model(compose([*TINY, *overrides]).config)
    probe(model)
    model.post_init = post_init and (lambda: post_init(model))
    trainer = Trainer(model, None if folder is None else RunFolder(folder), watcher)
    if starting_point != "NEW":
        trainer.restore(starting_point)
    return trainer


def stop_in_episode(trainer: Trainer, episode: int) -> None:
    """Trains until a signal comes in the middle of an episode."""
    step = trainer.step

    def then_stop(states):
        terms = step(states)
        if trainer.state.episode + 1 == episode:
            trainer.signals.received = int(signal.SIGTERM)
        return terms

    trainer.step = then_stop
    trainer.fit()


def end(trainer: Trainer) -> dict:
    trainer.fit()
    return trainer.state.payload()


def draws(model) -> None:
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(model.rng.normal(parameter.shape, stddev=0.1))


def pretrains(model) -> None:
    """With an optimizer of its own, which leaves no gradients behind."""
    optimizer = torch.optim.Adam(model.network.parameters())
    states = model.initial_states(8)
    for _ in range(2):
        with torch.enable_grad():
            (model.policy(states) - 0.5).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


class Drawing:
    """A hook that simulates."""

    def __init__(self) -> None:
        self.trainer: Trainer

    def episode(self, record: Record, state: torch.Tensor) -> None:
        self.trainer.model.step(state)
        torch.rand(3)

    def message(self, text: str) -> None: ...


def test_post_init_runs_once_also_for_a_run_that_is_stopped_in_its_first_episode(tmp_path):
    whole = end(trainer_of(tmp_path / "whole", SIX, post_init=draws))
    stop_in_episode(trainer_of(tmp_path / "run", SIX, post_init=draws), 1)
    assert Checkpoints(tmp_path / "run").names() == ["ckpt-0"]
    assert_same(end(trainer_of(tmp_path / "run", SIX, post_init=draws, starting_point="LATEST")), whole)


def test_what_a_hook_draws_changes_nothing(tmp_path):
    plain = end(trainer_of(None, SIX))
    for folder, point in ((tmp_path / "whole", "NEW"), (tmp_path / "parts", "LATEST")):
        if point == "LATEST":
            train(folder, "run.N_episodes=3")
        watcher = Drawing()
        watcher.trainer = trainer_of(folder, SIX, watcher=watcher, starting_point=point)
        assert_same(end(watcher.trainer), plain)


def test_a_post_init_with_an_optimizer_of_its_own_leaves_training_as_it_is():
    """Its zero_grad takes the gradients away; each step clears, checks and clips them all the same."""
    trainer = trainer_of(None, "run.N_episodes=1", "optimizer.clipvalue=1e-4", post_init=pretrains)
    trainer.fit()
    flat = trainer.gradient.flat
    assert float(flat.abs().max()) == pytest.approx(1e-4)
    for parameter in trainer.model.network.parameters():
        assert parameter.grad.untyped_storage().data_ptr() == flat.untyped_storage().data_ptr()


def test_a_post_init_that_leaves_no_number_stops_before_the_first_step(tmp_path):
    def spoil(model):
        next(model.network.parameters()).fill_(float("nan"))

    with pytest.raises(deqn.TrainingError, match="not finite at the end of episode 0"):
        trainer_of(tmp_path, SIX, post_init=spoil).fit()
    assert Checkpoints(tmp_path).names() == []


def test_a_signal_after_the_last_episode_does_not_make_the_run_unfinished():
    class Late(Drawing):
        def episode(self, record, state):
            if record.episode == 2:
                self.trainer.signals.received = int(signal.SIGTERM)

    watcher = Late()
    watcher.trainer = trainer_of(None, "run.N_episodes=2", watcher=watcher)
    watcher.trainer.fit()
    assert watcher.trainer.signal is None


def test_an_estimate_of_the_time_changes_nothing():
    trainer = trainer_of(None, SIX, "++net.layers.1.hidden.dropout_rate=0.5", "run.expectation_type=pseudo_random")
    before = trainer.state.payload()
    estimate_seconds(trainer)
    assert_same(trainer.state.payload(), before)


ONE_CYCLE = "optimizer.learning_rate_schedule=OneCycleLR"


def test_a_schedule_that_ends_before_the_run_is_refused_at_the_start(tmp_path):
    short = [ONE_CYCLE, "optimizer.schedule_kwargs={max_lr: 0.01, total_steps: 16}"]
    with pytest.raises(ConfigError, match=r"OneCycleLR ends after total_steps = 16, but the run has 48 gradient steps"):
        trainer_of(None, SIX, *short)
    train(tmp_path, "run.N_episodes=2", *short)
    longer = [ONE_CYCLE, "optimizer.schedule_kwargs={max_lr: 0.01, total_steps: 48}"]
    with pytest.raises(ConfigError, match=r"ends after total_steps = 16, but the run has 48"):
        trainer_of(tmp_path, SIX, *longer, starting_point="LATEST")


@pytest.mark.parametrize(
    ("schedule", "kwargs"),
    [("OneCycleLR", "max_lr: 0.01, total_steps: 60"), ("CyclicLR", "base_lr: 0.001, max_lr: 0.01, step_size_up: 5"),
     ("CosineAnnealingLR", "T_max: 48, eta_min: 0.0001"), ("CosineDecay", "decay_steps: 48")],
)  # fmt: skip
def test_all_rates_of_a_schedule_grow_with_the_number_of_processes(schedule, kwargs):
    class Three(Comm):
        def __init__(self):
            super().__init__(0, 3)

    overrides = [f"optimizer.learning_rate_schedule={schedule}", f"optimizer.schedule_kwargs={{{kwargs}}}"]

    def rates(comm) -> list[float]:
        model = deqn.Model(compose([*TINY, SIX, *overrides, "optimizer.optimizer=SGD"]).config)
        state = Trainer(model, comm=comm).state
        found = []
        for _ in range(48):
            found.append(state.optimizer.param_groups[0]["lr"])
            state.optimizer.step()
            state.schedule.step()
        return found

    assert rates(Three()) == pytest.approx([3 * rate for rate in rates(None)])


@pytest.mark.parametrize(
    "optimizer", [["optimizer.optimizer=Adam", "optimizer.optimizer_kwargs={beta_1: 0.5}"],
                  ["optimizer.optimizer=SGD", "optimizer.optimizer_kwargs={momentum: 0.5}"]]
)  # fmt: skip
def test_options_of_the_optimizer_are_those_of_today(tmp_path, optimizer):
    train(tmp_path, "run.N_episodes=1", optimizer[0])
    (group,) = trainer_of(tmp_path, *optimizer, starting_point="LATEST").state.optimizer.param_groups
    assert 0.5 in (group.get("momentum"), *group.get("betas", ()))


def test_generators_of_another_kind_of_device_are_drawn_anew(tmp_path):
    """Those of a GPU have another size."""
    train(tmp_path, "run.N_episodes=1")
    checkpoints = Checkpoints(tmp_path)
    payload = checkpoints.load("LATEST")[0]
    checkpoints.save({**payload, "rng": torch.zeros(16, dtype=torch.uint8)}, 1)
    trainer = trainer_of(tmp_path, "run.N_episodes=2")
    assert any("another kind of device" in line for line in trainer.restore("LATEST"))
    assert torch.equal(trainer.state.starting_state, payload["starting_state"])
    trainer.fit()
