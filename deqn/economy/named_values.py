"""Numbers of the YAML file that may stand there as the name of a constant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from deqn.errors import ConfigError, suggestion


def named_value(given: Any, shape: Sequence[int], constants: Mapping[str, Any], where: str) -> Tensor:
    """A number, list of numbers or name of a constant as a tensor `[*shape]` in float64; what broadcasts to it is spread.

    Args:
        constants: by name, those of Calibration.py too.
        where: the key in the configuration.

    Raises:
        ConfigError: where there is no such constant, or it does not fit the shape.
    """
    value = given
    if isinstance(given, str):
        if given not in constants:
            number = " It is a text: leave out the quotes." if _is_number(given) else ""
            near = suggestion(given, list(constants))
            raise ConfigError(f"{where} = {given!r}: there is no constant of this name.{number or near}")
        value = constants[given]
    try:
        tensor = torch.as_tensor(value, dtype=torch.float64, device="cpu")
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{where} = {given!r}: expected a number or numbers, got {value!r}.") from error
    try:
        tensor = tensor.expand(*shape) if shape else tensor.reshape(())
    except RuntimeError as error:
        whole = f" or the variable's shape {[*shape]}" if shape else ": the variable has no shape"
        raise ConfigError(f"{where} = {given!r} has the shape {[*tensor.shape]}, expected a number{whole}.") from error
    if not bool(torch.isfinite(tensor).all()):
        raise ConfigError(f"{where} = {given!r} is not finite.")
    return tensor


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
