"""Models from Python."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from deqn.configuration.compose import compose
from deqn.economy.calibration import keep
from deqn.economy.model import Model
from deqn.economy.probe import probe


def load_model(
    name: str,
    overrides: Sequence[str] = (),
    config_dir: str | Path | None = None,
    check: bool = True,
    library: str | Path | None = None,
) -> Model:
    """A model of `models/` (or of MODELS_DIR) with its untrained network.

    Args:
        name: option of the `model` group, as in `model=<name>`.
        overrides: `["constants.beta=0.95", "MODELS_DIR=my_models"]`, Hydra's syntax.
        config_dir: a folder with YAML files of your own, as in `--config-dir`.
        check: try the model, as `--check` does: its problems are raised, its notes are Python warnings, and expectations are
            evaluated on all nodes at once where that gives the same numbers. Without it loading is faster, training slower.
        library: a folder of the TensorFlow library, as in `--from`; `name` is then a model folder in it.

    Raises:
        ConfigError, ModelError: with every problem found.

    Example:
        >>> model = load_model("brock_mirman", ["constants.delta=0.1"])
        >>> model.equations(states := model.initial_states(3), model.policy(states))["euler"].shape
        torch.Size([3])
    """
    composed = compose([f"model={name}", *overrides], config_dir, library=library)
    model = Model(composed.config)
    if check:
        for note in [*composed.notes, *probe(model).notes]:
            warnings.warn(note, stacklevel=2)
        keep(model.calibrated, model.folder, composed.config.constants)
    return model
