"""What a folder that is written for the TensorFlow library finds in `Parameters`, `State` and `Globals` beyond our own names.

Nothing of this is made, and no file of deqn/tensorflow that needs PyTorch is imported, for other folders.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deqn.configuration.schema import Config
from deqn.economy.columns import Namespace, ReadOnly
from deqn.errors import suggestion
from deqn.numerics.rng import Rng
from deqn.tensorflow.folder import linked, switches

FIRST_EPISODE = 1  # what that library calls `current_episode` before the first episode has ended


class OwnNames(ReadOnly):
    """`Parameters`: a file may add names to it, and change those; what the configuration gives stays."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.__dict__["_own"] = set[str]()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self and name not in self._own:
            super().__setattr__(name, value)
        self._own.add(name)
        self.__dict__[name] = value


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
    own: dict[str, Any] = dict.fromkeys(switches(linked(folder)), False)
    for place in (folder.parent, folder):  # a rewritten folder has a copy of the library's
        own |= _assigned(place / "Globals.py")
    return Switches(
        "Globals", {name: value for name, value in own.items() if name != "DISABLE_SCHOCKS"} | dict(entries)
    )


def _assigned(path: Path) -> dict[str, Any]:
    """Plain values that a library's own Globals.py gives names at its top level."""
    values: dict[str, Any] = {}
    with contextlib.suppress(OSError, SyntaxError, UnicodeDecodeError):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                values |= {target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)}
    return values


def follow_global_draws(rng: Rng, folder: Path) -> list[str]:
    """Where files draw from NumPy's or Python's generators, these start from the seed of the run and are kept with its own.

    Returns:
        What is to be said of generators that are not kept.
    """
    from deqn.tensorflow.global_draws import GlobalDraws, draws_globally, own_generators

    trees = linked(folder)
    if not draws_globally(trees):
        return []
    rng.follow(GlobalDraws(rng.generator.initial_seed()))
    return list(own_generators(trees))


def without_training(function: Callable[..., Any], n: int) -> Callable[..., Any]:
    """A function that takes `training=` and `mode=` after its first n arguments and does the same."""

    def call(*arguments: Any, training: Any = None, mode: Any = None) -> Any:
        return function(*arguments[:n])

    return call


def more_parameters(config: Config, policy: Callable[..., Any], n_states: int, dtype: Any, rng: Rng) -> dict[str, Any]:
    """Further names in `Parameters`: those of that library and of its later version."""
    from deqn.tensorflow.draws import Generator
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
        "ENABLE_TB": True,
        "VERBOSE": 0,
        "writer": writer,
        "model": ReadOnly("Parameters.model", {"writer": writer, "policy": policy}),
        "policy": policy,
        "rng": Generator(rng),
        "horovod": False,
        "horovod_worker": False,
        "error_filename": config.error_filename,
        "N_simulated_batch_size": config.N_simulated_batch_size,
        "N_simulated_episode_length": config.N_simulated_episode_length,
    }


def graphs(step: Callable[[Tensor], Tensor]) -> Namespace:
    """`Graphs` of that library: one period with random shocks, and an episode.

    Args:
        step: one simulated period, `[batch, n_states]` -> `[batch, n_states]`.
    """

    def do_random_step(current_state: Any) -> Tensor:
        """`[batch, n_states]` -> `[batch, n_states]`."""
        return step(torch.as_tensor(current_state))

    def run_episode(state_episode: Any) -> Tensor:
        """Simulates from the first period of `[periods, batch, n_states]`; the others of the argument are not read."""
        states = [torch.as_tensor(state_episode)[0]]
        for _ in range(1, len(state_episode)):
            states.append(step(states[-1]))
        return torch.stack(states)

    return Namespace("Graphs", {"do_random_step": do_random_step, "run_episode": run_episode})


class Tree(dict[str, Any]):
    """A part of the configuration as that library has it: `cfg.net.layers`, `cfg["net"]`, `cfg.net.get("x", 1)`."""

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(f"the configuration has no {name!r} here.{suggestion(name, self)}")
        return self[name]


def _tree(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Tree({name: _tree(entry) for name, entry in value.items()})
    return [_tree(entry) for entry in value] if isinstance(value, list) else value


def network_arguments(define_net: Callable[..., Any], config: Config, model: Any) -> list[Any]:
    """What `define_net` is called with: there (cfg, states, policy_states), in any order by name; here (net_config, model)."""
    tree = _tree(config.model_dump(exclude_unset=True))
    known = {
        "cfg": tree, "config": tree, "net": tree["net"], "states": model.Parameters.states,
        "policy_states": model.Parameters.policy_states, "policies": model.Parameters.policy_states,
        "n_states": model.n_states, "n_policies": model.n_policies, "net_config": config.net, "model": model,
    }  # fmt: skip
    names = [
        name for name, p in inspect.signature(define_net).parameters.items() if p.default is p.empty or name in known
    ]
    if all(name in known for name in names):
        return [known[name] for name in names]
    by_place = {0: [], 1: [tree], 2: [config.net, model], 3: [tree, known["states"], known["policies"]]}
    if len(names) not in by_place:
        raise TypeError(
            f"define_net({', '.join(names)}): expected (cfg, states, policy_states) or (net_config, model)."
        )
    return by_place[len(names)]


def untaken(values: Mapping[str, Any], taken: Collection[str]) -> dict[str, Any]:
    """Those whose names the user's constants have not taken."""
    return {name: value for name, value in values.items() if name not in taken}
