"""What is asked of the same tensor several times while a loss is evaluated, computed once.

A model's files ask for `State.K(x)` wherever they need it. Each answer would be a node of autograd with a derivative of its own.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

Answer = TypeVar("Answer")


class _Local(threading.local):
    """Of each thread, which evaluates a loss of its own."""

    found: dict[tuple[int, object, bool], tuple[Tensor, int, Any, int]] | None = None


_local = _Local()


@contextlib.contextmanager
def asked_once() -> Iterator[None]:
    """Inside, `once` remembers its answers."""
    before, _local.found = _local.found, {}
    try:
        yield
    finally:
        _local.found = before


def once(x: Tensor, what: object, compute: Callable[[Tensor], Answer]) -> Answer:
    """`compute(x)`, or what it gave before for this `x` and `what`; not where one of the two was changed in place since."""
    if torch.compiler.is_compiling():  # the compiler finds for itself what is the same
        return compute(x)
    found = _local.found
    if found is None or not isinstance(x, Tensor):
        return compute(x)
    key = (id(x), what, torch.is_grad_enabled())
    known = found.get(key)
    if known is None or known[1] != x._version or known[3] != getattr(known[2], "_version", 0):
        answer = compute(x)
        known = found[key] = (x, x._version, answer, getattr(answer, "_version", 0))  # holds x: its id stays its own
    return known[2]


def known_range(x: Tensor) -> tuple[float, float]:
    """Smallest and largest number; without bounds where they would be waited for, or where a graph is recorded."""
    if x.device.type != "cpu" or torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return -math.inf, math.inf
    return once(x, known_range, _range)


def _range(x: Tensor) -> tuple[float, float]:
    smallest, largest = x.detach().aminmax()
    return smallest.item(), largest.item()
