"""A class of the user's own that is told of a run: for wandb, MLflow, a file, a message to a telephone."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from deqn.errors import ConfigError, suggestion
from deqn.training.record import Record


class Tracker(Protocol):
    """What `tracker: my_module.MyTracker` names; it is made with the run folder and the configuration, and has one of these."""

    def on_episode(self, episode: int, numbers: dict[str, float]) -> None:
        """After each episode: its number from 1, and by name what TensorBoard shows, `loss`, `dev_euler`, `learning_rate`, ..."""

    def on_end(self, status: str, results: dict[str, Any]) -> None:
        """At the end: `finished`, `interrupted`, `failed` or `not finite`, and what run.json has of residuals and verdict."""


class Tracking:
    """A run's tracker; one that fails is given up, and the training goes on.

    Args:
        tracker: None where there is none.
    """

    def __init__(self, tracker: Any = None) -> None:
        self._tracker = tracker

    def episode(self, record: Record) -> str:
        """A remark to the user where it fails."""
        numbers = {**record.scalars, "learning_rate": record.learning_rate, "step": float(record.step)}
        return self._tell("on_episode", record.episode, numbers)

    def end(self, status: str, results: Mapping[str, Any]) -> str:
        """The same; it is told nothing afterwards."""
        remark = self._tell("on_end", status, dict(results))
        self._tracker = None
        return remark

    def _tell(self, method: str, *arguments: Any) -> str:
        function = getattr(self._tracker, method, None)
        if function is not None:
            try:
                function(*arguments)
            except Exception as error:  # of the user's class, or of the service behind it
                name, self._tracker = type(self._tracker).__name__, None
                return (
                    f"tracker {name} is given up: {method} failed: {type(error).__name__}: {error}. Training goes on."
                )
        return ""


def make_tracker(name: str, folder: Path, configuration: Mapping[str, Any]) -> Any:
    """The tracker that the configuration names; None where it names none.

    Args:
        name: `tracker` of the configuration.
        folder, configuration: what the class is made with.

    Raises:
        ConfigError: where there is no such class, or where it cannot be made.
    """
    if not name:
        return None
    module_name, _, class_name = name.rpartition(".")
    if not module_name:
        raise ConfigError(f"tracker = {name}: expected a module and a class, such as my_module.MyTracker.")
    here = str(Path.cwd())
    sys.path.insert(0, here)  # `deqn train` has the folder of the program there, not the one it is typed in
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise ConfigError(
                f"tracker = {name}: there is no module {missing}. It is looked for in {here} and among installed packages."
            ) from error
        raise ConfigError(f"tracker = {name}: {module_name} needs {missing}, which is not installed.") from error
    except Exception as error:
        raise ConfigError(f"tracker = {name}: {module_name} fails: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(here)
    made = getattr(module, class_name, None)
    if made is None:
        raise ConfigError(f"tracker = {name}: {module_name} has no {class_name}.{suggestion(class_name, vars(module))}")
    if not (hasattr(made, "on_episode") or hasattr(made, "on_end")):
        raise ConfigError(f"tracker = {name}: it has neither on_episode(episode, numbers) nor on_end(status, results).")
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tracker = made(folder, dict(configuration))
    except Exception as error:
        if new:
            with contextlib.suppress(OSError):  # it is not there, or not empty
                folder.rmdir()
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"tracker = {name}: {class_name}(folder, configuration) fails: {reason}") from error
    return tracker
