"""What is known of a model's solution: `closed_form(state)` or `reference(state)` of its Hooks.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from deqn.economy.model import Model
from deqn.errors import ModelError, suggestion


def closed_form(model: Model, states: Tensor) -> dict[str, Tensor]:
    """Exact policies and definitions at states `[n, n_states]`: by name `[n, *shape]`.

    Empty where Hooks.py has no `closed_form(state)`, or where that gives nothing because it does not hold for these constants.

    Raises:
        ModelError: where it fails, names what is neither, or gives another shape.
    """
    return _asked(model, "closed_form", states)


def known_answer(model: Model, states: Tensor) -> tuple[str, dict[str, Tensor]]:
    """The closed form where it holds, else `reference(state)`, which is a solution by another method: its kind, and the values.

    Returns:
        `("closed form" | "reference", by name [n, *shape])`; `("", {})` where neither is known.

    Raises:
        ModelError: where one fails, names what is neither a policy nor a definition, or gives another shape.
    """
    for name in ("closed_form", "reference"):
        found = _asked(model, name, states)
        if found:
            return name.replace("_", " "), found
    return "", {}


def _asked(model: Model, name: str, states: Tensor) -> dict[str, Tensor]:
    function = getattr(model, name)
    if function is None:
        return {}
    with model.context(), torch.no_grad():
        try:
            found = function(states) or {}
        except Exception as error:
            raise model.failed(f"{name}(state)", error) from error
        variables = model.config.variables
        shapes = {v.name: tuple(v.shape) for v in (*variables.definitions, *variables.policies)}
        return _by_name(
            model, found, states, shapes, f"{model.name}/Hooks.py: {name}(state)", "neither a policy nor a definition"
        )


def policies_by_name(model: Model, found: Any, states: Tensor, place: str) -> dict[str, Tensor]:
    """What a function of the model's files gives for some policies at states `[n, n_states]`: by name `[n, *shape]`.

    Raises:
        ModelError: where it is no dictionary, names what is no policy, or gives another shape.
    """
    shapes = {column.name: column.shape for column in model.policy_columns}
    return _by_name(model, found, states, shapes, place, "no policy")


def _by_name(
    model: Model, found: Any, states: Tensor, entries: Mapping[str, tuple[int, ...]], place: str, neither: str
) -> dict[str, Tensor]:
    if not isinstance(found, Mapping):
        raise ModelError(
            f"{place} returns a {type(found).__name__}, expected a dict: a value for the name of a policy."
        )
    shapes = {name: (len(states), *shape) for name, shape in entries.items()}
    values = {}
    for name, value in found.items():
        if name not in shapes:
            raise ModelError(f"{place} names {name!r}, which is {neither}.{suggestion(str(name), shapes)}")
        try:
            values[name] = torch.as_tensor(value, dtype=model.dtype).to(states.device).expand(shapes[name])
        except (RuntimeError, TypeError, ValueError) as error:
            raise ModelError(
                f"{place} gives for {name!r} what is neither a number nor a tensor of shape {list(shapes[name])}: {error}"
            ) from error
    return values
