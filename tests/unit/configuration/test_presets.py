"""config/preset/ and the estimate of a run's time."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from omegaconf import OmegaConf

import deqn
from deqn import shipped
from deqn.configuration.compose import compose
from deqn.configuration.schema import Config
from deqn.errors import ConfigError
from deqn.training.estimate import estimate_seconds
from deqn.training.trainer import Trainer
from tests.conftest import own_model

FILES = sorted((shipped.CONFIG / "preset").glob("*/*.yaml"))
MODELS = sorted(path.stem for path in (shipped.CONFIG / "model").glob("*.yaml"))
SIZES_AND_LENGTHS = {
    "constants.constants.nA", "constants.constants.nB", "run.N_episodes", "run.N_sim_batch", "run.N_episode_length",
    "run.N_minibatch_size", "optimizer.schedule_kwargs.decay_steps",
}  # fmt: skip


@cache
def configuration(model: str, preset: str) -> Config:
    """Composed once."""
    return compose([f"model={model}", f"preset={preset}"]).config


def keys(tree, path=""):
    for key, value in tree.items():
        place = f"{path}.{key}" if path else key
        yield from keys(value, place) if isinstance(value, dict) else [place]


OF_A_SMALLER_ECONOMY = {
    "smoke-olg_lifecycle": {  # three ages, which time iteration solves, and least squares in seconds
        "constants.constants.savers", "constants.constants.labour", "optimizer.optimizer", "optimizer.learning_rate_schedule",
        "optimizer.N_steps_per_episode", "run.keras_precision",
    },
    "smoke-consumption_savings": {"constants.constants.n_u"},
    "smoke-sudden_stop": {"constants.constants.n_reference"},
    "smoke-sudden_stop_calibrated": {"constants.constants.n_reference"},
}  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_preset_composes_and_changes_sizes_and_lengths_only(file):
    changed = set(keys(OmegaConf.to_container(OmegaConf.load(file))))
    assert changed <= SIZES_AND_LENGTHS | OF_A_SMALLER_ECONOMY.get(f"{file.parent.name}-{file.stem}", set())
    config = configuration(file.stem, file.parent.name)
    assert config.run.N_episodes == OmegaConf.load(file).run.N_episodes


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_every_preset_in_the_order_of_length(model):
    lengths = [configuration(model, word).run.N_episodes for word in ("smoke", "teaching", "default", "production")]
    assert lengths == sorted(set(lengths))


def test_the_decay_of_the_learning_rate_follows_the_length_of_a_preset():
    for file in FILES:
        config = configuration(file.stem, file.parent.name)
        kwargs = config.optimizer.schedule_kwargs
        if "decay_steps" in kwargs:
            steps = config.run.N_episodes * config.steps_per_episode
            assert kwargs["decay_steps"] + kwargs.get("warmup_steps", 0) == steps


def test_a_value_on_the_command_line_wins_over_the_preset():
    assert compose(["model=bm1972", "preset=smoke", "run.N_episodes=7"]).config.run.N_episodes == 7


def test_the_six_override_form_takes_presets_too():
    groups = [f"{group}=brock_mirman" for group in ("run", "net", "optimizer", "constants", "variables")]
    assert compose(["MODEL_NAME=brock_mirman", *groups, "preset=smoke"]).config.run.N_episodes == 40


def test_an_unknown_preset_is_refused_with_those_that_exist():
    with pytest.raises(ConfigError, match=r"no preset 'smok'\. Did you mean smoke"):
        compose(["model=bm1972", "preset=smok"])


def test_an_estimate_changes_nothing():
    trainer = Trainer(deqn.load_model("brock_mirman", ["run.N_episodes=3"]))
    before = trainer.state.payload()
    seconds = estimate_seconds(trainer)
    after = trainer.state.payload()
    assert 0 < seconds < 60
    assert torch.equal(before["rng"], after["rng"])
    assert torch.equal(before["starting_state"], after["starting_state"])
    assert all(torch.equal(before["policy"][name], after["policy"][name]) for name in before["policy"])
    assert not trainer.gradient.flat.any()


def test_figures_of_a_hook_take_their_time(tmp_path):
    """Of two runs that are otherwise the same."""
    hooks = {"figures": "from deqn import figures", "nothing": "import torch"}
    seconds = {}
    for name, line in hooks.items():
        models = own_model(tmp_path / name, Hooks=f"{line}\n\n\ndef cycle_hook(state, i):\n    pass\n")
        model = deqn.load_model(
            "brock_mirman", ["MODEL_NAME=mine", f"MODELS_DIR={models}", "run.N_episodes=1"], check=False
        )
        seconds[name] = estimate_seconds(Trainer(model))
    assert seconds["figures"] - seconds["nothing"] > 3
