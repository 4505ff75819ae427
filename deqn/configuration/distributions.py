"""Names of distributions of the initial states -> methods of `Rng`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor

from deqn.errors import ConfigError, suggestion
from deqn.numerics.rng import Rng

DISTRIBUTIONS = ("normal", "uniform", "truncated_normal", "constant", "choice")


def distribution(name: str, kwargs: dict[str, Any], where: str) -> Callable[..., Tensor]:
    """The method of `Rng` behind `init.distribution`, after a check of its arguments.

    Returns:
        `draw(rng, shape, **numbers)`.

    Raises:
        ConfigError: for an unknown distribution or argument.
    """
    known = DISTRIBUTIONS
    if name not in known:
        raise ConfigError(
            f"{where}.distribution = {name!r} is not a distribution.{suggestion(name, known)} Known: {', '.join(known)}."
        )
    method = getattr(Rng, name)
    parameters = inspect.signature(method).parameters
    names = [n for n in parameters if n not in ("self", "shape")]
    for key, value in kwargs.items():
        if key not in names:
            raise ConfigError(
                f"{where}.kwargs: {key!r} is unknown for {name}({', '.join(names)}).{suggestion(key, names)}"
            )
        if isinstance(value, bool) or not isinstance(value, (int, float, str, list)):
            raise ConfigError(f"{where}.kwargs.{key} = {value!r}: expected a number or the name of a constant.")
    low, high = kwargs.get("minval", 0.0), kwargs.get("maxval", 1.0)
    if name == "uniform" and isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
        raise ConfigError(f"{where}.kwargs: minval = {low} is above maxval = {high}.")
    if isinstance(kwargs.get("stddev"), (int, float)) and kwargs["stddev"] < 0:
        raise ConfigError(f"{where}.kwargs.stddev = {kwargs['stddev']}: expected a number that is not negative.")
    missing = [n for n in names if parameters[n].default is inspect.Parameter.empty and n not in kwargs]
    if missing:
        raise ConfigError(f"{where}.kwargs: {missing[0]!r} is missing for {name}({', '.join(names)}).")
    return method
