"""Parameters as states."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.errors import ConfigError, ModelError
from tests.conftest import TINY, assert_same, own_model, shipped, train

STATES = (
    "variables.states=[{name: K, init: {distribution: uniform, kwargs: {minval: K_low, maxval: K_high}}}, "
    "{name: z, init: {distribution: normal, kwargs: {stddev: sd_z}}}, "
    "{name: beta, pseudo_state: true, init: {distribution: uniform, kwargs: {minval: 0.9, maxval: 0.98}}}]"
)
EQUATIONS = shipped("brock_mirman", "Equations").replace("Parameters.beta", "State.beta(state)")


@pytest.fixture
def own(tmp_path) -> list[str]:
    """brock_mirman with the discount factor as a state."""
    return ["MODEL_NAME=mine", f"MODELS_DIR={own_model(tmp_path / 'models', Equations=EQUATIONS)}", STATES]


def betas(model: deqn.Model, states: torch.Tensor) -> torch.Tensor:
    return model.State.beta(states)


def test_a_pseudo_state_is_constant_in_an_episode_and_new_in_the_next(own):
    trainer = deqn.Trainer(deqn.Model(compose([*TINY, *own]).config))
    model, seen = trainer.model, []
    step = trainer.step
    trainer.step = lambda batch: seen.append(batch.clone()) or step(batch)
    with model.context():
        first = trainer.state.starting_state.clone()
        trainer.episode()
    values = betas(model, torch.cat(seen)).unique()
    assert torch.equal(values, betas(model, first).unique())
    assert not torch.isin(betas(model, trainer.state.starting_state), values).any()


def test_other_states_go_on_where_they_were(own):
    one = deqn.Trainer(deqn.Model(compose([*TINY, *own]).config))
    with one.model.context():
        end = one.model.with_new_pseudo_states(one.state.starting_state)
    assert torch.equal(end[:, :2], one.state.starting_state[:, :2])


@pytest.mark.parametrize("design", ["latin_hypercube", "halton"])
def test_a_design_covers_the_range(own, design):
    model = deqn.Model(compose([*TINY, *own, f"run.pseudo_design={design}"]).config)
    found = (betas(model, model.initial_states(32)) - 0.9) / 0.08
    counts = torch.bincount((8 * found).long().clamp(0, 7), minlength=8)
    assert counts.min() >= 3


def test_a_share_lies_at_the_ends(own):
    model = deqn.Model(compose([*TINY, *own, "run.pseudo_edge_share=1.0", "run.pseudo_edge_width=0.1"]).config)
    found = betas(model, model.initial_states(200))
    assert bool(((found <= 0.908 + 1e-6) | (found >= 0.972 - 1e-6)).all())


def test_one_network_solves_the_model_for_all_its_values(own):
    """The closed form of each: a savings rate alpha * beta."""
    trainer = train(
        None, *own, "run.N_episodes=150", "run.pseudo_design=latin_hypercube", "optimizer.learning_rate=0.01"
    )
    states = trainer.model.initial_states(200)
    with torch.no_grad():
        error = trainer.model.policy(states)[:, 0] - 0.36 * betas(trainer.model, states)
    assert float(error.abs().mean()) < 2e-3  # alpha * beta varies by 0.03


def test_a_run_is_resumed_with_the_same_values(own, tmp_path):
    settings = [*own, "run.pseudo_design=halton", "run.pseudo_edge_share=0.3"]
    whole = train(None, *settings, "run.N_episodes=4").state.payload()
    train(tmp_path / "run", *settings, "run.N_episodes=2")
    assert_same(train(tmp_path / "run", *settings, "run.N_episodes=4", starting_point="LATEST").state.payload(), whole)


def test_dynamics_that_change_a_pseudo_state_are_refused(tmp_path):
    text = shipped("brock_mirman", "Dynamics").replace('{"K":', '{"beta": State.beta(state) * 0.99, "K":')
    own = ["MODEL_NAME=mine", f"MODELS_DIR={own_model(tmp_path, Equations=EQUATIONS, Dynamics=text)}", STATES]
    model = deqn.Model(compose([*TINY, *own]).config)
    with pytest.raises(ModelError, match=r"'beta' is a pseudo_state, and mine/Dynamics.py changes it"):
        deqn.Trainer(model)


def test_a_pseudo_state_without_a_distribution_is_refused():
    with pytest.raises(ConfigError, match="a pseudo_state is drawn from its init, and there is none"):
        compose([*TINY, "variables.states=[{name: K}, {name: z, pseudo_state: true}]"])
