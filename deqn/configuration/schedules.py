"""Names of learning-rate schedules -> what makes them. Keras' are functions of the step that multiply the learning rate."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from deqn.errors import ConfigError, suggestion


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


def _cosine_decay_restarts(
    first_decay_steps: int, t_mul: float = 2.0, m_mul: float = 1.0, alpha: float = 0.0
) -> Callable[[int], float]:
    """Keras' CosineDecayRestarts (Loshchilov and Hutter 2017): half cosines, each `t_mul` times as long and `m_mul` as high."""
    if t_mul < 1 or first_decay_steps < 1:
        raise ValueError("expected first_decay_steps and t_mul to be at least 1")

    def factor(step: int) -> float:
        length, height, left = float(first_decay_steps), 1.0, float(step)
        while left >= length:
            left, length, height = left - length, length * t_mul, height * m_mul
        return alpha + (1.0 - alpha) * height * 0.5 * (1.0 + math.cos(math.pi * left / length))

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


PLATEAU = "ReduceLROnPlateau"  # advances once an episode, by its loss

_KERAS_SCHEDULES: dict[str, Callable[..., Callable[[int], float]]] = {
    "CosineDecay": _cosine_decay,
    "CosineDecayRestarts": _cosine_decay_restarts,
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
    """What makes the learning-rate schedule behind a Keras or PyTorch name; all but `PLATEAU` advance once a gradient step.

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
    given, kwargs = kwargs, as_factors(name, kwargs, 1.0)[1]
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
    kwargs = given
    try:
        if keras is None:
            inspect.signature(getattr(library, name)).bind(None, **arguments)
            return partial(
                _torch_schedule, getattr(library, name), arguments, f"{where}.schedule_kwargs = {kwargs} for {name}"
            )
        for key, value in arguments.items():
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


def as_factors(name: str | None, kwargs: dict[str, Any], learning_rate: float) -> tuple[float, dict[str, Any]]:
    """Keras' rates in a schedule's arguments as factors of its first one: that rate, and the other arguments.

    Args:
        learning_rate: of the optimizer, which holds where the schedule has none of its own.
    """
    rest = dict(kwargs)
    try:
        if name == "PiecewiseConstantDecay" and "values" in rest:
            values = rest.pop("values")
            return values[0], rest | {"factors": [value / values[0] for value in values]}
        rate = rest.pop("initial_learning_rate", learning_rate) if name in _KERAS_SCHEDULES else learning_rate
        if name == "PolynomialDecay" and "end_learning_rate" in rest:
            rest["end_factor"] = rest.pop("end_learning_rate") / rate
        if name == "CosineDecay" and rest.get("warmup_target") is not None:
            rate, start = rest.pop("warmup_target"), rate
            rest["initial_factor"] = start / rate
        if name == PLATEAU and "min_delta" in rest:
            rest |= {"threshold": rest.pop("min_delta"), "threshold_mode": "abs"}
    except (TypeError, ZeroDivisionError, IndexError, KeyError) as error:
        raise ConfigError(
            f"schedule_kwargs = {kwargs} for {name}: expected learning rates above 0 ({error})."
        ) from error
    return rate, rest


def scaled_rates(kwargs: dict[str, Any], factor: float) -> dict[str, Any]:
    """A schedule's arguments with its learning rates multiplied: those that it has beside the optimizer's."""

    def scaled(value: Any) -> Any:
        return [scaled(v) for v in value] if isinstance(value, list) else factor * value

    rates = ("max_lr", "base_lr", "eta_min", "min_lr")
    return {k: scaled(v) if k in rates and isinstance(v, (int, float, list)) else v for k, v in kwargs.items()}


def schedules() -> list[str]:
    """Names of `learning_rate_schedule`: Keras', and those of PyTorch that are a function of the step or of the loss."""
    library = torch.optim.lr_scheduler
    others = (
        "LRScheduler", "ChainedScheduler", "SequentialLR", "LambdaLR", "MultiplicativeLR",
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
