"""What a folder that is written for the TensorFlow library finds in `Parameters`, `State` and `Globals` beyond our own names.

Nothing of this is made, and no file of deqn/tensorflow that needs PyTorch is imported, for other folders.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from deqn.configuration.schema import Config
from deqn.economy.columns import Namespace, ReadOnly
from deqn.tensorflow.folder import linked, switches

FIRST_EPISODE = 1  # what that library calls `current_episode` before the first episode has ended


class Switches(Namespace):
    """`Globals`: DISABLE_SCHOCKS, as some spell it there, is DISABLE_SHOCKS."""

    @property
    def DISABLE_SCHOCKS(self) -> bool:
        return bool(self.__dict__["DISABLE_SHOCKS"])

    @DISABLE_SCHOCKS.setter
    def DISABLE_SCHOCKS(self, value: bool) -> None:
        self.__dict__["DISABLE_SHOCKS"] = value


def make_globals(folder: Path, entries: Mapping[str, Any]) -> Switches:
    """`Globals` with the switches that the files read: a script sets them, and until then they are off."""
    own = {name: False for name in switches(linked(folder)) if name != "DISABLE_SCHOCKS"}
    return Switches("Globals", own | dict(entries))


def without_training(function: Callable[..., Any], n: int) -> Callable[..., Any]:
    """A function that takes `training=` and `mode=` after its first n arguments and does the same."""

    def call(*arguments: Any, training: Any = None, mode: Any = None) -> Any:
        return function(*arguments[:n])

    return call


def more_parameters(config: Config, policy: Callable[..., Any], n_states: int, dtype: Any) -> dict[str, Any]:
    """Further names in `Parameters`: those of that library and of its later version."""
    from deqn.tensorflow.summary import Writer
    from deqn.tensorflow.tensors import Variable

    episode = Variable(FIRST_EPISODE, trainable=False, dtype="int32")
    writer = Writer()
    return {
        "current_episode": episode,
        "ckpt": ReadOnly("Parameters.ckpt", {"current_episode": episode}),
        "optimizer_starting_iteration": 0,
        "global_default_dtype": dtype,
        "n_states": n_states,
        "n_quad_pts": getattr(config.run, "n_quad_pts", None) or 3,
        "ENABLE_TB": True,
        "VERBOSE": 0,
        "writer": writer,
        "model": ReadOnly("Parameters.model", {"writer": writer, "policy": policy}),
        "policy": policy,
        "horovod": False,
        "horovod_worker": False,
        "error_filename": config.error_filename,
        "N_simulated_batch_size": config.N_simulated_batch_size,
        "N_simulated_episode_length": config.N_simulated_episode_length,
    }


def untaken(values: Mapping[str, Any], taken: Collection[str]) -> dict[str, Any]:
    """Those whose names the user's constants have not taken."""
    return {name: value for name, value in values.items() if name not in taken}
