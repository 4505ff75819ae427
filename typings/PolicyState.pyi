"""`import PolicyState` in a file of a model folder: accessors of the policies."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

def update(x: Tensor, name: str, value: Any) -> Tensor:
    """`x` with one variable replaced; `x` itself is unchanged."""

def update_dict(x: Tensor, values: Mapping[str, Any]) -> Tensor:
    """`x` with several variables replaced; `x` itself is unchanged."""

def __getattr__(name: str) -> Callable[[Tensor], Tensor]:
    """`PolicyState.s(p)`, `PolicyState.s_RAW(p)`; `PolicyState.s_POLICY_FROM_STATE(x)` calls the network."""
