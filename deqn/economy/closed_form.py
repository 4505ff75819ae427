"""The exact policies of a model, where its Hooks.py knows them: `closed_form(state)`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from deqn.economy.model import Model
from deqn.errors import ModelError, suggestion


def closed_form(model: Model, states: Tensor) -> dict[str, Tensor]:
    """Exact policies at states `[n, n_states]`: by name `[n, *shape]`.

    Empty where Hooks.py has no `closed_form(state)`, or where that gives nothing because it does not hold for these constants.

    Raises:
        ModelError: where it fails, names what is no policy, or gives another shape.
    """
    if model.closed_form is None:
        return {}
    with model.context(), torch.no_grad():
        try:
            found = model.closed_form(states) or {}
        except Exception as error:
            raise model.failed("closed_form(state)", error) from error
        place = f"{model.name}/Hooks.py: closed_form(state)"
        if not isinstance(found, Mapping):
            raise ModelError(
                f"{place} returns a {type(found).__name__}, expected a dict: a value for the name of a policy."
            )
        shapes = {column.name: (len(states), *column.shape) for column in model.policy_columns}
        exact = {}
        for name, value in found.items():
            if name not in shapes:
                raise ModelError(f"{place} names {name!r}, which is no policy.{suggestion(str(name), shapes)}")
            try:
                exact[name] = torch.as_tensor(value, dtype=model.dtype).to(states.device).expand(shapes[name])
            except (RuntimeError, TypeError, ValueError) as error:
                raise ModelError(
                    f"{place} gives for {name!r} what is neither a number nor a tensor of shape {list(shapes[name])}: {error}"
                ) from error
    return exact
