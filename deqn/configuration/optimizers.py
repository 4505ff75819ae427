"""Names of optimizers -> classes and arguments: Keras' names with Keras' defaults (Adam's epsilon is 1e-7), and PyTorch's."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from deqn.configuration.schema import Step
from deqn.errors import ConfigError, suggestion
from deqn.numerics.adahessian import AdaHessian
from deqn.numerics.ftrl import Ftrl
from deqn.numerics.least_squares import LevenbergMarquardt
from deqn.numerics.lion import Lion
from deqn.numerics.mao import MAO
from deqn.numerics.natural_gradient import NaturalGradient

_KERAS_DEFAULTS: dict[str, dict[str, Any]] = {
    "Adam": {"eps": 1e-7},
    "AdamW": {"eps": 1e-7, "weight_decay": 0.004},
    "Adamax": {"eps": 1e-7},
    "Nadam": {"eps": 1e-7},
    "RMSprop": {"eps": 1e-7, "alpha": 0.9},
    "Adagrad": {"eps": 1e-7, "initial_accumulator_value": 0.1},
    "Adadelta": {"eps": 1e-7, "rho": 0.95},
    "SGD": {},
}
_KERAS_CLASSES = {"Nadam": "NAdam"}
_KERAS_ARGUMENTS = {"epsilon": "eps", "rho": "alpha"}
_OWN: dict[str, type[torch.optim.Optimizer]] = {
    cls.__name__: cls for cls in (LevenbergMarquardt, AdaHessian, Ftrl, Lion, MAO, NaturalGradient)
}
_WHOLE_STEPS = ("LBFGS", "LevenbergMarquardt", "NaturalGradient")  # whose learning rate is the share of a step
# of a batch that is fitted as far as it goes; PyTorch's defaults stop near a loss of 1e-9
_DEFAULTS: dict[str, dict[str, Any]] = {
    **_KERAS_DEFAULTS,
    "LBFGS": {"line_search_fn": "strong_wolfe", "tolerance_grad": 0.0, "tolerance_change": 0.0},
}
_UNSUITED = {
    "SparseAdam": "it needs sparse gradients",
    "Muon": "it takes matrices only, and a network has biases",
    "Optimizer": "it is the base class",
}


def optimizer(
    name: str, parameters: Any, learning_rate: float, kwargs: dict[str, Any], where: str = "optimizer"
) -> torch.optim.Optimizer:
    """The optimizer behind a Keras or PyTorch name, with Keras' defaults where Keras has the name.

    Raises:
        ConfigError: for an unknown name or argument, or a value that the optimizer refuses.
    """
    cls, arguments = optimizer_arguments(name, kwargs, where)
    try:
        return cls(list(parameters), lr=learning_rate, **arguments)  # type: ignore[call-arg]
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(f"{where}.optimizer_kwargs for {name}: {error}.") from error


def optimizer_arguments(
    name: str, kwargs: dict[str, Any], where: str = "optimizer"
) -> tuple[type[torch.optim.Optimizer], dict[str, Any]]:
    """Class and arguments of `optimizer`, checked by name only: making one imports Dynamo, which takes a second.

    Raises:
        ConfigError: for an unknown name or argument.
    """
    known = sorted(
        {*_OWN, *_KERAS_DEFAULTS, *(n for n, c in vars(torch.optim).items() if _is_optimizer(c) and n not in _UNSUITED)}
    )
    if name in _UNSUITED:
        raise ConfigError(f"{where}.optimizer = {name!r} cannot train a network here: {_UNSUITED[name]}.")
    if name not in known:
        raise ConfigError(
            f"{where}.optimizer = {name!r} is not an optimizer.{suggestion(name, known)} Known: {', '.join(known)}."
        )
    cls = _OWN.get(name) or getattr(torch.optim, _KERAS_CLASSES.get(name, name))
    accepted = inspect.signature(cls).parameters
    arguments = dict(_DEFAULTS.get(name, {}))
    betas = list(accepted["betas"].default) if "betas" in accepted else []
    for key, value in kwargs.items():
        if isinstance(value, str) and not isinstance(arguments.get(key, _default(accepted, key)), str):
            raise ConfigError(f"{where}.optimizer_kwargs.{key} = {value!r}: expected a number, true or false.")
        if key in ("beta_1", "beta_2") and betas:
            betas[int(key[-1]) - 1] = value
            arguments["betas"] = tuple(betas)
            continue
        torch_key = key if key in accepted else _KERAS_ARGUMENTS.get(key, key)
        if torch_key not in accepted or torch_key in ("params", "lr"):
            names = [n for n in accepted if n not in ("params", "lr", "self")]
            raise ConfigError(
                f"{where}.optimizer_kwargs.{key} is not an argument of {name}.{suggestion(key, names)} "
                f"Known: {', '.join(names)}."
            )
        arguments[torch_key] = tuple(value) if isinstance(value, list) else value
    if "fused" in accepted and "foreach" not in kwargs and "differentiable" not in kwargs:
        arguments.setdefault("fused", True)
    return cls, arguments


def scales(step: Step) -> bool:
    """Whether the learning rate grows with the number of processes: not where it is the length of a whole step."""
    return step.scale_learning_rate and step.optimizer not in _WHOLE_STEPS


def _default(accepted: Mapping[str, inspect.Parameter], key: str) -> Any:
    return accepted[key].default if key in accepted else None


def keras_optimizers() -> dict[str, dict[str, Any]]:
    """Keras' optimizers, each with its defaults where PyTorch has others (under PyTorch's names)."""
    return {name: dict(defaults) for name, defaults in _KERAS_DEFAULTS.items()}


def _is_optimizer(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)
