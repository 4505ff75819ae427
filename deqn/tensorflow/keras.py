"""`keras` as model files name it: its settings, its activations, and classes that they derive from."""

from __future__ import annotations

from typing import Any

import torch

from deqn.tensorflow import functions


class Callback:
    """`keras.callbacks.Callback`: named by folders of the Keras version; nothing calls it here (`cycle_hook` is called)."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass


def _floatx() -> str:
    return str(torch.get_default_dtype()).removeprefix("torch.")


_ACTIVATIONS = ("relu", "elu", "selu", "sigmoid", "softplus", "softsign", "tanh", "swish")

KERAS: dict[str, Any] = {
    "backend.set_floatx": lambda floatx: None,  # run.keras_precision says it
    "backend.floatx": _floatx,
    "backend.epsilon": lambda: 1e-7,
    "backend.clear_session": lambda *_, **__: None,
    "utils.set_random_seed": lambda seed: None,
    "callbacks.Callback": Callback,
    **{
        f"activations.{name}": functions.ONE[name]
        for name in ("relu", "elu", "selu", "sigmoid", "softplus", "softsign", "tanh", "swish", "exp")
    },
    "activations.linear": lambda x: x,
    "activations.gelu": functions.gelu,
    "activations.softmax": functions.softmax,
}
