"""Keras' learning-rate schedules, as `lr_scheduler` and its arguments -> the same with a factor of the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def schedule(name: str, arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """The keys of `optimizer` that give the same learning rate in every step.

    There the schedule stands for `learning_rate`, which is not read; here it multiplies it. A schedule that is not Keras' keeps
    its arguments.

    Args:
        name: `lr_scheduler`.
        arguments: `lr_scheduler_kwargs`.

    Source:
        https://keras.io/api/optimizers/learning_rate_schedules/
    """
    kwargs = {key: value for key, value in (arguments or {}).items() if key != "name"}
    result: dict[str, Any] = {"learning_rate_schedule": name, "schedule_kwargs": kwargs}
    first = kwargs.pop("initial_learning_rate", None)
    if name == "PiecewiseConstantDecay" and kwargs.get("values"):
        values = kwargs.pop("values")
        first, kwargs["factors"] = values[0], [value / values[0] for value in values]
    elif name == "PolynomialDecay" and first:
        if not kwargs.get("cycle"):
            kwargs.pop("cycle", None)
        kwargs["end_factor"] = kwargs.pop("end_learning_rate", 1e-4) / first
    elif name == "CosineDecay" and first:
        target, steps = kwargs.pop("warmup_target", None), kwargs.pop("warmup_steps", None)
        if target is not None and steps:  # without a target there is no warm-up
            kwargs |= {"warmup_steps": steps, "initial_factor": first / target}
            first = target
    if first is not None:
        result["learning_rate"] = first
    return result
