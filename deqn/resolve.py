"""Names of the YAML files -> functions and classes; never `eval`.

TensorFlow and Keras names keep their meaning there (`leaky_relu` has slope 0.2, `Adam` has epsilon 1e-7); every other
name is looked up in PyTorch, or as the dotted path of a function that Python can import.
"""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from deqn.errors import ConfigError, suggestion
from deqn.rng import Rng

Activation = Callable[[Tensor], Tensor]

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


def activation(name: str, where: str) -> Activation:
    """The function behind a name such as `relu`, `tf.nn.relu`, `torch.tanh` or `my.module.f`.

    Raises:
        ConfigError: when there is no such function; `where` is the key in the configuration.
    """
    bare = name
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
        f"{', '.join(known)}, or the dotted path of a function (my_package.my_module.my_function)."
    )


def _is_elementwise(function: Callable[..., Any]) -> bool:
    """Whether a function of PyTorch maps a vector to a vector of the same length."""
    try:
        result = function(torch.full([3], 0.5))
    except Exception:
        return False
    return isinstance(result, Tensor) and result.shape == (3,) and result.is_floating_point()


# ---------------------------------------------------------------------------------------------------------------------
# Optimizers

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
_UNSUITED = {
    "LBFGS": "it needs a closure that evaluates the loss several times a step",
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
        {*_KERAS_DEFAULTS, *(n for n, c in vars(torch.optim).items() if _is_optimizer(c) and n not in _UNSUITED)}
    )
    if name in _UNSUITED:
        raise ConfigError(f"{where}.optimizer = {name!r} cannot train a network here: {_UNSUITED[name]}.")
    if name not in known:
        raise ConfigError(
            f"{where}.optimizer = {name!r} is not an optimizer.{suggestion(name, known)} Known: {', '.join(known)}."
        )
    cls = getattr(torch.optim, _KERAS_CLASSES.get(name, name))
    accepted = inspect.signature(cls).parameters
    arguments = dict(_KERAS_DEFAULTS.get(name, {}))
    betas = list(accepted["betas"].default) if "betas" in accepted else []
    for key, value in kwargs.items():
        if isinstance(value, str):
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


def keras_optimizers() -> dict[str, dict[str, Any]]:
    """Keras' optimizers, each with its defaults where PyTorch has others (under PyTorch's names)."""
    return {name: dict(defaults) for name, defaults in _KERAS_DEFAULTS.items()}


def _is_optimizer(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)


# ---------------------------------------------------------------------------------------------------------------------
# Learning-rate schedules: Keras' are functions of the step that multiply the learning rate


def _cosine_decay(
    decay_steps: int, alpha: float = 0.0, warmup_steps: int = 0, initial_factor: float = 0.0
) -> Callable[[int], float]:
    """Keras' CosineDecay: half a cosine from 1 to `alpha`, after a linear warm-up from `initial_factor`."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return initial_factor + (1.0 - initial_factor) * step / warmup_steps
        progress = min(max(step - warmup_steps, 0) / decay_steps, 1.0)
        return alpha + (1.0 - alpha) * 0.5 * (1.0 + math.cos(math.pi * progress))

    return factor


def _exponential_decay(decay_steps: int, decay_rate: float, staircase: bool = False) -> Callable[[int], float]:
    """Keras' ExponentialDecay: decay_rate ** (step / decay_steps)."""
    return lambda step: decay_rate ** (step // decay_steps if staircase else step / decay_steps)


def _inverse_time_decay(decay_steps: int, decay_rate: float, staircase: bool = False) -> Callable[[int], float]:
    """Keras' InverseTimeDecay: 1 / (1 + decay_rate * step / decay_steps)."""
    return lambda step: 1.0 / (1.0 + decay_rate * (step // decay_steps if staircase else step / decay_steps))


def _polynomial_decay(decay_steps: int, end_factor: float = 0.1, power: float = 1.0) -> Callable[[int], float]:
    """Keras' PolynomialDecay, with the end as a factor of the learning rate."""
    return lambda step: (1.0 - end_factor) * (1.0 - min(step / decay_steps, 1.0)) ** power + end_factor


def _piecewise_constant_decay(boundaries: list[int], factors: list[float]) -> Callable[[int], float]:
    """Keras' PiecewiseConstantDecay, with factors of the learning rate: one more than boundaries."""
    if len(factors) != len(boundaries) + 1:
        raise ValueError("factors must have one entry more than boundaries")
    return lambda step: factors[sum(step > boundary for boundary in boundaries)]


_KERAS_SCHEDULES: dict[str, Callable[..., Callable[[int], float]]] = {
    "CosineDecay": _cosine_decay,
    "ExponentialDecay": _exponential_decay,
    "InverseTimeDecay": _inverse_time_decay,
    "PolynomialDecay": _polynomial_decay,
    "PiecewiseConstantDecay": _piecewise_constant_decay,
}


def keras_schedules() -> dict[str, list[str]]:
    """Keras' schedules, each with its arguments (`name=default` where there is one)."""
    return {
        name: [str(p.replace(annotation=inspect.Parameter.empty)) for p in inspect.signature(f).parameters.values()]
        for name, f in _KERAS_SCHEDULES.items()
    }


Factory = Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler]


def schedule(name: str | None, kwargs: dict[str, Any], total_steps: int, where: str = "optimizer") -> Factory | None:
    """What makes the learning-rate schedule behind a Keras or PyTorch name; it advances once a gradient step.

    Args:
        total_steps: gradient steps of the whole run, the default of `decay_steps`.

    Returns:
        A function of the optimizer, or None where there is no schedule.

    Raises:
        ConfigError: for an unknown name or argument.
    """
    if name is None:
        if kwargs:
            raise ConfigError(
                f"{where}.schedule_kwargs is set without {where}.learning_rate_schedule. For no schedule, give also "
                f"{where}.schedule_kwargs={{}}."
            )
        return None
    library = torch.optim.lr_scheduler
    known = schedules()
    if name not in known:
        raise ConfigError(
            f"{where}.learning_rate_schedule = {name!r} is not a schedule.{suggestion(name, known)} "
            f"Known: {', '.join(known)}."
        )
    keras = _KERAS_SCHEDULES.get(name)
    accepted = inspect.signature(keras or getattr(library, name)).parameters
    names = [n for n in accepted if n not in ("optimizer", "self", "last_epoch", "verbose")]
    for key in kwargs:
        if key not in names:
            raise ConfigError(
                f"{where}.schedule_kwargs.{key} is not an argument of {name}.{suggestion(key, names)} "
                f"Known: {', '.join(names)}."
            )
    missing = [
        n for n in names if accepted[n].default is inspect.Parameter.empty and n not in kwargs and n != "decay_steps"
    ]
    if missing:
        raise ConfigError(
            f"{where}.schedule_kwargs = {kwargs}: {missing[0]!r} is missing for {name}({', '.join(names)})."
        )
    arguments = dict(kwargs)
    try:
        if keras is None:
            inspect.signature(getattr(library, name)).bind(None, **arguments)
            return partial(
                _torch_schedule, getattr(library, name), arguments, f"{where}.schedule_kwargs = {kwargs} for {name}"
            )
        for key, value in kwargs.items():
            if isinstance(value, str):
                raise ConfigError(f"{where}.schedule_kwargs.{key} = {value!r}: expected a number.")
        if "decay_steps" in accepted:
            arguments.setdefault("decay_steps", max(total_steps - int(arguments.get("warmup_steps", 0)), 1))
        if any(isinstance(v, (int, float)) and v < 0 for v in arguments.values()) or arguments.get("decay_steps") == 0:
            raise ValueError("no argument may be negative, nor decay_steps zero")
        factor = keras(**arguments)
        factor(1)
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise ConfigError(f"{where}.schedule_kwargs = {kwargs} for {name}: {error}.") from error
    return partial(library.LambdaLR, lr_lambda=factor)


def scaled_rates(kwargs: dict[str, Any], factor: float) -> dict[str, Any]:
    """A schedule's arguments with its learning rates multiplied: those that it has beside the optimizer's."""

    def scaled(value: Any) -> Any:
        return [scaled(v) for v in value] if isinstance(value, list) else factor * value

    rates = ("max_lr", "base_lr", "eta_min")
    return {k: scaled(v) if k in rates and isinstance(v, (int, float, list)) else v for k, v in kwargs.items()}


def schedules() -> list[str]:
    """Names of `learning_rate_schedule`: Keras' and those of PyTorch that are a function of the step."""
    library = torch.optim.lr_scheduler
    others = (
        "LRScheduler", "ReduceLROnPlateau", "ChainedScheduler", "SequentialLR", "LambdaLR", "MultiplicativeLR",
    )  # fmt: skip
    torch_names = {
        n for n, c in vars(library).items() if isinstance(c, type) and issubclass(c, library.LRScheduler) and n not in others
    }  # fmt: skip
    return sorted({*_KERAS_SCHEDULES, *torch_names})


def _torch_schedule(
    cls: Callable[..., torch.optim.lr_scheduler.LRScheduler],
    arguments: dict[str, Any],
    where: str,
    optimizer: torch.optim.Optimizer,
) -> torch.optim.lr_scheduler.LRScheduler:
    try:
        return cls(optimizer, **arguments)
    except (ValueError, TypeError, ZeroDivisionError, KeyError) as error:
        raise ConfigError(f"{where}: {error}.") from error


# ---------------------------------------------------------------------------------------------------------------------
# Distributions of the initial states

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
