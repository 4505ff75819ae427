"""Short episodes and small shocks first."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.errors import ConfigError
from deqn.training import curriculum
from tests.conftest import TINY, Listener, assert_same, own_model, shipped, train


def run(**keys):
    typed = [f"run.{key}={value}" for key, value in keys.items()]
    return compose([*TINY, "run.N_episode_length=10", *typed]).config.run


def lengths(settings, n: int) -> list[int]:
    return [curriculum.episode_length(settings, episode) for episode in range(1, n + 1)]


def test_without_its_keys_all_episodes_are_as_long():
    assert lengths(run(), 3) == [10, 10, 10]


def test_episodes_grow_by_so_many_periods():
    assert lengths(run(N_episode_length_min=2, N_increment_steps=3), 5) == [2, 5, 8, 10, 10]


def by_hand(first: int, last: int, points: list[int], steps: list[int], n: int) -> list[int]:
    """Episode after episode: by the step of the first breakpoint that is longer than the episode."""
    length, found = first, []
    for _ in range(n):
        found.append(min(length, last))
        length += next((s for p, s in zip(points, steps, strict=True) if min(p, last) > length), 0)
    return found


@pytest.mark.parametrize(
    ("points", "steps"), [([4, 8], [1, 2]), ([3, 10], [1, 4]), ([2, 5, 20], [1, 3, 1]), ([5], [2])]
)
def test_breakpoints_change_the_pace(points, steps):
    found = lengths(run(N_episode_length_min=2, curriculum_breakpoints=points, curriculum_steps=steps), 12)
    assert found == by_hand(2, 10, points, steps, 12)


GROWING = ["run.N_episode_length_min=1", "run.N_increment_steps=1"]


def test_a_run_simulates_and_steps_on_the_shorter_episodes():
    listener = Listener()
    train(None, *GROWING, "run.N_episodes=5", watcher=listener)
    assert [record.n_steps for record in listener.records] == [2, 4, 6, 8, 8]  # two epochs, a minibatch a period


def test_a_run_with_a_curriculum_goes_on_where_it_was(tmp_path):
    settings = [*GROWING, "run.N_episodes_of_small_shocks=4"]
    whole = train(None, *settings, "run.N_episodes=6").state.payload()
    train(tmp_path, *settings, "run.N_episodes=3")
    assert_same(train(tmp_path, *settings, "run.N_episodes=6", starting_point="LATEST").state.payload(), whole)


def test_a_schedule_ends_with_the_steps_of_the_shorter_episodes():
    settings = ["optimizer.learning_rate_schedule=CosineDecay", "optimizer.schedule_kwargs={}"]
    trainer = train(None, *GROWING, *settings, "run.N_episodes=5")
    assert trainer.state.step == curriculum.steps(trainer.config) == 28
    assert trainer.state.optimizer.param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-12)


def test_shocks_grow_along_a_line():
    settings = run(N_episodes_of_small_shocks=4, shock_size_start=0.2)
    assert [curriculum.shock_size(settings, i) for i in range(1, 7)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


@pytest.mark.parametrize("kind", ["product", "antithetic"])
def test_smaller_shocks_are_smaller_in_draws_and_in_expectations(kind):
    settings = [f"run.expectation_type={kind}", "run.expectation_pseudo_draws=2", "run.keras_precision=float64"]
    model = deqn.Model(compose([*TINY, *settings]).config)
    states = model.initial_states(4000)
    policies = model.policy(states)

    def spreads() -> list[float]:
        z = 0.9 * model.State.z(states)
        drawn = model.State.z(model.step(states)) - z
        expected = model.E_t_gen(states, policies)(lambda s, p: (model.State.z(s) - z) ** 2)
        return [float(drawn.std()), float(expected.mean().sqrt())]

    with model.context():
        whole = spreads()
        with curriculum.Shocks(model).of_size(0.25):
            small = spreads()
        again = spreads()
    assert whole == pytest.approx([0.04, 0.04], rel=0.1)
    assert small == pytest.approx([0.01, 0.01], rel=0.1)
    assert again == pytest.approx(whole, rel=0.1)


def test_a_model_whose_nodes_do_not_follow_is_refused(tmp_path):
    """Its nodes are held in a list beside shock_values."""
    text = shipped("brock_mirman", "Dynamics").replace("shock_values[shock_index, 0]", "kept[shock_index, 0]")
    text = text.replace("\n\ndef next_state", "\nkept = shock_values.clone()\n\n\ndef next_state", 1)
    own = ["MODEL_NAME=mine", f"MODELS_DIR={own_model(tmp_path, Dynamics=text)}", "run.N_episodes_of_small_shocks=3"]
    model = deqn.Model(compose([*TINY, *own]).config)
    with pytest.raises(
        ConfigError, match=r"mine/Dynamics.py do not follow both: leave it out. (.|\n)*standard deviation"
    ):
        deqn.Trainer(model)


def test_a_model_without_normal_draws_is_refused():
    model = deqn.Model(compose(["model=analytic", "optimizer=brock_mirman", "run.N_episodes_of_small_shocks=3"]).config)
    with pytest.raises(ConfigError, match="do not follow both"):
        deqn.Trainer(model)


def test_trying_smaller_shocks_changes_nothing():
    one, other = (
        deqn.Trainer(deqn.Model(compose([*TINY, *more]).config)) for more in ([], ["run.N_episodes_of_small_shocks=3"])
    )
    assert_same(one.state.payload()["rng"], other.state.payload()["rng"])
    assert torch.equal(*(t.model.expectations.dynamics.shock_values for t in (one, other)))


@pytest.mark.parametrize(
    ("keys", "words"),
    [(["run.N_increment_steps=1"], "let episodes grow from N_episode_length_min: give that"),
     (["run.N_episode_length_min=5", "run.N_increment_steps=1"], "expected at most N_episode_length = 4"),
     (["run.N_episode_length_min=2"], "else no episode grows"),
     (["run.N_episode_length_min=1", "run.curriculum_breakpoints=[3, 2]", "run.curriculum_steps=[1, 1]"], "in their order"),
     (["run.N_episode_length_min=1", "run.curriculum_breakpoints=[3]", "run.curriculum_steps=[1, 1]"], "as many steps as"),
     (["run.N_episode_length_min=1", "run.N_increment_steps=1", "run.N_minibatch_size=32"], "exceeds the first episode"),
     (["run.N_episodes_of_small_shocks=3", "run.compile=true"], "leave one out"),
     ([*GROWING, "run.loss.trace_decay=0.5", "run.sorted_within_batch=true"], "needs episodes of one length")],
)  # fmt: skip
def test_what_cannot_grow_is_refused(keys, words):
    with pytest.raises(ConfigError, match=words):
        compose([*TINY, *keys])
