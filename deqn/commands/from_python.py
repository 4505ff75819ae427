"""`deqn.train` and `deqn.resume`: what the command line does, from Python and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deqn.analysis.run import Run, load_run
from deqn.commands import train as command
from deqn.configuration.compose import Composed, compose
from deqn.economy.model import Model
from deqn.errors import ConfigError


def train(
    model: str | Model, overrides: Sequence[str] = (), folder: str | Path | None = None, config_dir: str | Path | None = None
) -> Run:  # fmt: skip
    """Trains a model in a run folder, as `deqn train` does.

    Args:
        model: a name, as in `model=<name>`; or what `load_model` or `model_from` gave: its configuration is taken, and a new
            network is trained.
        overrides: `["constants.beta=0.95", "preset=smoke"]`, Hydra's syntax.
        folder: the run folder; by default `runs/<model>/<date>/<time>`.
        config_dir: a folder with YAML files of your own, as in `--config-dir`.

    Returns:
        The run. After an interrupt it is that of the last whole episode, which `resume` goes on with.

    Raises:
        ConfigError, ModelError, CheckpointError, TrainingError: as on the command line.
    """
    where = [] if folder is None else [f'hydra.run.dir="{Path(folder)}"']
    if isinstance(model, str):
        composed = compose([f"model={model}", *overrides, *where], config_dir)
    elif model.composed_anew is None:
        raise ConfigError("train: this model was not made by load_model or model_from. Give its name instead.")
    else:
        composed = model.composed_anew([*overrides, *where])
    return _run(composed)


def resume(folder: str | Path, overrides: Sequence[str] = ()) -> Run:
    """Goes on with a run where it ended, with its own configuration; `["run.N_episodes=500"]` makes it longer."""
    return _run(compose(["STARTING_POINT=LATEST", *overrides], run_dir=folder))


def _run(composed: Composed) -> Run:
    command.train(composed)
    return load_run(composed.run_dir)
