"""Optimizers and learning-rate schedules of the TensorFlow library's newer versions -> those of this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# name there -> name here, and its keys: key there -> argument here, "learning_rate", or "" for one that is not needed
_OWN: dict[str, tuple[str, dict[str, str]]] = {
    "mao": (
        "MAO",
        {"global_lr": "learning_rate", "beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon", "num_tasks": ""},
    ),
    "adahessian": ("AdaHessian", {}),
    "NGD": (
        "NaturalGradient",
        {"damping": "damping", "fisher_decay": "fisher_decay", "use_bias_correction": "use_bias_correction"},
    ),
}
_WARM = "WARM_NGD"  # first another optimizer, then NGD; their keys begin with warm_ and final_


def rename(content: dict[str, Any]) -> list[str]:
    """Gives an optimizer of the library's own its name here; what is to be said of it.

    Args:
        content: the group `optimizer`; changed in place.
    """
    name = content.get("optimizer")
    if name == _WARM:
        return _in_phases(content)
    if name not in _OWN:
        return []
    content["optimizer"], keys = _OWN[name]
    kwargs = dict(content.get("optimizer_kwargs") or {})
    for key in [key for key in keys if key in content]:
        value = content.pop(key)
        if keys[key] == "learning_rate":
            content["learning_rate"] = value
        elif keys[key]:
            kwargs[keys[key]] = value
    if kwargs:
        content["optimizer_kwargs"] = kwargs
    return [f"optimizer.optimizer: {name} is {content['optimizer']} here.{_remark(content)}"]


def _remark(content: Mapping[str, Any]) -> str:
    damped = content["optimizer"] == "NaturalGradient" and "damping" in content.get("optimizer_kwargs", {})
    return " Its damping is relative to the trace of the Fisher matrix." if damped else ""


def _in_phases(content: dict[str, Any]) -> list[str]:
    """A start with a Keras optimizer, and natural gradients from there on, are two phases."""

    def taken(prefix: str) -> dict[str, Any]:
        keys = [key for key in content if key.startswith(prefix)]
        return {key.removeprefix(prefix): content.pop(key) for key in keys}

    warm, final = taken("warm_"), taken("final_")
    first = {
        "optimizer": warm.get("optimizer", "Adam"),
        "learning_rate": warm.get("learning_rate", 0.001),
        "clipvalue": warm.get("clipvalue", 1.0),
        "optimizer_kwargs": warm.get("optimizer_kwargs", {}),
        "N_episodes": warm.get("start_n_episodes", 5),
    }
    second = {"optimizer": "NGD", "learning_rate": final.pop("learning_rate", 0.01), "damping": 1e-4, **final}
    notes = rename(second)
    content.clear()
    content["phases"] = [first, second]
    return [f"optimizer.optimizer: {_WARM} is two phases here.", *notes]


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
