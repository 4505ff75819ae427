"""torch.compile, as a run uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from deqn.training.cpu import no_garbage


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function in one graph, for the sizes of its first call, in which it is compiled."""
    inner, fresh = torch.compile(function, fullgraph=True, dynamic=False), True

    def call(*arguments: Any) -> Any:
        nonlocal fresh
        if not fresh:
            return inner(*arguments)
        fresh = False
        with no_garbage():
            return inner(*arguments)

    return call
