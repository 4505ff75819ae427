"""Models from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deqn.configuration.compose import compose
from deqn.economy.model import Model


def load_model(name: str, overrides: Sequence[str] = (), config_dir: str | Path | None = None) -> Model:
    """A model of `models/` (or of MODELS_DIR) with its untrained network.

    Args:
        name: option of the `model` group, as in `model=<name>`.
        overrides: `["constants.beta=0.95", "MODELS_DIR=my_models"]`, Hydra's syntax.
        config_dir: a folder with YAML files of your own, as in `--config-dir`.

    Raises:
        ConfigError, ModelError: with every problem found.

    Example:
        >>> model = load_model("brock_mirman", ["constants.delta=0.1"])
        >>> model.equations(states := model.initial_states(3), model.policy(states))["euler"].shape
        torch.Size([3])
    """
    return Model(compose([f"model={name}", *overrides], config_dir).config)
