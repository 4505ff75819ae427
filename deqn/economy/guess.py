"""A rule near the solution, where the model's files have one: `guess(state)` of Guess.py or Definitions.py."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from deqn.economy.columns import describe_state
from deqn.economy.known_answer import policies_by_name
from deqn.economy.model import Model
from deqn.errors import ConfigError, ModelError, suggestion


def find_guess(model: Model) -> Callable[..., Any] | None:
    """The function; None where no file has one.

    Raises:
        ModelError: where it does not take a state.
    """
    function: Any
    if model.linker.has("Guess"):
        file, function = "Guess", getattr(model.linker.link("Guess"), "guess", None)
    elif "guess" in model.Definitions and "guess" not in model.definition_bounds:
        file, function = "Definitions", model.Definitions.guess
    else:
        return None
    try:
        inspect.signature(function).bind("state")
    except TypeError as error:
        raise ModelError(f"{model.name}/{file}.py: expected a function guess(state): {error}.") from error
    return function


def guess(model: Model, states: Tensor) -> Tensor:
    """The rule's policies at states `[n, n_states]`: `[n, n_policies]`, beyond bounds too.

    Raises:
        ConfigError: where there is no such function.
        ModelError: where it fails, does not give every policy, names what is none, or gives another shape.
    """
    function = find_guess(model)
    if function is None:
        raise ConfigError(
            f"net.warm_start = 'guess': {model.folder / 'Guess.py'} is missing. It needs guess(state), which returns a value for "
            "the name of each policy (docs/explanation/training.md); or give net.warm_start=none, steady_state or linear."
        )
    with model.context(), torch.no_grad():
        try:
            found = function(states)
        except Exception as error:
            raise model.failed("guess(state)", error) from error
        place = f"{model.name}: guess(state)"
        policies = policies_by_name(model, found, states, place)
        missing = [column.name for column in model.policy_columns if column.name not in policies]
        if missing:
            raise ModelError(
                f"{place} gives no {missing[0]!r}.{suggestion(missing[0], policies)} It must give every policy."
            )
        return torch.cat(
            [policies[column.name].reshape(len(states), column.size) for column in model.policy_columns], dim=-1
        )


def not_finite(model: Model, states: Tensor, policies: Tensor) -> str:
    """Where the rule is not finite, in words; '' where it is everywhere."""
    for column in model.policy_columns:
        bad = ~torch.isfinite(column.raw(policies)).reshape(len(states), -1).all(-1)
        if bool(bad.any()):
            where = describe_state(model.state_columns, states[int(bad.nonzero()[0])])
            return (
                f"{model.name}: guess(state) gives for {column.name!r} what is not finite in {int(bad.sum())} of {len(bad)} "
                f"initial states, first at {where}."
            )
    return ""
