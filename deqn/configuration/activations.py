"""Names of activations -> functions; never `eval`.

TensorFlow and Keras names keep their meaning there (`leaky_relu` has slope 0.2); every other name is looked up in PyTorch, or
as the dotted path of a function that Python can import.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from deqn.configuration.lambdas import from_text
from deqn.errors import ConfigError, suggestion

Activation = Callable[[Tensor], Tensor]
_OF_THE_MODEL = "Activations."  # Activations.py of the model's folder
OF_VARIABLES = "Variables."  # and a function that its Variables.py gives a policy

_TENSORFLOW_PREFIXES = (
    "tf.keras.activations.", "keras.activations.", "tf.nn.", "tf.math.", "tf.compat.v1.nn.", "tf.",
)  # fmt: skip
_TORCH_PREFIXES = ("torch.nn.functional.", "torch.special.", "torch.", "F.")

# Keras and TensorFlow names that PyTorch lacks, or has with another meaning (in `tf.nn.` or `tf.keras.activations.`).
_KERAS_ACTIVATIONS: dict[str, Activation] = {
    "linear": lambda x: x,
    "identity": lambda x: x,
    "exponential": torch.exp,
    "swish": F.silu,
    "leaky_relu": partial(F.leaky_relu, negative_slope=0.2),
    "hard_sigmoid": lambda x: torch.clamp(0.2 * x + 0.5, 0.0, 1.0),
    "gelu": F.gelu,
}


def keras_activations() -> list[str]:
    """Names with Keras' meaning; every other name is PyTorch's."""
    return sorted(_KERAS_ACTIVATIONS)


def activation(name: str, where: str, own: Callable[[str], Any] | None = None) -> Activation:
    """The function behind a name such as `relu`, `tf.nn.relu`, `torch.tanh`, `my.module.f` or `Activations.f`, or a lambda.

    Args:
        own: gives the functions of the model's own Activations.py; without it their names pass unseen, since the configuration
            is read before the model is linked.

    Raises:
        ConfigError: when there is no such function; `where` is the key in the configuration.
    """
    if name.lstrip().startswith("lambda"):
        return from_text(name, where, activation)
    if name.startswith((_OF_THE_MODEL, OF_VARIABLES)):
        return torch.nn.Identity() if own is None else _own(name, where, own)
    prefix = next((p for p in (*_TENSORFLOW_PREFIXES, *_TORCH_PREFIXES) if name.startswith(p)), "")
    bare = name[len(prefix) :]
    if bare in _KERAS_ACTIVATIONS and prefix not in _TORCH_PREFIXES:
        return _KERAS_ACTIVATIONS[bare]
    if "." not in bare:
        for library in (torch.special, torch, F) if prefix == "torch.special." else (F, torch, torch.special):
            function = getattr(library, bare, None)
            if callable(function) and not isinstance(function, type) and _is_elementwise(function):
                return function
    elif not prefix:
        module_name, _, attribute = name.rpartition(".")
        try:
            function = getattr(importlib.import_module(module_name), attribute)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"{where} = {name!r} cannot be imported: {error}.") from error
        if callable(function):
            return function
    known = sorted({*_KERAS_ACTIVATIONS, "relu", "tanh", "sigmoid", "softplus", "silu", "mish", "elu", "selu", "exp"})
    raise ConfigError(
        f"{where} = {name!r} is not an activation.{suggestion(bare, known)} Use a name of torch.nn.functional, such as "
        f"{', '.join(known)}; the dotted path of a function (my_package.my_module.my_function); or Activations.my_function, "
        "which Activations.py of the model's folder defines."
    )


def _own(name: str, where: str, own: Callable[[str], Any]) -> Activation:
    try:
        function = own(name.removeprefix(_OF_THE_MODEL))
    except AttributeError as error:
        raise ConfigError(f"{where} = {name!r}: {error}") from error
    if not callable(function):
        raise ConfigError(f"{where} = {name!r} is {type(function).__name__}, expected a function of a tensor.")
    return function


def _is_elementwise(function: Callable[..., Any]) -> bool:
    """Whether a function of PyTorch maps a vector to a vector of the same length."""
    try:
        with warnings.catch_warnings(action="ignore"):  # softmax without `dim`
            result = function(torch.full([3], 0.5))
    except Exception:
        return False
    return isinstance(result, Tensor) and result.shape == (3,) and result.is_floating_point()
