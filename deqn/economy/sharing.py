"""Definitions that are computed once for the same state and policy within one evaluation of a model.

`Definitions.Y(state, policy_state)` is written into every equation that needs it, and definitions call one another: a model of
climate and economy computes the time behind its trends some hundred times in a step. Here the first call computes, and the
others get the same tensor. What is the same is told by the tensors themselves (identity, not numbers), by how often they
have been changed in place, and by whether gradients are recorded. Nothing is kept when the evaluation is over.

The probe turns it on (`deqn/economy/probe.py`): where it pays, and where residuals, gradients and periods stay what they are.
"""

from __future__ import annotations

import functools
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

_VARIABLE_ARGUMENTS = 0x04 | 0x08  # flags of a code object: *args, **kwargs


class Table:
    """What one evaluation has computed.

    Attributes:
        saved: calls of definitions that call others, and that were not computed again.
    """

    def __init__(self) -> None:
        self._values: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        # all tensors, with how often they had been changed in place: while they are kept, no other one gets their identity
        self._seen: list[tuple[Tensor, int]] = []
        self._calls = 0
        self.saved = 0

    def value(self, function: Callable[..., Any], state: Tensor, policy_state: Tensor) -> Any:
        """Of a definition at `[*batch, n_states]`, `[*batch, n_policies]`."""
        if not isinstance(state, Tensor) or not isinstance(policy_state, Tensor):
            return function(state, policy_state)
        key = (
            function, torch.is_grad_enabled(), id(state), state._version, state.requires_grad,
            id(policy_state), policy_state._version, policy_state.requires_grad,
        )  # fmt: skip
        self._calls += 1
        found = self._values.get(key)
        if found is not None:
            self.saved += found[0]
            return found[1]
        before = self._calls
        result = function(state, policy_state)
        parts = _tensors(result)
        if parts:
            self._values[key] = (self._calls > before, result)
            self._seen += [(x, x._version) for x in (state, policy_state, *parts)]
        return result

    @property
    def is_changed(self) -> bool:
        """Whether a state, a policy or a value was changed in place after it had been used."""
        return any(x._version != version for x, version in self._seen)


class TraceTable:
    """The same while `torch.compile` records; what cannot be recorded (versions of tensors) the probe has seen."""

    def __init__(self) -> None:
        self._values: dict[tuple[Any, ...], Any] = {}

    def value(self, function: Callable[..., Any], state: Any, policy_state: Any) -> Any:
        if not isinstance(state, Tensor) or not isinstance(policy_state, Tensor):
            return function(state, policy_state)
        key = (function, torch.is_grad_enabled(), state, policy_state)
        if key in self._values:
            return self._values[key]
        result = function(state, policy_state)
        if _tensors(result):
            self._values[key] = result
        return result


class Sharing:
    """Where values are shared; each thread evaluates for itself.

    Attributes:
        on: whether the probe has allowed it.
    """

    def __init__(self) -> None:
        self.on = False
        self._local = threading.local()
        self._traced: TraceTable | None = None

    def run(self, function: Callable[[Tensor, Tensor], Any], states: Tensor, policies: Tensor) -> Any:
        """What a function of the model's files gives at `[*batch, n_states]`, `[*batch, n_policies]`: one evaluation.

        Inside another one it is a part of that.
        """
        if torch.compiler.is_compiling():
            return self._trace(function, states, policies)
        is_open = getattr(self._local, "table", None) is not None
        if not self.on or is_open or states.is_inference():
            return function(states, policies)
        with self.evaluation() as table:
            result = function(states, policies)
        if table.is_changed:  # somewhere where the probe has not been
            self.on = False
            return function(states, policies)
        return result

    def _trace(self, function: Callable[[Tensor, Tensor], Any], states: Tensor, policies: Tensor) -> Any:
        """The compiler finds for itself what is the same, but slowly."""
        if not self.on or self._traced is not None:
            return function(states, policies)
        self._traced = TraceTable()
        try:
            return function(states, policies)
        finally:
            self._traced = None

    @contextmanager
    def evaluation(self) -> Iterator[Table]:
        """Until it ends, values are shared in this thread."""
        self._local.table = table = Table()
        try:
            yield table
        finally:
            self._local.table = None

    def definition(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A definition (state, policy_state) whose values are shared."""
        local = self._local

        @functools.wraps(function)
        def shared(*arguments: Any, **named: Any) -> Any:
            table = self._traced if torch.compiler.is_compiling() else getattr(local, "table", None)
            if table is None or named or len(arguments) != 2:
                return function(*arguments, **named)
            return table.value(function, *arguments)

        return shared

    def definitions(self, module: types.ModuleType) -> None:
        """Shares what the functions of a linked Definitions.py give, also where they call one another."""
        for name, function in vars(module).items():
            if (
                isinstance(function, types.FunctionType)
                and function.__globals__ is vars(module)
                and _is_of_two(function)
            ):
                vars(module)[name] = self.definition(function)


def _tensors(value: Any) -> tuple[Tensor, ...]:
    """The tensor that a definition gives, or its tuple of tensors; nothing of another value, which is not shared."""
    if isinstance(value, Tensor):
        return (value,)
    return value if isinstance(value, tuple) and all(isinstance(part, Tensor) for part in value) else ()


def _is_of_two(function: types.FunctionType) -> bool:
    """Whether a function takes a state and a policy and nothing else."""
    code = function.__code__
    more = code.co_kwonlyargcount or code.co_flags & _VARIABLE_ARGUMENTS or function.__defaults__
    return code.co_argcount == 2 and not more
