"""Episodes that are simulated in pieces (`run.N_states_held`), and how much memory an episode takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.errors import ConfigError
from deqn.training import simulate
from deqn.training.trainer import Trainer
from tests.conftest import ROOT, TINY, assert_same, plain_environment, train


def pieces(**run: int) -> list[int]:
    return compose([*TINY, *(f"run.{key}={value}" for key, value in run.items())]).config.pieces


def test_pieces_are_as_many_periods_as_may_be_held():
    assert pieces(N_episode_length=10, N_states_held=48) == [3, 3, 3, 1]
    assert pieces(N_episode_length=10, N_states_held=160) == [10]
    assert pieces(N_episode_length=10) == [10]


def test_pieces_leave_no_states_over_where_that_is_possible():
    """16 trajectories and minibatches of 32: two periods."""
    config = compose([*TINY, "run.N_minibatch_size=32", "run.N_episode_length=10", "run.N_states_held=80"]).config
    assert config.pieces == [4, 4, 2]
    assert config.steps_per_epoch == 5
    assert compose([*TINY, "run.N_minibatch_size=32", "run.N_episode_length=10"]).config.steps_per_epoch == 5


def test_steps_are_counted_by_pieces():
    config = compose([*TINY, "run.N_minibatch_size=30", "run.N_episode_length=10", "run.N_states_held=48"]).config
    assert config.pieces == [3, 3, 3, 1]
    assert config.steps_per_epoch == 3
    trainer = Trainer(deqn.Model(config))
    record = trainer.episode()
    assert trainer.state.step == record.n_steps == 2 * 3


@pytest.mark.parametrize(("held", "size", "least"), [(15, 16, 16), (20, 20, 32)])
def test_too_few_states_for_a_period_or_a_minibatch_are_refused(held, size, least):
    with pytest.raises(ConfigError, match=rf"run.N_states_held = {held}: expected at least {least}"):
        compose([*TINY, f"run.N_minibatch_size={size}", f"run.N_states_held={held}"])


def test_a_limit_that_is_not_reached_changes_no_bit():
    same = train(None, "run.N_episodes=2", "run.N_states_held=64")
    assert_same(same.state.payload(), train(None, "run.N_episodes=2").state.payload())


@pytest.mark.parametrize("order", ["run.sorted_within_batch=false", "run.sorted_within_batch=true"])
def test_every_epoch_has_the_states_of_the_policy_at_the_start_once(order):
    trainer = Trainer(deqn.Model(compose([*TINY, "run.N_states_held=32", order]).config))
    copy = Trainer(deqn.Model(compose(TINY).config))
    copy.state.rng.integer()
    states, end = simulate.episode(copy.model.step, copy.state.starting_state, 4)
    seen, step = [], trainer.step
    trainer.step = lambda batch: seen.append(batch) or step(batch)
    trainer.episode()
    assert len(seen) == 8
    for epoch in (seen[:4], seen[4:]):
        assert sorted(torch.cat(epoch).tolist()) == sorted(states.reshape(-1, 2).tolist())
    assert torch.equal(trainer.state.starting_state, end)
    assert not torch.equal(torch.cat(seen[:4]), torch.cat(seen[4:]))


def test_it_learns_as_well():
    """Median Euler residual after 150 episodes; both ways start from the same network."""

    def residual(trainer: Trainer) -> float:
        states = trainer.model.initial_states(512)
        with torch.no_grad():
            return float(trainer.model.equations(states, trainer.model.policy(states))["euler"].abs().median())

    assert residual(Trainer(deqn.Model(compose([*TINY, "seed=1"]).config))) > 0.1
    for more in ([], ["run.N_states_held=16"]):
        assert residual(train(None, "run.N_episodes=150", "seed=1", *more)) < 0.01


MEMORY = """
import sys
from pathlib import Path
import deqn
from deqn.configuration.compose import compose
from deqn.training.trainer import Trainer

def kilobytes(name):
    (line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(name)]
    return int(line.split()[1])

trainer = Trainer(deqn.Model(compose(sys.argv[1:]).config))
terms = trainer.step(trainer.state.starting_state[:64])
trainer.step = lambda batch: terms
trainer.simulated_step(trainer.state.starting_state)
Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
before = kilobytes("VmRSS")
trainer.episode()
print(1024 * (kilobytes("VmHWM") - before))
"""
TRAJECTORIES, PERIODS = 512, 128


def peak(*overrides: str) -> int:
    """Bytes that an episode of Krusell-Smith histograms needs at most, without its gradient steps, above what there was."""
    economy = ["model=krusell_smith", "constants.nA=400", f"run.N_sim_batch={TRAJECTORIES}", "run.N_minibatch_size=64"]
    result = subprocess.run(
        [sys.executable, "-c", MEMORY, *economy, *overrides],
        cwd=ROOT,
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return int(result.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory cannot be read here")
def test_an_episode_does_not_live_twice_and_in_pieces_not_even_once():
    n_states = deqn.load_model("krusell_smith", ["constants.nA=400"]).n_states
    states = 4 * n_states * TRAJECTORIES * PERIODS
    assert states > 200e6
    long = f"run.N_episode_length={PERIODS}"
    assert 0.7 * states < peak(long) < 1.15 * states
    assert peak(long, "run.sorted_within_batch=true") < 1.15 * states
    assert peak(long, f"run.N_states_held={8 * TRAJECTORIES}") < 0.2 * states
